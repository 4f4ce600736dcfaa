//! A check as Envoy sends it, and the decision in its answer: as much of Envoy's
//! messages as that takes.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Timestamp};
use serde_json::json;

use super::call::Failure;
use crate::api::json::to_wire;
use crate::model::Decision;

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "1")]
    source: Option<Peer>,
    #[prost(message, optional, tag = "2")]
    destination: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    request: Option<Asked>,
    #[prost(btree_map = "string, string", tag = "10")]
    context_extensions: BTreeMap<String, String>,
    #[prost(message, optional, tag = "11")]
    metadata_context: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Peer {
    #[prost(message, optional, tag = "1")]
    address: Option<Address>,
    #[prost(string, tag = "4")]
    principal: String,
}

#[derive(Clone, PartialEq, Message)]
struct Address {
    #[prost(message, optional, tag = "1")]
    socket_address: Option<SocketAddress>,
}

#[derive(Clone, PartialEq, Message)]
struct SocketAddress {
    #[prost(string, tag = "2")]
    address: String,
    #[prost(uint32, tag = "3")]
    port: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Asked {
    #[prost(message, optional, tag = "1")]
    time: Option<Timestamp>,
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(btree_map = "string, string", tag = "3")]
    headers: BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
    #[prost(int64, tag = "9")]
    size: i64,
    #[prost(string, tag = "10")]
    protocol: String,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    filter_metadata: BTreeMap<String, Struct>,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "4")]
    dynamic_metadata: Option<Struct>,
}

/// About 1.2 kB and 20 headers: a browser behind a gateway, its token already
/// verified by `jwt_authn`.
pub(super) fn request(user: &str, policy: &str) -> Vec<u8> {
    let (device, session) = (format!("d-{user}"), format!("s-{user}"));
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    let headers = [
        (":authority", "shop.example.com"),
        (":method", "GET"),
        (":path", "/api/v2/accounts/8231/statements?currency=EUR"),
        (":scheme", "https"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
        ("cache-control", "no-cache"),
        ("content-type", "application/json"),
        ("origin", "https://shop.example.com"),
        ("referer", "https://shop.example.com/accounts/8231/statements?currency=EUR"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-origin"),
        ("user-agent", agent),
        ("x-device-id", &device),
        ("x-envoy-external-address", "203.0.113.9"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "6c5cdd1e-3c7b-4a58-9ae5-7d8b27a2cf11"),
        ("x-session-id", &session),
    ];
    let peer = |ip: &str, port: u32, principal: &str| {
        let socket_address = Some(SocketAddress { address: ip.to_owned(), port });
        let address = Some(Address { socket_address });
        Some(Peer { address, principal: principal.to_owned() })
    };
    let claims = json!({"payload": {"sub": user, "sid": session, "acr": "aal2"}});
    let payload = match to_wire(claims).kind {
        Some(Kind::StructValue(payload)) => payload,
        _ => Struct::default(),
    };
    let mut context_extensions = BTreeMap::new();
    if !policy.is_empty() {
        context_extensions.insert("plimsoll.policy".to_owned(), policy.to_owned());
    }
    let request = CheckRequest {
        attributes: Some(Attributes {
            source: peer("203.0.113.9", 51_234, ""),
            destination: peer("10.0.3.17", 8443, "spiffe://example.com/ns/shop/sa/api"),
            request: Some(Asked {
                time: Some(Timestamp { seconds: 1_790_000_000, nanos: 125_000_000 }),
                http: Some(HttpRequest {
                    id: "1163840276435117".to_owned(),
                    method: "GET".to_owned(),
                    headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
                    path: "/api/v2/accounts/8231/statements?currency=EUR".to_owned(),
                    host: "shop.example.com".to_owned(),
                    scheme: "https".to_owned(),
                    size: 0,
                    protocol: "HTTP/2".to_owned(),
                }),
            }),
            context_extensions,
            metadata_context: Some(Metadata {
                filter_metadata: BTreeMap::from([(
                    "envoy.filters.http.jwt_authn".to_owned(),
                    payload,
                )]),
            }),
        }),
    };
    request.encode_to_vec()
}

/// The decision, as the answer's dynamic metadata tell it; none where they don't,
/// as for a request that could not be evaluated.
pub(super) fn decision(message: &[u8]) -> Result<Option<Decision>, Failure> {
    let response = CheckResponse::decode(message).map_err(|_| Failure::Unreadable)?;
    let metadata = response.dynamic_metadata.unwrap_or_default();
    let name = metadata.fields.get("decision").and_then(|value| match &value.kind {
        Some(Kind::StringValue(name)) => Some(name.as_str()),
        _ => None,
    });
    Ok(name.and_then(|name| Decision::ALL.into_iter().find(|d| d.name() == name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::service::auth::v3 as real;

    #[test]
    fn it_is_what_envoy_sends() {
        let message = request("u-0000000007", "reputation");
        assert!((1100..1700).contains(&message.len()), "{} bytes", message.len());
        let check = real::CheckRequest::decode(message.as_slice()).unwrap();
        // Nothing is in a field that Envoy doesn't know.
        assert_eq!(check.encoded_len(), message.len());
        let attributes = check.attributes.unwrap();
        assert_eq!(attributes.context_extensions["plimsoll.policy"], "reputation");
        let http = attributes.request.unwrap().http.unwrap();
        assert_eq!(http.headers.len(), 20);
        assert_eq!((http.method.as_str(), http.scheme.as_str()), ("GET", "https"));
        let metadata = attributes.metadata_context.unwrap().filter_metadata;
        let payload = &metadata["envoy.filters.http.jwt_authn"].fields["payload"];
        assert!(format!("{payload:?}").contains("u-0000000007"));
    }

    #[test]
    fn the_decision_is_read_from_the_metadata() {
        let fields = serde_json::json!({"decision": "step_up", "score": 350});
        let metadata = match to_wire(fields).kind {
            Some(Kind::StructValue(fields)) => fields,
            _ => unreachable!(),
        };
        let answer = CheckResponse { dynamic_metadata: Some(metadata) }.encode_to_vec();
        assert_eq!(decision(&answer), Ok(Some(Decision::StepUp)));
        assert_eq!(decision(&[]), Ok(None));
        assert_eq!(decision(&[0xff]), Err(Failure::Unreadable));
    }
}
