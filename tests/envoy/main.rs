//! End to end: a client, the real Envoy, Plimsoll's binary, an upstream.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod drain;
mod failure;
mod hostile;
mod identity;
mod reload;
mod signals;
mod trust;

use serde_json::{Value, json};
use support::client::{Request, Response};
use support::envoy::{Envoy, Options};
use support::plimsoll::Plimsoll;
use support::upstream::Upstream;

/// Who is who, where a test says nothing else.
fn identities() -> Value {
    json!({"identity": {
        "user": [{"header": "x-login"}],
        "session": [{"cookie": "sid"}],
        "device": [{"header": "x-client-device"}],
        "address": [{"connection": {}}],
    }})
}

/// All that there is between a client and an application.
struct House {
    plimsoll: Plimsoll,
    envoy: Envoy,
    _upstream: Upstream,
}

impl House {
    fn new() -> Self {
        Self::with(&Options::default())
    }

    fn with(options: &Options) -> Self {
        Self::configured(options, &identities())
    }

    fn configured(options: &Options, settings: &Value) -> Self {
        Self::serving("tests/envoy/policies", options, settings)
    }

    fn serving(policies: &str, options: &Options, settings: &Value) -> Self {
        let plimsoll = Plimsoll::serve(policies, settings);
        let upstream = Upstream::start();
        let envoy = Envoy::start(options, &plimsoll.grpc, upstream.address);
        House { plimsoll, envoy, _upstream: upstream }
    }

    fn send(&self, request: &Request) -> Response {
        self.envoy.send(request)
    }
}
