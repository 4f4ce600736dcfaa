//! All of it together: a client's way to an application.

use serde_json::{Value, json};

use super::client::{Request, Response};
use super::envoy::{Envoy, Options};
use super::plimsoll::Plimsoll;
use super::upstream::Upstream;

/// Who is who, where a test says nothing else.
pub fn identities() -> Value {
    json!({"identity": {
        "user": [{"header": "x-login"}],
        "session": [{"cookie": "sid"}],
        "device": [{"header": "x-client-device"}],
        "address": [{"connection": {}}],
    }})
}

/// All that there is between a client and an application.
pub struct House {
    pub plimsoll: Plimsoll,
    pub envoy: Envoy,
    _upstream: Upstream,
}

impl House {
    pub fn new() -> Self {
        Self::with(&Options::default())
    }

    pub fn with(options: &Options) -> Self {
        Self::configured(options, &identities())
    }

    pub fn configured(options: &Options, settings: &Value) -> Self {
        Self::serving("tests/envoy/policies", options, settings)
    }

    pub fn serving(policies: &str, options: &Options, settings: &Value) -> Self {
        let plimsoll = Plimsoll::serve(policies, settings);
        let upstream = Upstream::start();
        let envoy = Envoy::start(options, &plimsoll.grpc, upstream.address);
        House { plimsoll, envoy, _upstream: upstream }
    }

    pub fn send(&self, request: &Request) -> Response {
        self.envoy.send(request)
    }
}
