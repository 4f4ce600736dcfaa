//! Who a request is about, from the sources that the configuration trusts.

use serde_json::{Value, json};

use crate::House;
use crate::support::client::{Request, Response};
use crate::support::envoy::Options;

fn raw(encode_raw_headers: bool) -> Options {
    Options { encode_raw_headers, ..Options::default() }
}

fn saw(answer: &Response, name: &str) -> Option<String> {
    answer.upstream_saw(name)
}

fn assert_malformed(answer: &Response, what: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains(what), "{what} is not in {detail}");
}

#[test]
fn headers_cookies_and_the_connection_tell() {
    for encode_raw_headers in [true, false] {
        let house = House::with(&raw(encode_raw_headers));
        let answer = house.send(
            &Request::get("/")
                .header("x-login", "alice")
                .header("x-client-device", "d-1")
                .header("cookie", "theme=dark; sid=s-1; x=y"),
        );
        assert_eq!(saw(&answer, "x-user").as_deref(), Some("alice"));
        assert_eq!(saw(&answer, "x-device").as_deref(), Some("d-1"));
        assert_eq!(saw(&answer, "x-session").as_deref(), Some("s-1"));
        assert_eq!(saw(&answer, "x-address").as_deref(), Some("127.0.0.1"));
    }
}

#[test]
fn an_identity_that_is_garbled_ends_the_request() {
    let house = House::with(&raw(true));
    let get = || Request::get("/");
    let long = "x".repeat(5_000);
    assert_malformed(&house.send(&get().header("x-login", b"al\xffice")), "user");
    assert_malformed(&house.send(&get().header("x-login", &long)), "user");
    let twice = get().header("x-login", "alice").header("x-login", "root");
    assert_malformed(&house.send(&twice), "user");
    let twice = get().header("cookie", "sid=s1; sid=s2");
    assert_malformed(&house.send(&twice), "session");
    assert_malformed(&house.send(&get().header("cookie", b"sid=s\xff")), "session");
}

/// Without raw headers Envoy joins and cleans what it passes on. Nobody becomes
/// somebody else by it.
#[test]
fn cleaned_identities_are_nobodys() {
    let house = House::with(&raw(false));
    let twice = Request::get("/").header("x-login", "alice").header("x-login", "root");
    assert_eq!(saw(&house.send(&twice), "x-user").as_deref(), Some("alice,root"));
    let garbled = house.send(&Request::get("/").header("x-login", b"alice\xff"));
    assert_ne!(saw(&garbled, "x-user").as_deref(), Some("alice"));
}

fn behind(trusted_hops: usize) -> Value {
    json!({"identity": {"address": [{"forwarded_for": {"trusted_hops": trusted_hops}}]}})
}

/// Envoy itself appends the connection's address (its own for a loopback
/// connection): that is the first hop.
#[test]
fn forwarded_addresses_count_only_as_far_as_proxies_are_trusted() {
    let forged = "203.0.113.1, 203.0.113.9, 198.51.100.7";
    let get = || Request::get("/");
    for request in [
        get().header("x-forwarded-for", forged),
        // The same, however many lines and lies stand before it.
        get().header("x-forwarded-for", "10.0.0.1").header("x-forwarded-for", forged),
    ] {
        let house = House::configured(&Options::default(), &behind(1));
        let answer = house.send(&request);
        let hops = saw(&answer, "x-forwarded-for").unwrap();
        let last = hops.rsplit(',').next().unwrap();
        assert!(!forged.contains(last), "Envoy has appended nothing to {hops}");
        assert_eq!(saw(&answer, "x-address").as_deref(), Some(last));

        let house = House::configured(&Options::default(), &behind(2));
        let answer = house.send(&request);
        assert_eq!(saw(&answer, "x-address").as_deref(), Some("198.51.100.7"));
    }
}

#[test]
fn a_proxy_that_was_gone_round_is_noticed() {
    let house = House::configured(&Options::default(), &behind(2));
    assert_malformed(&house.send(&Request::get("/")), "address");
    let no_address = Request::get("/").header("x-forwarded-for", "not-an-address");
    assert_malformed(&house.send(&no_address), "address");
    let mapped = Request::get("/").header("x-forwarded-for", "::ffff:198.51.100.7");
    assert_eq!(saw(&house.send(&mapped), "x-address").as_deref(), Some("198.51.100.7"));
}

#[test]
fn claims_of_a_verified_token_tell() {
    let options =
        Options { claims: Some(json!({"sub": "carol", "sid": "s-9"})), ..Options::default() };
    // The default sources.
    let house = House::configured(&options, &json!({}));
    let answer = house.send(&Request::get("/").header("x-login", "mallory"));
    assert_eq!(saw(&answer, "x-user").as_deref(), Some("carol"));
    assert_eq!(saw(&answer, "x-session").as_deref(), Some("s-9"));
}
