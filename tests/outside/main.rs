//! What is seen of a running server from outside: metrics, readiness, status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/idp.rs"]
mod idp;
mod lists;
mod metrics;
mod readiness;

use serde_json::{Value, json};
use support::client::Request;
use support::plimsoll::Plimsoll;

const POLICIES: &str = "tests/outside/policies";

fn post(plimsoll: &Plimsoll, path: &str, body: &Value) -> Value {
    let request = Request::post(path, body.to_string()).header("content-type", "application/json");
    let answer = plimsoll.ask(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Reports one signal about `user`, seen so many seconds ago.
fn report(plimsoll: &Plimsoll, user: &str, signal: &str, value: &Value, ago: i64) {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(ago);
    let report = json!({
        "entity": {"type": "user", "id": user},
        "signals": {signal: value},
        "observed_at": at.to_string(),
    });
    let receipt = post(plimsoll, "/v1/signals", &json!({"reports": [report]}));
    assert_eq!(receipt["accepted"], 1, "{receipt}");
}

fn ask(plimsoll: &Plimsoll, user: &str) -> Value {
    let question = json!({
        "subject": {"type": "user", "id": user},
        "action": {"name": "read"},
        "resource": {"type": "page", "id": "p"},
        "context": {"entities": {"address": "192.0.2.1"}},
    });
    post(plimsoll, "/access/v1/evaluation", &question)
}
