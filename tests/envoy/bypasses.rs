//! Ways round external authorization that others were open to, tried with Envoy set to let
//! pass whatever it gets no answer for: `docs/threat-model.md` has the table.

use serde_json::json;

use crate::House;
use crate::support::client::{Connection, Request, Response};
use crate::support::envoy::Options;

fn open(encode_raw_headers: bool) -> Options {
    Options { failure_mode_allow: true, encode_raw_headers, ..Options::default() }
}

fn shut(options: &Options) -> House {
    let settings = json!({"identity": {
        "user": [{"header": "x-login"}],
        "address": [{"connection": {}}],
    }});
    House::serving("tests/envoy/shut", options, &settings)
}

/// By us, with a body that says so: a failed call would have let it pass.
fn assert_denied(answer: &Response, what: &str) {
    assert!(matches!(answer.status, 400 | 403), "{what}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(answer.json()["decision"], "deny", "{what}");
}

/// CVE-2019-9901, CVE-2021-29492, CVE-2026-26205: Envoy hands on the path as it came, and
/// the application reads it in its own way.
#[test]
fn no_spelling_of_a_path_gets_in() {
    let house = shut(&open(true));
    for target in [
        "/admin",
        "/admin/users",
        "/admin/",
        "/admin?x=/public",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/.%2E/admin",
        "/./admin",
        "//admin",
        "//admin/users",
        "/public//../admin",
        "/%61dmin",
        "/a%64min/users",
        "/admin;x=1",
        "/;x/admin",
        "/public/..;/admin",
        "/public%2f..%2fadmin",
        "/%2fadmin",
        "/public%5c..%5cadmin",
        "/public\\..\\admin",
        "/%5cadmin",
        "/%2561dmin",
        "/public%252f..%252fadmin",
        "/public%c0%af..%c0%afadmin",
        "/admin%00",
        "/admin%0a",
        "/admin%3bx",
        "/../admin",
    ] {
        assert_denied(&house.send(&Request::get(target)), target);
    }
    for (target, path) in [("/public", "/public"), ("/administrator", "/administrator")] {
        let answer = house.send(&Request::get(target));
        assert_eq!(answer.upstream_saw("x-path").as_deref(), Some(path));
    }
}

/// Envoy turns the absolute form into a path and a host; what it can't, it refuses itself.
#[test]
fn neither_does_another_form_of_the_target() {
    let house = shut(&open(true));
    for target in ["http://app.test/admin", "http://app.test//admin", "http://ADMIN.test:80/"] {
        assert_denied(&house.send(&Request::get(target)), target);
    }
    assert_eq!(house.send(&Request::get("http://app.test/a")).status, 200);
    for target in ["admin", "*", "?/admin", "#/admin"] {
        let answer = house.send(&Request::get(target));
        assert!((400..500).contains(&answer.status), "{target}: {answer:?}");
    }
}

/// CVE-2021-32777: of a header that came several times, only the last value was judged.
#[test]
fn every_value_of_a_repeated_header_is_seen() {
    for raw in [true, false] {
        let house = shut(&open(raw));
        for roles in [&["root"][..], &["root", "guest"], &["guest", "root"], &["a", "root", "b"]] {
            let request = roles.iter().fold(Request::get("/"), |r, role| r.header("x-role", role));
            assert_denied(&house.send(&request), &format!("{roles:?}, raw: {raw}"));
        }
        let other = Request::get("/").header("x-role", "guest").header("X-ROLE", "root");
        assert_denied(&house.send(&other), "another case");
        let guests = Request::get("/").header("x-role", "guest").header("x-role", "guest");
        assert_eq!(house.send(&guests).status, 200);
    }
}

/// CVE-2023-27488: bytes that are no text made the call fail, and a failed call passed.
#[test]
fn a_garbled_header_is_neither_skipped_nor_a_failed_call() {
    for raw in [true, false] {
        let house = shut(&open(raw));
        for role in
            [&b"root\xff"[..], b"\xffroot", b"\xc3root", b"caf\xe9 root", b"\xed\xa0\x80root"]
        {
            assert_denied(&house.send(&Request::get("/").header("x-role", role)), "x-role");
        }
        let beside =
            Request::get("/admin").header("x-other", b"\xff\xfe").header("user-agent", b"\x80");
        assert_denied(&house.send(&beside), "beside");
        // It is a value like others where no rule refuses by it.
        assert_eq!(house.send(&Request::get("/").header("x-role", b"guest\xff")).status, 200);
    }
}

/// What a proxy in front says of the connection (PROXY protocol, version 2): an address, and
/// one more field that Envoy keeps as metadata.
fn proxied(command: u8, family: u8, addresses: &[u8], field: &[u8]) -> Vec<u8> {
    let field_length = u16::try_from(field.len()).unwrap().to_be_bytes();
    let more = [&[0xea][..], &field_length, field].concat();
    let length = u16::try_from(addresses.len() + more.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, addresses, &more].concat()
}

/// CVE-2024-23324: a field of the PROXY protocol that is no text made the call fail as well.
#[test]
fn a_garbled_proxy_protocol_is_no_failed_call() {
    let house = shut(&Options { proxy_protocol: true, ..open(true) });
    let tcp4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 80];
    for field in [&b"plain"[..], b"\xff\xfe\x80", b"", b"\0", b"\xed\xa0\x80"] {
        let send = |request: &Request| {
            let mut connection = Connection::to(house.envoy.address);
            connection.say(&proxied(0x21, 0x11, &tcp4, field));
            connection.send(request)
        };
        assert_denied(&send(&Request::get("/admin")), &format!("{field:?}"));
        let answer = send(&Request::get("/"));
        assert_eq!(answer.upstream_saw("x-address").as_deref(), Some("203.0.113.7"), "{field:?}");
    }
    // A connection of the proxy's own has no address to tell: the connection's stands.
    let mut connection = Connection::to(house.envoy.address);
    connection.say(&proxied(0x20, 0, &[], b"\xff"));
    assert_denied(&connection.send(&Request::get("/admin")), "local");
    let answer = connection.send(&Request::get("/"));
    assert_eq!(answer.upstream_saw("x-address").as_deref(), Some("127.0.0.1"));
}

/// CVE-2023-33189: which policy decides is the route's to say, and nothing of a request's.
#[test]
fn no_request_chooses_its_policy() {
    let house = shut(&open(true));
    for target in [
        "/strict/a",
        "/strict/a?plimsoll.policy=session",
        "/strict/../public",
        "/strict/%2e%2e/public",
        "/strict//",
    ] {
        let request = Request::get(target)
            .header("plimsoll.policy", "session")
            .header("x-plimsoll-policy", "session")
            .header("x-envoy-original-path", "/public")
            .header("x-original-uri", "/public")
            .header("x-forwarded-uri", "/public")
            .header("x-rewrite-url", "/public")
            .header("x-http-method-override", "OPTIONS");
        assert_denied(&house.send(&request), target);
    }
    assert_eq!(house.send(&Request::get("/public")).status, 200);
}
