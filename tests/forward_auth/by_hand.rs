//! As Traefik and Caddy ask: with `x-forwarded-*`.

use serde_json::json;

use crate::settings;
use crate::support::client::{Request, Response};
use crate::support::plimsoll::Plimsoll;

fn serve() -> Plimsoll {
    Plimsoll::serve("tests/envoy/policies", &settings())
}

fn asking(at: &str, uri: &str) -> Request {
    Request::get(at)
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-uri", uri)
        .header("x-forwarded-host", "app.test")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-for", "203.0.113.9")
}

fn ask(plimsoll: &Plimsoll, risk: &str) -> Response {
    plimsoll.ask(&asking("/forward-auth", "/a").header("x-risk", risk))
}

#[test]
fn the_three_answers() {
    let plimsoll = serve();
    let allowed = ask(&plimsoll, "low");
    assert_eq!((allowed.status, &*allowed.body), (200, ""));
    assert_eq!(allowed.header("x-plimsoll-decision"), Some("allow"));
    assert_eq!(allowed.header("x-plimsoll-score"), Some("10"));
    assert_eq!(allowed.header("x-plimsoll-policy"), Some("session"));

    let more = ask(&plimsoll, "medium");
    assert_eq!(more.status, 401);
    let challenge = more.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
    assert!(challenge.ends_with("acr_values=\"phr phrh\", max_age=300"), "{challenge}");

    let denied = ask(&plimsoll, "high");
    assert_eq!((denied.status, denied.header("x-plimsoll-decision")), (403, Some("deny")));
    assert_eq!(denied.header("content-type"), Some("application/problem+json"));
    assert_eq!(denied.json()["detail"], "This <request> looks unusual");
    assert_eq!(denied.json()["remedy"], "Ask <again>");
    // Traefik and Caddy hand this to the client.
    assert_eq!(denied.header("x-plimsoll-score"), None);
    assert!(!denied.body.contains("internal:"), "{}", denied.body);
}

#[test]
fn a_browser_gets_a_page() {
    let plimsoll = serve();
    let denied = plimsoll.ask(
        &asking("/forward-auth", "/a").header("x-risk", "high").header("accept", "text/html,*/*"),
    );
    assert_eq!(denied.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(denied.body.contains("This &lt;request&gt; looks unusual"), "{}", denied.body);
    assert!(denied.body.contains("Ask &lt;again&gt;"), "{}", denied.body);
}

#[test]
fn the_policy_sees_the_original_request() {
    let plimsoll = serve();
    let allowed = plimsoll.ask(
        &asking("/forward-auth", "/a/./b//c?d=e")
            .header("x-login", "alice")
            .header("cookie", "sid=s1"),
    );
    assert_eq!(allowed.header("x-path"), Some("/a/b/c"));
    assert_eq!(allowed.header("x-user"), Some("alice"));
    assert_eq!(allowed.header("x-session"), Some("s1"));
    assert_eq!(allowed.header("x-address"), Some("203.0.113.9"));
}

#[test]
fn the_path_names_the_policy_and_the_query_is_not_read() {
    let plimsoll = serve();
    assert_eq!(plimsoll.ask(&asking("/forward-auth/session", "/a")).status, 200);
    assert_eq!(plimsoll.ask(&asking("/forward-auth/strict", "/a")).status, 403);
    assert_eq!(plimsoll.ask(&asking("/forward-auth/strict?policy=session", "/a")).status, 403);
    let unknown = plimsoll.ask(&asking("/forward-auth/no-such-policy", "/a"));
    assert_eq!(unknown.status, 403);
    assert!(!unknown.body.contains("no-such-policy"), "{}", unknown.body);
}

/// nginx makes a failure of its own of every other status.
#[test]
fn what_a_client_can_cause_is_403() {
    let plimsoll = serve();
    for uri in ["/a%2fb", "/../etc", "/a%252e", "relative", "", "/a%00", "/\\a"] {
        assert_eq!(plimsoll.ask(&asking("/forward-auth", uri)).status, 403, "{uri}");
    }
    for (name, value) in [
        ("x-original-uri", "/public"),
        ("x-forwarded-uri", "/public"),
        ("x-forwarded-method", "HEAD"),
        ("x-forwarded-for", "nobody"),
        ("x-login", "\u{1f600}\t"),
    ] {
        let request = asking("/forward-auth", "/a").header(name, value);
        let request = if name == "x-login" { request.header(name, "again") } else { request };
        let refused = plimsoll.ask(&request);
        assert_eq!(refused.status, 403, "{name}");
        assert_eq!(refused.json()["decision"], "deny");
    }
    assert_eq!(plimsoll.ask(&Request::get("/forward-auth")).status, 403);
}

#[test]
fn no_header_of_a_client_comes_back() {
    let plimsoll = serve();
    for risk in ["low", "medium", "high"] {
        let answer = plimsoll.ask(
            &asking("/forward-auth", "/a")
                .header("x-risk", risk)
                .header("x-plimsoll-limits", "none")
                .header("x-plimsoll-score", "1000")
                .header("x-plimsoll-other", "mine")
                .header("x-device", "forged"),
        );
        assert_eq!(answer.header("x-plimsoll-limits"), None);
        assert_eq!(answer.header("x-plimsoll-other"), None);
        assert_ne!(answer.header("x-plimsoll-score"), Some("1000"));
        assert_eq!(answer.header("x-device"), None);
    }
}

#[test]
fn without_a_policy_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().to_str().unwrap();
    let plimsoll = Plimsoll::serve("tests/envoy/policies", &json!({"policies": policies}));
    assert_eq!(plimsoll.ask(&asking("/forward-auth", "/a")).status, 503);
}

/// Configuration says so, since all of a request may be a client's.
#[test]
fn limits_are_for_applications_that_enforce_them() {
    let ask = |enforces: bool| {
        let mut settings = settings();
        settings["forward_auth"] = json!({"enforces_limits": enforces});
        let plimsoll = Plimsoll::serve("tests/envoy/policies", &settings);
        plimsoll.ask(&asking("/forward-auth?enforces=limits", "/a").header("x-risk", "guarded"))
    };
    let limited = ask(true);
    assert_eq!((limited.status, limited.header("x-plimsoll-decision")), (200, Some("restrict")));
    assert_eq!(limited.header("x-plimsoll-limits"), Some("read_only,small"));
    let denied = ask(false);
    assert_eq!((denied.status, denied.header("x-plimsoll-limits")), (403, None));
}
