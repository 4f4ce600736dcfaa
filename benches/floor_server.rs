//! The floor that Plimsoll is measured against: what a check costs when
//! nothing is decided.
//!
//! A do-nothing `Authorization/Check` on the stock types (`envoy-types`), tonic's
//! own server and tokio's default runtime, as most authorization servers in Rust
//! are built. `benches/compare.py` runs it beside a Plimsoll server and compares
//! the CPU time a check.
//!
//!     floor_server serve 127.0.0.1:9291     answers every check with OK
//!     floor_server request FILE             writes the request that h2load sends
//!     floor_server probe ADDRESS FILE       sends it once and fails unless the answer is an OK

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::{
    Address, Metadata, SocketAddress, address, socket_address,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request as Attributes,
};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{
    Authorization, AuthorizationServer,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use envoy_types::pb::google::protobuf::{Struct, Timestamp, Value, value::Kind};
use envoy_types::pb::google::rpc;
use prost::Message;
use tonic::{Request, Response, Status};

struct DoNothing;

#[tonic::async_trait]
impl Authorization for DoNothing {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let status = Some(rpc::Status { code: 0, ..Default::default() });
        Ok(Response::new(CheckResponse { status, ..Default::default() }))
    }
}

#[tokio::main]
async fn serve(address: &str) -> anyhow::Result<()> {
    tonic::transport::Server::builder()
        .add_service(AuthorizationServer::new(DoNothing))
        .serve(address.parse()?)
        .await?;
    Ok(())
}

#[tokio::main]
async fn probe(address: &str, file: &str) -> anyhow::Result<()> {
    let framed = std::fs::read(file)?;
    let request = CheckRequest::decode(framed.get(5..).unwrap_or_default())?;
    let mut client = AuthorizationClient::connect(format!("http://{address}")).await?;
    let answer = client.check(request).await?.into_inner();
    anyhow::ensure!(answer.status.as_ref().is_some_and(|status| status.code == 0), "{answer:?}");
    Ok(())
}

/// About 1.2 kB and 20 headers: a browser behind a gateway, its token already verified by `jwt_authn`.
fn request() -> CheckRequest {
    let headers = [
        (":authority", "shop.example.com"),
        (":method", "POST"),
        (":path", "/api/v2/accounts/8231/transfers?currency=EUR"),
        (":scheme", "https"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
        ("content-length", "184"),
        ("content-type", "application/json"),
        ("origin", "https://shop.example.com"),
        ("referer", "https://shop.example.com/accounts/8231/transfers/new?currency=EUR"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-origin"),
        (
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        ("x-device-id", "d-5f1c2a77"),
        ("x-envoy-external-address", "203.0.113.9"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "6c5cdd1e-3c7b-4a58-9ae5-7d8b27a2cf11"),
        ("x-session-id", "s-91d0b7f2-4f0a-4a4e-9d1c-52d2a7f3c0be"),
    ];
    let peer = |ip: &str, port: u32, principal: &str| Peer {
        address: Some(Address {
            address: Some(address::Address::SocketAddress(SocketAddress {
                address: ip.to_owned(),
                port_specifier: Some(socket_address::PortSpecifier::PortValue(port)),
                ..Default::default()
            })),
        }),
        principal: principal.to_owned(),
        ..Default::default()
    };
    let text = |s: &str| Value { kind: Some(Kind::StringValue(s.to_owned())) };
    let object = |fields: Vec<(&str, Value)>| Struct {
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    let claims = object(vec![("sub", text("u-104233")), ("acr", text("urn:example:silver"))]);
    let payload = object(vec![("payload", Value { kind: Some(Kind::StructValue(claims)) })]);
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer("203.0.113.9", 51_234, "")),
            destination: Some(peer("10.0.3.17", 8443, "spiffe://example.com/ns/shop/sa/api")),
            request: Some(Attributes {
                time: Some(Timestamp { seconds: 1_790_000_000, nanos: 125_000_000 }),
                http: Some(HttpRequest {
                    id: "1163840276435117".to_owned(),
                    method: "POST".to_owned(),
                    path: "/api/v2/accounts/8231/transfers?currency=EUR".to_owned(),
                    host: "shop.example.com".to_owned(),
                    scheme: "https".to_owned(),
                    size: 184,
                    protocol: "HTTP/2".to_owned(),
                    headers: headers
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                        .collect(),
                    ..Default::default()
                }),
            }),
            context_extensions: HashMap::from([(
                "plimsoll.policy".to_owned(),
                "session".to_owned(),
            )]),
            metadata_context: Some(Metadata {
                filter_metadata: HashMap::from([(
                    "envoy.filters.http.jwt_authn".to_owned(),
                    payload,
                )]),
                ..Default::default()
            }),
            ..Default::default()
        }),
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", address] => serve(address),
        ["request", file] => {
            let message = request().encode_to_vec();
            let mut framed = vec![0];
            framed.extend(u32::try_from(message.len())?.to_be_bytes());
            framed.extend(message);
            std::fs::write(file, &framed)?;
            println!("{} bytes", framed.len());
            Ok(())
        }
        ["probe", address, file] => probe(address, file),
        // `cargo bench` and `cargo test --benches` start every bench: there is nothing to do then.
        _ => Ok(()),
    }
}
