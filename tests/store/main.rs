//! What outlives a process, with the real binary: killed, restarted, damaged, crowded out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod aside;
mod faults;
mod kept;
mod links;
mod refusals;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use plimsoll::proto::signal_service_client::SignalServiceClient;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::PATIENCE;
use support::client::{Request, Response};
use support::plimsoll::{Plimsoll, command};
use support::process::run;
use tonic::transport::Channel;

/// A server that keeps what it knows in `data`.
fn serve(data: &Path) -> Plimsoll {
    let plimsoll = Plimsoll::serve("tests/store/policies", &json!({"data": data}));
    plimsoll.wait_for("ready", 0);
    plimsoll
}

/// Ends it as an orchestrator does: what is known is written.
fn end(mut server: Plimsoll) {
    server.process.signal(Signal::TERM);
    assert!(server.process.wait_for_end().success());
}

/// What a server says that doesn't start with `data`.
fn refused(data: &Path) -> String {
    let mut command: Command = command();
    command.args(["serve", "--policies", "tests/store/policies"]);
    command.env("PLIMSOLL_DATA", data);
    command.env("PLIMSOLL_LISTEN__GRPC", "127.0.0.1:0").env("PLIMSOLL_LISTEN__HTTP", "127.0.0.1:0");
    let (status, out, errors) = run(&mut command, PATIENCE);
    assert_eq!(status.code(), Some(1), "{out}{errors}");
    out + &errors
}

fn report(plimsoll: &Plimsoll, path: &str, id: &str, signals: &Value) -> Response {
    let reports = json!([{"entity": {"type": "user", "id": id}, "signals": signals}]);
    let body = json!({"reports": reports}).to_string();
    plimsoll.ask(&Request::post(path, body).header("content-type", "application/json"))
}

fn report_durably(plimsoll: &Plimsoll, id: &str, signals: &Value) {
    let answer = report(plimsoll, "/v1/signals?durable=true", id, signals);
    assert_eq!((answer.status, &answer.json()["durable"]), (200, &json!(true)), "{answer:?}");
}

/// The score of a request of this user on this device.
fn score(plimsoll: &Plimsoll, user: &str, device: &str) -> f64 {
    let body = json!({
        "subject": {"type": "user", "id": user},
        "action": {"name": "read"},
        "resource": {"type": "page", "id": "p"},
        "context": {"entities": {"device": device}},
    });
    let request = Request::post("/access/v1/evaluation", body.to_string())
        .header("content-type", "application/json");
    let answer = plimsoll.ask(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["context"]["score"].as_f64().unwrap_or_else(|| panic!("{answer:?}"))
}

fn status(plimsoll: &Plimsoll) -> Value {
    plimsoll.ask(&Request::get("/status")).json()
}

fn metric(plimsoll: &Plimsoll, name: &str) -> f64 {
    let page = plimsoll.ask(&Request::get("/metrics")).body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// Asks again until `is` takes it: something that another thread does is on its way.
fn until<T: std::fmt::Debug>(mut ask: impl FnMut() -> T, is: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if is(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "it stays at {answer:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// By gRPC, in a runtime of its own.
fn by_grpc<T, F: Future<Output = T>>(
    plimsoll: &Plimsoll,
    ask: impl FnOnce(SignalServiceClient<Channel>) -> F,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = format!("http://{}", plimsoll.grpc);
    runtime.block_on(async { ask(SignalServiceClient::connect(address).await.unwrap()).await })
}
