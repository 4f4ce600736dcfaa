//! What clients and the upstream get, decision by decision.

use serde_json::json;

use crate::support::client::Request;
use crate::support::envoy::Options;
use crate::{House, identities};

#[test]
fn an_allowed_request_reaches_the_upstream_with_its_score() {
    let house = House::new();
    let answer = house.send(&Request::get("/a?b=c").header("x-risk", "low"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["path"], "/a?b=c");
    for (name, value) in [
        ("x-plimsoll-decision", "allow"),
        // 10.5, shown in whole numbers.
        ("x-plimsoll-score", "10"),
        ("x-plimsoll-level", "low"),
        ("x-plimsoll-confidence", "0.50"),
        ("x-plimsoll-policy", "session"),
        ("x-plimsoll-factors", "asked"),
    ] {
        assert_eq!(answer.upstream_saw(name).as_deref(), Some(value), "{name}");
    }
    let revision = answer.upstream_saw("x-plimsoll-revision").unwrap();
    let status = house.plimsoll.ask(&Request::get("/status")).json();
    assert_eq!(status["policy"]["revision"], revision.as_str());
}

#[test]
fn a_step_up_is_a_challenge_as_rfc_9470_has_it() {
    let house = House::new();
    let answer = house.send(&Request::get("/").header("x-risk", "medium"));
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(
            "Bearer error=\"insufficient_user_authentication\", \
             error_description=\"A different authentication level is required\", \
             acr_values=\"phr phrh\", max_age=300"
        )
    );
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], 401);
    assert_eq!(problem["decision"], "step_up");
    assert_eq!(problem["acr_values"], json!(["phr", "phrh"]));
}

#[test]
fn a_denial_says_only_what_its_reader_may_know() {
    let house = House::new();
    let answer = house.send(&Request::get("/").header("x-risk", "high"));
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("www-authenticate"), None);
    let problem = answer.json();
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["decision"], "deny");
    assert_eq!(problem["reasons"], json!(["This <request> looks unusual"]));
    assert_eq!(problem["remedy"], "Ask <again>");
    let id = problem["instance"].as_str().unwrap();
    assert!(id.starts_with("urn:uuid:"), "{id}");
    for secret in ["internal", "x-risk", "asked", "score", "x-plimsoll"] {
        assert!(!format!("{answer:?}").contains(secret), "{secret} in {answer:?}");
    }
}

#[test]
fn a_browser_gets_a_page() {
    let house = House::new();
    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    let answer = house.send(&Request::get("/").header("x-risk", "high").header("accept", accept));
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.body.starts_with("<!doctype html>"), "{answer:?}");
    assert!(answer.body.contains("This &lt;request&gt; looks unusual"), "{answer:?}");
    assert!(!answer.body.contains("internal"), "{answer:?}");
}

/// Envoy's logs, rate limits and other filters see what was decided.
#[test]
fn decisions_are_in_envoys_dynamic_metadata() {
    let house = House::new();
    let allowed = house.send(&Request::get("/allowed").header("x-risk", "low"));
    // The full score, as a header that Envoy makes of the metadata.
    assert_eq!(allowed.upstream_saw("x-from-metadata").as_deref(), Some("10.5"));
    house.send(&Request::get("/denied").header("x-risk", "high"));
    let entry = house.envoy.access_log("/denied");
    assert_eq!(entry["status"], 403);
    assert_eq!(entry["decision"], "deny");
    assert_eq!(entry["score"], 90);
    assert_eq!(entry["level"], "high");
    assert_eq!(entry["policy"], "session");
    assert_eq!(entry["factors"], json!({"asked": 90}));
    assert_eq!(entry["id"].as_str().unwrap().len(), 36);
}

#[test]
fn a_route_names_its_policy() {
    let house = House::new();
    let key = |path: &str| Request::get(path).header("x-key", "open");
    let strict = house.send(&key("/strict/a"));
    assert_eq!(strict.upstream_saw("x-plimsoll-policy").as_deref(), Some("strict"));
    assert_eq!(strict.upstream_saw("x-plimsoll-score").as_deref(), Some("1.00"));
    let other = house.send(&key("/a"));
    assert_eq!(other.upstream_saw("x-plimsoll-policy").as_deref(), Some("session"));
    assert_eq!(house.send(&Request::get("/strict/a")).status, 403);
}

/// Only a route that says that what is behind it keeps to limits is given any.
#[test]
fn limits_are_for_those_who_enforce_them() {
    let house = House::new();
    let guarded = |path: &str| house.send(&Request::get(path).header("x-risk", "guarded"));
    let limited = guarded("/limited/a");
    assert_eq!(limited.upstream_saw("x-plimsoll-decision").as_deref(), Some("restrict"));
    assert_eq!(limited.upstream_saw("x-plimsoll-limits").as_deref(), Some("read_only,small"));
    assert_eq!(guarded("/a").status, 403);
}

/// It must not pass, whatever Envoy lets pass where it gets no answer.
#[test]
fn a_route_with_an_unknown_policy_is_shut() {
    let house = House::with(&Options { failure_mode_allow: true, ..Options::default() });
    let answer = house.send(&Request::get("/nowhere/a"));
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(!answer.body.contains("no-such-policy"), "{answer:?}");
    house.plimsoll.wait_for("a route asks for a policy that there is not", 0);
}

#[test]
fn unix_sockets_serve_as_ports_do() {
    let mut settings = identities();
    settings["listen"] = json!({"grpc": "unix:FOLDER/grpc.sock", "http": "unix:FOLDER/http.sock"});
    let house = House::configured(&Options::default(), &settings);
    assert!(house.plimsoll.grpc.starts_with("unix:/"), "{}", house.plimsoll.grpc);
    let answer = house.send(&Request::get("/").header("x-risk", "low"));
    assert_eq!(answer.upstream_saw("x-plimsoll-decision").as_deref(), Some("allow"));
    assert_eq!(house.send(&Request::get("/").header("x-risk", "high")).status, 403);
}
