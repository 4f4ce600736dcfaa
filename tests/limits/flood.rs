//! More than can be held.

use std::io::Write as _;
use std::net::TcpStream;

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use serde_json::json;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::house::{Asker, House, ask, check, short_and};
use crate::raw::{call, connect, data, open_wide, read_until};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const REPORT: &str = "/plimsoll.v1.SignalService/Report";

/// What bodies may hold in these tests (MiB).
const HELD: u64 = 32;

/// No request is refused because of the time that it takes.
fn house() -> House {
    House::open(&short_and(&json!({"max_body_bytes": HELD << 20, "request_seconds": 600.0})))
}

/// 300 requests of 1 MB of which the last byte never comes: 300 MB, were all of it kept.
#[test]
fn large_requests_that_never_end() {
    let house = house();
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let nearly = [&[0, 0, 0x0f, 0x42, 0x40][..], &vec![0; 999_999]].concat();
    let mut hostile: Vec<TcpStream> = Vec::new();
    for number in 0..150 {
        let mut stream = open_wide(house.grpc);
        let path = if number % 2 == 0 { CHECK } else { REPORT };
        // Two of them fit into what a client may send ahead.
        for id in [1, 3] {
            stream.write_all(&[call(id, path), data(id, &nearly)].concat()).unwrap();
        }
        hostile.push(stream);
    }
    house.wait_for("most are refused", |house| house.refused("overloaded_bytes") >= 200);
    asker.goes_on();
    assert!(house.metric("plimsoll_body_bytes_in_flight") <= HELD << 20);
    // Held below the bound, plus what passes through: a connection reads ahead and lets go.
    house.assert_memory_below("300 requests of 1 MB without end", before, 128);
    drop(hostile);
    house.wait_until_nothing_is_held();
    asker.stop();
}

/// 1 MB bodies over HTTP that never end.
#[test]
fn large_http_bodies_that_never_end() {
    let house = house();
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let head = b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    let mut hostile = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(house.http);
        // A server that has refused may close before it is written.
        let _ = stream.write_all(&[&head[..], &vec![b' '; 999_999]].concat());
        hostile.push(stream);
    }
    house.wait_for("most are refused", |house| house.refused("overloaded_bytes") >= 60);
    // A small one is taken all the same.
    let mut small = connect(house.http);
    small.write_all(b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"reports\": []}").unwrap();
    let answer = read_until(&mut small, |all| all.starts_with(b"HTTP/1.1 200"));
    assert!(!answer.is_empty());
    house.assert_memory_below("100 HTTP bodies of 1 MB without end", before, 128);
    drop((hostile, small));
    house.wait_until_nothing_is_held();
    asker.stop();
}

/// Whole requests of 1 MB, as many as go: each is answered rightly or refused as a fault of load.
#[test]
fn large_requests() {
    let house = house();
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (answered, refused) = runtime.block_on(async {
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let endpoint = Endpoint::new(format!("http://{}", house.grpc)).unwrap();
            asking.spawn(async move {
                let mut client = AuthorizationClient::new(endpoint.connect().await.unwrap());
                let (mut answered, mut refused) = (0, 0);
                for _ in 0..3 {
                    match client.check(check("high", vec![7; 1_000_000])).await {
                        Ok(answer) => {
                            assert_ne!(answer.into_inner().status.unwrap().code, 0);
                            answered += 1;
                        }
                        Err(status) => {
                            assert_eq!(status.code(), Code::Unavailable, "{status}");
                            refused += 1;
                        }
                    }
                }
                (answered, refused)
            });
        }
        let all = asking.join_all().await;
        all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    println!("300 whole requests of 1 MB: {answered} answered, {refused} refused");
    assert!(answered > 0);
    assert_eq!(answered + refused, 300);
    house.wait_until_nothing_is_held();
    asker.stop();
    house.assert_memory_below("300 whole requests of 1 MB", before, 192);
}

/// Short of memory, it refuses rather than be killed; operators see why.
#[test]
fn short_of_memory() {
    let house = House::open(&json!({"max_resident_bytes": 1 << 20}));
    house.wait_for("memory is found short", |house| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let refused = runtime.block_on(async {
            let endpoint = Endpoint::new(format!("http://{}", house.grpc)).unwrap();
            let mut client = AuthorizationClient::new(endpoint.connect().await.unwrap());
            ask(&mut client, "low").await.err().map(|status| status.code())
        });
        refused == Some(Code::Unavailable)
    });
    assert!(house.refused("overloaded_memory") > 0);
    let mut http = connect(house.http);
    http.write_all(b"POST /access/v1/evaluation HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    let answer = read_until(&mut http, |all| all.ends_with(b"}"));
    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
}
