//! TLS under attack.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::house::{Asker, House, short_and};
use crate::raw::{connect, read_to_end};
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

/// Nothing at all, the beginning of a hello, and garbage: each ends, and others shake hands meanwhile.
#[test]
fn handshakes_that_never_finish() {
    let authority = Arc::new(Authority::new());
    let files = Files::new(&authority.issue(&["localhost"]), None);
    let server = short_and(&json!({"max_handshakes": 50, "handshake_seconds": 2.0}));
    let house = House::configured(&settings(&files, &server));
    let (before, _) = house.memory();
    let first = asker(&house, &authority);
    // The first bytes of a hello that announces 512.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let mut hostile: Vec<TcpStream> = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(house.grpc);
        stream.write_all(&hello).unwrap();
        hostile.push(stream);
    }
    // All places are taken by those who don't go on; whoever means it gets in nevertheless.
    let second = asker(&house, &authority);
    assert!(house.refused_connections("handshake_evicted") >= 150);
    for stream in &mut hostile {
        read_to_end(stream);
    }
    house.wait_for("all are counted", |house| {
        let causes = ["handshake_evicted", "handshake_slow"];
        causes.iter().map(|cause| house.refused_connections(cause)).sum::<u64>() >= 200
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
