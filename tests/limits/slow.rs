//! Those who never get to the end.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::house::{Asker, House, short, short_and};
use crate::raw::{HEADERS, call, connect, contains, data, frames, open, read_to_end, read_until};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const EVALUATE: &str = "/plimsoll.v1.DecisionService/Evaluate";

/// HTTP/1.1 headers byte by byte: each connection ends though bytes keep coming.
#[test]
fn slow_loris() {
    // It must be the time that ends them.
    let house = House::open(&short_and(&json!({"max_header_bytes": 16 << 20})));
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(house.http)).collect();
    let mut endless =
        b"GET /ready HTTP/1.1\r\nhost: x\r\nx-a: ".iter().copied().chain(std::iter::repeat(b'a'));
    crate::house::wait_for("all have ended", || {
        let byte = endless.next().unwrap();
        // A write fails where the server has closed.
        slow.retain_mut(|stream| stream.write_all(&[byte]).is_ok());
        slow.is_empty()
    });
    house.wait_for("their places are free", |house| house.metric("plimsoll_open_connections") < 5);
    asker.stop();
    house.assert_memory_below("200 slow HTTP/1.1 heads", before, 96);
}

/// Bodies that never end, on both ports and to each kind of service.
#[test]
fn bodies_without_end() {
    let house = House::open(&short());
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let mut slow: Vec<TcpStream> = (0..200).map(|_| open(house.grpc)).collect();
    for stream in &mut slow {
        // Half a message of a hundred bytes.
        let half = [&[0, 0, 0, 0, 100][..], &[0; 50]].concat();
        for (number, path) in [(1, CHECK), (3, EVALUATE)] {
            let sent = [call(number, path), data(number, &half)].concat();
            stream.write_all(&sent).unwrap();
        }
    }
    house.wait_for("all are refused", |house| house.refused("too_slow") >= 400);
    for stream in &mut slow {
        // Both are answered: what that says is in the unit tests.
        read_until(stream, |all| {
            let frames = frames(all);
            [1, 3].iter().all(|id| frames.contains(&(HEADERS, *id)))
        });
    }
    let mut post = connect(house.http);
    post.write_all(b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        .unwrap();
    let answer = read_to_end(&mut post);
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    house.wait_until_nothing_is_held();
    asker.stop();
    house.assert_memory_below("400 bodies without end", before, 96);
}

/// A stream of reports may be silent, but a message that has begun must end.
#[test]
fn a_stream_may_rest_between_messages_only() {
    let house = House::open(&short());
    let mut stream = open(house.grpc);
    stream.write_all(&call(1, "/plimsoll.v1.SignalService/ReportStream")).unwrap();
    house.wait_for("it is open", |house| house.metric("plimsoll_requests_in_flight") == 2);
    // Longer than a request may take: others come and are given up meanwhile.
    for number in [3, 5] {
        let slow = house.refused("too_slow");
        stream.write_all(&call(number, CHECK)).unwrap();
        house.wait_for("another was too slow", |house| house.refused("too_slow") == slow + 1);
    }
    assert_eq!(house.metric("plimsoll_requests_in_flight"), 2, "the stream goes on");
    stream.write_all(&data(1, &[0, 0])).unwrap();
    house.wait_until_nothing_is_held();
    assert_eq!(house.refused("too_slow"), 3);
}

#[test]
fn headers_have_a_size() {
    let house = House::open(&short_and(&json!({"max_header_bytes": 8192})));
    let asker = Asker::start(&house);
    let mut stream = connect(house.http);
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nx-a: ").unwrap();
    // The server may close before all of it is written.
    let _ = stream.write_all(&[b'a'; 64 * 1024]);
    let answer = read_to_end(&mut stream);
    assert!(
        answer.is_empty() || contains(&answer, b" 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(async {
        let endpoint = tonic::transport::Endpoint::new(format!("http://{}", house.grpc)).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut client = tonic_health::pb::health_client::HealthClient::new(channel);
        let mut ask = async |size: usize| {
            let mut request = tonic::Request::new(tonic_health::pb::HealthCheckRequest::default());
            request.metadata_mut().insert("x-a", "a".repeat(size).parse().unwrap());
            client.check(request).await
        };
        ask(4000).await.unwrap();
        ask(16_000).await.is_err()
    });
    assert!(refused);
    asker.stop();
}

/// Open requests on both ports hold a shutdown up once, not twice.
#[test]
fn a_shutdown_has_one_deadline() {
    let mut house = House::open(&json!({"drain_seconds": 6.0}));
    let mut grpc = open(house.grpc);
    grpc.write_all(&call(1, CHECK)).unwrap();
    let mut http = connect(house.http);
    http.write_all(b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        .unwrap();
    house.wait_for("both are open", |house| house.metric("plimsoll_requests_in_flight") == 3);
    let began = Instant::now();
    house.plimsoll.process.signal(Signal::TERM);
    assert_eq!(house.plimsoll.process.wait_for_end().code(), Some(0));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(11), "{took:?}");
}
