//! TLS under attack.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::house::{Asker, House, short, wait_for};
use crate::raw::{connect, has_ended, read_to_end};
use crate::support::client::Request;
use crate::support::house::identities;
use crate::tls::{Authority, Files, channel};

fn settings(files: &Files, server: &Value) -> Value {
    let mut settings = identities();
    settings["server"] = server.clone();
    settings["tls"] = json!({
        "cert": files.path("cert.pem"),
        "key": files.path("key.pem"),
        // Metrics are read in the clear.
        "listeners": ["grpc"],
    });
    settings
}

/// Asks over TLS.
fn asker(house: &House, authority: &Arc<Authority>) -> Asker {
    let (address, ca) = (house.plimsoll.grpc.parse().unwrap(), Arc::clone(authority));
    Asker::asking(move || async move { channel(&address, &ca, None).await.unwrap() })
}

/// The first bytes of a hello that announces 512.
const HALF_A_HELLO: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// So many handshakes that don't go on.
fn begun(house: &House, count: usize) -> Vec<TcpStream> {
    let begin = |_| {
        let mut stream = connect(house.grpc);
        stream.write_all(&HALF_A_HELLO).unwrap();
        stream
    };
    (0..count).map(begin).collect()
}

/// All places are taken by those who don't go on; whoever means it gets in nevertheless.
#[test]
fn more_handshakes_than_places() {
    let authority = Arc::new(Authority::new());
    let files = Files::new(&authority.issue(&["localhost"]), None);
    // None of them ends by the time that it takes.
    let server = json!({"max_handshakes": 50, "handshake_seconds": 600.0});
    let house = House::configured(&settings(&files, &server));
    let (before, _) = house.memory();
    let first = asker(&house, &authority);
    let hostile = begun(&house, 200);
    house.wait_for("all have come", |house| house.refused_connections("handshake_evicted") == 150);
    let second = asker(&house, &authority);
    assert_eq!(house.refused_connections("handshake_evicted"), 151);
    for stream in &hostile {
        stream.set_nonblocking(true).unwrap();
    }
    wait_for("who took longest has given way", || {
        hostile.iter().filter(|stream| has_ended(stream)).count() == 151
    });
    let mut garbage = connect(house.grpc);
    garbage.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    read_to_end(&mut garbage);
    house
        .wait_for("garbage is counted", |house| house.refused_connections("handshake_failed") == 1);
    first.stop();
    second.stop();
    house.assert_memory_below("200 handshakes without end", before, 96);
}

/// There is room for all of them: it is the time that ends them.
#[test]
fn handshakes_that_never_finish() {
    let authority = Arc::new(Authority::new());
    let files = Files::new(&authority.issue(&["localhost"]), None);
    let house = House::configured(&settings(&files, &short()));
    let asker = asker(&house, &authority);
    for stream in &mut begun(&house, 100) {
        read_to_end(stream);
    }
    assert_eq!(house.refused_connections("handshake_slow"), 100);
    assert_eq!(house.refused_connections("handshake_evicted"), 0);
    asker.stop();
}

/// The good certificate goes on, `/status` says what is wrong, and the next good one is taken up.
#[test]
fn garbage_for_a_certificate_while_serving() {
    let (old, new) = (Arc::new(Authority::new()), Arc::new(Authority::new()));
    let pair = old.issue(&["localhost"]);
    let files = Files::new(&pair, None);
    let house = House::configured(&settings(&files, &json!({})));
    let open = asker(&house, &old);
    let tls = || house.plimsoll.ask(&Request::get("/status")).json()["files"][0].clone();
    for (name, garbage) in [("cert.pem", "garbage"), ("key.pem", ""), ("cert.pem", "\0\0\0")] {
        files.write(name, garbage);
        house.wait_for("it is noticed", |_| tls()["error"].is_string());
        asker(&house, &old).stop();
        open.goes_on();
        files.swap(&pair);
        house.wait_for("it is well again", |_| tls()["error"].is_null());
    }
    files.swap(&new.issue(&["localhost"]));
    house.wait_for("it is taken up", |_| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = house.plimsoll.grpc.parse().unwrap();
        runtime.block_on(channel(&address, &new, None)).is_ok()
    });
    asker(&house, &new).stop();
    open.stop();
}
