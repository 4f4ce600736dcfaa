//! What clients send who mean no good: a denial or a pass that the upstream
//! reads alike, and never Envoy's failure mode, which here lets all through.

use crate::House;
use crate::support::client::Request;
use crate::support::envoy::Options;

fn fail_open() -> Options {
    Options { failure_mode_allow: true, ..Options::default() }
}

#[test]
fn paths_that_servers_read_differently_are_refused() {
    for encode_raw_headers in [true, false] {
        let house = House::with(&Options { encode_raw_headers, ..fail_open() });
        for target in [
            "/%2e%2e/x",
            "/../x",
            "/a/..%2f..%2fetc",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/%252e%252e/x",
            "/a%00",
            "/a%0d%0ax",
            "/%",
            "/%zz",
            "/%ff",
        ] {
            let answer = house.send(&Request::get(target));
            assert_eq!(answer.status, 400, "{target}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        }
    }
}

#[test]
fn paths_are_brought_to_one_form_before_policies_see_them() {
    let house = House::with(&fail_open());
    for (target, path) in [
        ("/a?b=/../c", "/a"),
        ("//a//b", "/a/b"),
        ("/a/./b/../c", "/a/c"),
        ("/%61", "/a"),
        ("/a;v=1/b", "/a/b"),
    ] {
        let answer = house.send(&Request::get(target));
        assert_eq!(answer.upstream_saw("x-path").as_deref(), Some(path), "{target}");
    }
}

#[test]
fn odd_bytes_in_headers_do_not_open_the_door() {
    for encode_raw_headers in [true, false] {
        let house = House::with(&Options { encode_raw_headers, ..fail_open() });
        let high = || Request::get("/").header("x-risk", "high");
        for request in [
            high().header("x-odd", b"\xff\xfe\x80"),
            high().header("x-odd", "caf\u{e9}"),
            high().header("x-odd", "a").header("x-odd", "b"),
            high().header("x-empty", ""),
            high().header("accept", b"text/\xff"),
        ] {
            let answer = house.send(&request);
            assert_eq!(answer.status, 403, "{answer:?}");
        }
    }
}

#[test]
fn a_megabyte_of_headers_is_refused() {
    for encode_raw_headers in [true, false] {
        let house = House::with(&Options { encode_raw_headers, ..fail_open() });
        let one_long = Request::get("/").header("x-long", "x".repeat(1 << 20));
        assert_eq!(house.send(&one_long).status, 413);
        let many = (0..8_000).fold(Request::get("/"), |request, number| {
            request.header(&format!("x-many-{number}"), "x".repeat(150))
        });
        assert_eq!(house.send(&many).status, 413);
        // And is nothing that lasts.
        assert_eq!(house.send(&Request::get("/")).status, 200);
    }
}

#[test]
fn bodies_are_refused_only_where_they_are_too_long_to_read() {
    let house = House::with(&Options { body: Some(4 << 20), ..fail_open() });
    let half = house.send(&Request::post("/", vec![0xff; 1 << 19]));
    assert_eq!(half.status, 200, "{half:?}");
    assert_eq!(half.json()["body_bytes"], 1 << 19);
    assert_eq!(house.send(&Request::post("/", vec![0xff; 2 << 20])).status, 413);
    // Unread, any length passes.
    let house = House::with(&fail_open());
    let long = house.send(&Request::post("/", vec![0; 2 << 20]));
    assert_eq!(long.json()["body_bytes"], 2 << 20);
}
