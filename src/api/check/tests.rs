//! The mapping from Envoy's check to a decision and back, read with Envoy's own types.

use std::sync::Arc;

use bytes::BytesMut;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, attribute_context,
};
use envoy_types::pb::google::protobuf::value::Kind;
use prost::Message as _;

use super::EnvoyChecker;
use crate::api::ext_authz::Checker as _;
use crate::api::identity::Identity;
use crate::api::pdp::{Pdp, Published};
use crate::config::{AnswerHeader, IdentityConfig, IdentitySource};
use crate::model::Vocabulary;
use crate::policy::compile::compile;
use crate::policy::source::SourceSet;
use crate::signals::{Cache, Feeds, Limits, Observations, Secrets};
use crate::telemetry::DecisionMetrics;

/// Risk is what the header says: a policy that tests can steer.
const POLICY: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
resources:
  - {match: {path: "/transfers/*", method: POST}, type: transfer, action: transfer, properties: {sensitivity: high}}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  factors:
    asked:
      value: 'request.headers["x-risk"]'
      curve: {map: {"low": 0.1, "medium": 0.4, "high": 0.6, "extreme": 0.957, else: 0}}
      reason: {user: "Something was odd", admin: "x-risk is {value}"}
levels: {low: {from: 0}, medium: {from: 30}, high: {from: 50}, critical: {from: 90}}
rules:
  - {name: all, when: 'score >= 0', decision: allow, headers: {x-who: user.id, x-risk-score: score, x-told: 'request.headers["x-asked"]'}}
  - {name: step, when: 'level == "medium"', decision: step_up, acr: [phr, phrh], max_age: 5m}
  - {name: less, when: 'level == "high"', decision: restrict, limits: [read_only, small]}
  - {name: never, when: 'level == "critical"', decision: deny, review: true, reason: {user: "Not <now>", admin: "secret detail"}}
  - {name: transfers, when: 'resource.type == "transfer" && resource.properties.sensitivity == "high" && score > 5', unknown: skip, decision: deny}
"#;

fn checker() -> EnvoyChecker {
    let vocabulary = Arc::new(Vocabulary::new());
    let set = SourceSet::from_memory([("policy.yaml", POLICY)]);
    let (snapshot, diagnostics) = compile(&set, &vocabulary);
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
    let metrics = Arc::new(DecisionMetrics::default());
    let published = Published::new(snapshot, Arc::new(Feeds::new(Vec::new(), None)), &metrics);
    let source = IdentitySource::Header("x-user".to_owned());
    let config = IdentityConfig([("user".to_owned(), vec![source])].into());
    let identity = Identity::new(&config, &vocabulary).unwrap();
    let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
    let pdp = Pdp::new(cache, vocabulary, metrics, Arc::new(Observations::new(8)), "session");
    pdp.publish(Arc::new(published));
    let headers = vec![AnswerHeader::Decision, AnswerHeader::Score, AnswerHeader::Limits];
    EnvoyChecker::new(Arc::new(pdp), identity, headers)
}

#[derive(Default)]
struct Ask<'a> {
    path: &'a str,
    method: &'a str,
    headers: &'a [(&'a str, &'a str)],
    extensions: &'a [(&'a str, &'a str)],
}

fn ask(ask: &Ask<'_>) -> CheckResponse {
    let mut answer = BytesMut::new();
    checker().check(&message(ask), &mut answer).unwrap();
    CheckResponse::decode(answer.freeze()).unwrap()
}

fn message(ask: &Ask<'_>) -> Vec<u8> {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    let http = attribute_context::HttpRequest {
        method: ask.method.to_owned(),
        path: ask.path.to_owned(),
        headers: pairs(ask.headers),
        ..Default::default()
    };
    let request = attribute_context::Request { http: Some(http), ..Default::default() };
    let request = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(request),
            context_extensions: pairs(ask.extensions),
            ..Default::default()
        }),
    };
    request.encode_to_vec()
}

fn risk<'a>(headers: &'a [(&'a str, &'a str)]) -> CheckResponse {
    ask(&Ask { path: "/x", method: "GET", headers, ..Ask::default() })
}

/// Status, headers and body of a denial.
fn denied(response: CheckResponse) -> (i32, Vec<(String, String)>, String) {
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else {
        panic!("{response:?}");
    };
    let headers = denied.headers.into_iter().filter_map(|h| h.header).map(|h| (h.key, h.value));
    (denied.status.unwrap().code, headers.collect(), denied.body)
}

fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

#[test]
fn an_allowed_request_carries_our_headers_and_none_of_the_clients() {
    let response = risk(&[
        ("x-user", "u1"),
        ("x-risk", "low"),
        ("x-plimsoll-score", "0"),
        ("x-plimsoll-limits", "none"),
        ("x-plimsoll-forged", "yes"),
    ]);
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!("denied") };
    let set: Vec<(String, String)> =
        ok.headers.into_iter().filter_map(|h| h.header).map(|h| (h.key, h.value)).collect();
    assert_eq!(value(&set, "x-plimsoll-decision"), Some("allow"));
    assert_eq!(value(&set, "x-plimsoll-score"), Some("10"));
    assert_eq!(value(&set, "x-plimsoll-limits"), None);
    assert_eq!(value(&set, "x-who"), Some("u1"));
    assert_eq!(value(&set, "x-risk-score"), Some("10"));
    let mut removed = ok.headers_to_remove;
    removed.sort();
    assert_eq!(removed, ["x-plimsoll-forged", "x-plimsoll-limits"]);
    let metadata = response.dynamic_metadata.unwrap().fields;
    assert_eq!(metadata["decision"].kind, Some(Kind::StringValue("allow".to_owned())));
    assert_eq!(metadata["score"].kind, Some(Kind::NumberValue(10.0)));
    assert!(metadata.contains_key("id") && metadata.contains_key("revision"));
}

/// As every other answer has it: what can't stand in a header isn't set, and a client's own
/// does not stand in its place.
#[test]
fn a_policys_header_is_visible_ascii_or_not_set() {
    for (asked, expected) in [("a", Some("a")), (" a b\t", Some("a b")), ("zo\u{eb}", None)] {
        let response = risk(&[("x-asked", asked), ("x-told", "mine"), ("x-risk", "low")]);
        let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!("denied") };
        let set: Vec<(String, String)> =
            ok.headers.into_iter().filter_map(|h| h.header).map(|h| (h.key, h.value)).collect();
        assert_eq!(value(&set, "x-told"), expected);
        let is_removed = ok.headers_to_remove.iter().any(|name| name == "x-told");
        assert_eq!(is_removed, expected.is_none(), "{asked}");
    }
}

#[test]
fn a_step_up_is_a_challenge_by_rfc_9470() {
    let (status, headers, body) = denied(risk(&[("x-risk", "medium")]));
    assert_eq!(status, 401);
    let challenge = value(&headers, "www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""));
    assert!(challenge.ends_with("acr_values=\"phr phrh\", max_age=300"), "{challenge}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["decision"], "step_up");
    assert_eq!(body["acr_values"], serde_json::json!(["phr", "phrh"]));
}

#[test]
fn a_denial_says_only_what_is_safe() {
    let (status, headers, body) = denied(risk(&[("x-risk", "extreme")]));
    assert_eq!(status, 403);
    assert_eq!(value(&headers, "content-type"), Some("application/problem+json"));
    assert!(body.contains("Not <now>") && body.contains("Something was odd"), "{body}");
    assert!(!body.contains("secret") && !body.contains("x-risk"), "{body}");
    let html = [("x-risk", "extreme"), ("accept", "text/html,*/*")];
    let (_, headers, body) = denied(risk(&html));
    assert_eq!(value(&headers, "content-type"), Some("text/html; charset=utf-8"));
    assert!(body.contains("Not &lt;now&gt;"), "{body}");
}

#[test]
fn limits_are_for_callers_that_enforce_them() {
    let headers = [("x-risk", "high")];
    assert_eq!(denied(risk(&headers)).0, 403);
    let response = ask(&Ask {
        path: "/x",
        method: "GET",
        headers: &headers,
        extensions: &[("plimsoll.enforces", "limits")],
    });
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!("denied") };
    let limits = ok.headers.iter().filter_map(|h| h.header.as_ref());
    let limits: Vec<&str> =
        limits.filter(|h| h.key == "x-plimsoll-limits").map(|h| h.value.as_str()).collect();
    assert_eq!(limits, ["read_only,small"]);
}

#[test]
fn a_path_is_about_its_resource_however_it_is_written() {
    for path in [
        "/transfers/1",
        "//transfers/./1?x=1",
        "/a/../transfers/1",
        "/transfers;x/1",
        "/%74ransfers/1",
    ] {
        let headers = [("x-risk", "low")];
        let response = ask(&Ask { path, method: "POST", headers: &headers, ..Ask::default() });
        assert_eq!(denied(response).0, 403, "{path}");
    }
}

#[test]
fn what_can_not_be_understood_is_denied() {
    for path in ["", "x", "/%2e%2e", "/..", "/a%2fb", "/a%00", "/%", "/\\x"] {
        let (status, _, body) = denied(ask(&Ask { path, method: "GET", ..Ask::default() }));
        assert_eq!(status, 400, "{path}");
        assert!(body.contains("path"), "{body}");
    }
    // A whole message of rubbish, too: the proxy passes on what clients send.
    let mut answer = BytesMut::new();
    checker().check(b"\xff\xff\xff", &mut answer).unwrap();
    assert_eq!(denied(CheckResponse::decode(answer.freeze()).unwrap()).0, 400);
}

#[test]
fn a_policy_that_there_is_not_lets_nothing_pass() {
    let extensions = [("plimsoll.policy", "sesion")];
    let response = ask(&Ask { path: "/x", method: "GET", extensions: &extensions, headers: &[] });
    assert_eq!(denied(response).0, 500);
}

/// Bytes that a client brings a proxy to send: whatever they are, the call doesn't fail, and what
/// would be denied without them is denied with them.
#[test]
fn no_garbage_makes_a_failed_call() {
    // Attributes, and in them: the peer's principal, its address, metadata of a proxy's, a header
    // in either form, the path's own bytes.
    let garbage: [&[u8]; 7] = [
        b"\x0a\x06\x0a\x04\x22\x02\xff\xfe",
        b"\x0a\x0a\x0a\x08\x0a\x06\x0a\x04\x12\x02\xff\xfe",
        b"\x0a\x04\x5a\x02\xff\xfe",
        b"\x0a\x0b\x5a\x09\x0a\x07\x0a\x01a\x12\x02\xff\xfe",
        b"\x0a\x0d\x22\x0b\x12\x09\x1a\x07\x0a\x01a\x12\x02\xff\xfe",
        b"\x0a\x0f\x22\x0d\x12\x0b\x6a\x09\x0a\x07\x0a\x01a\x1a\x02\xff\xfe",
        b"\x0a\x08\x22\x06\x12\x04\x22\x02\xff\xfe",
    ];
    for bytes in garbage {
        for risk in ["low", "extreme"] {
            let headers = [("x-risk", risk)];
            let ask = Ask { path: "/x", method: "GET", headers: &headers, ..Ask::default() };
            let message = [&message(&ask), bytes].concat();
            let mut answer = BytesMut::new();
            checker().check(&message, &mut answer).unwrap();
            if risk == "extreme" {
                let (status, ..) = denied(CheckResponse::decode(answer.freeze()).unwrap());
                assert!(matches!(status, 400 | 403), "{status}: {bytes:?}");
            }
        }
    }
}
