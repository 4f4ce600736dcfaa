//! OpenID AuthZEN Authorization API 1.0, over real HTTP. The tests that begin with
//! `c_` are named after the sections of the certification scenario.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod basic;
mod batch;
mod discovery;
mod ours;

use std::net::SocketAddr;
use std::path::PathBuf;

use plimsoll::api::transport::Listen;
use plimsoll::app::App;
use plimsoll::config::{Config, DataConfig};
use serde_json::{Value, json};
use support::client::{Request, Response, send};

pub const EVALUATION: &str = "/access/v1/evaluation";
pub const EVALUATIONS: &str = "/access/v1/evaluations";

struct House {
    app: App,
}

impl House {
    fn new() -> Self {
        Self::serving(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/authzen/policies").into(), None)
    }

    fn serving(policies: PathBuf, public_url: Option<&str>) -> Self {
        let mut config = Config { policies, data: DataConfig::Memory, ..Config::default() };
        config.listen.grpc = "127.0.0.1:0".to_owned();
        config.listen.http = "127.0.0.1:0".to_owned();
        config.listen.public_url = public_url.map(str::to_owned);
        config.server.workers = 1;
        House { app: App::start(&config).unwrap() }
    }

    fn address(&self) -> SocketAddr {
        let Some(Listen::Tcp(address)) = self.app.http_address() else { panic!("no TCP") };
        *address
    }

    fn send(&self, request: &Request) -> Response {
        send(self.address(), request)
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        self.post_text(path, &body.to_string())
    }

    fn post_text(&self, path: &str, body: &str) -> Response {
        self.send(&Request::post(path, body).header("content-type", "application/json"))
    }

    /// A whole answer, which must be one.
    fn ask(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.json()
    }

    fn decide(&self, body: &Value) -> bool {
        self.ask(EVALUATION, body)["decision"].as_bool().unwrap()
    }

    /// The decisions of a batch, in order.
    fn decide_all(&self, body: &Value) -> Vec<bool> {
        let answer = self.ask(EVALUATIONS, body);
        assert_eq!(answer["decision"], Value::Null, "{answer}");
        let evaluations = answer["evaluations"].as_array().unwrap();
        evaluations.iter().map(|each| each["decision"].as_bool().unwrap()).collect()
    }

    /// Why a request was refused.
    fn refused(&self, path: &str, body: &Value) -> (u16, String) {
        let answer = self.post(path, body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        (answer.status, answer.json()["detail"].as_str().unwrap().to_owned())
    }
}

fn user(id: &str) -> Value {
    json!({"type": "user", "id": id})
}

fn record(id: &str) -> Value {
    json!({"type": "record", "id": id})
}

/// A question about `record-1`.
fn question(who: &str, action: &str) -> Value {
    json!({"subject": user(who), "action": {"name": action}, "resource": record("record-1")})
}

/// With one more field, or another one.
fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

fn without(mut body: Value, pointer: &str) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    body
}
