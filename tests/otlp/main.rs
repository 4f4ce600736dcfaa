//! Traces and metrics as a real OTLP/gRPC collector receives them, from the binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod collector;
mod envoy;
mod metrics;
mod outage;
mod settings;
mod traces;

use std::collections::HashMap;

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, attribute_context,
};
use serde_json::{Value, json};
use support::plimsoll::Plimsoll;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

/// Serves the policies of the end-to-end tests, exporting as `otlp` says.
fn serve(otlp: &Value) -> Plimsoll {
    let settings = json!({
        "telemetry": {"otlp": otlp},
        "identity": {"user": [{"header": "x-login"}]},
    });
    Plimsoll::serve("tests/envoy/policies", &settings)
}

/// Asks as Envoy does.
struct Caller {
    runtime: Runtime,
    client: AuthorizationClient<Channel>,
}

impl Caller {
    fn of(plimsoll: &Plimsoll) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::new(format!("http://{}", plimsoll.grpc)).unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        Caller { runtime, client: AuthorizationClient::new(channel) }
    }

    /// `metadata` is the call's, `headers` are those of the request it asks about.
    fn check(
        &mut self,
        metadata: &[(&'static str, &str)],
        headers: &[(&str, &str)],
    ) -> CheckResponse {
        let headers: HashMap<String, String> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let http = attribute_context::HttpRequest {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers,
            ..Default::default()
        };
        let request = attribute_context::Request { http: Some(http), ..Default::default() };
        let attributes = AttributeContext { request: Some(request), ..Default::default() };
        let mut call = tonic::Request::new(CheckRequest { attributes: Some(attributes) });
        for (name, value) in metadata {
            call.metadata_mut().insert(*name, value.parse().unwrap());
        }
        self.runtime.block_on(self.client.check(call)).unwrap().into_inner()
    }
}

/// A header that an allowed request is sent on with.
fn set_header(response: &CheckResponse, name: &str) -> Option<String> {
    let Some(HttpResponse::OkResponse(ok)) = &response.http_response else {
        panic!("not allowed: {response:?}")
    };
    let headers = ok.headers.iter().filter_map(|header| header.header.as_ref());
    headers.clone().find(|header| header.key == name).map(|header| header.value.clone())
}
