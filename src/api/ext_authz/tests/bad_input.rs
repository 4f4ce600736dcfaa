//! Requests that nobody should send, one by one.

use bumpalo::Bump;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::decode::{assert_agree, nested};
use crate::api::ext_authz::{DecodeError, MAX_CONTEXT_EXTENSIONS, MAX_HEADERS, decode};
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;

/// Keys that lead from the top to the HTTP request.
const HTTP: [u8; 3] = [0x0a, 0x22, 0x12];

fn http(request: &HttpRequest) -> Vec<u8> {
    nested(&HTTP, request.encode_to_vec())
}

fn header(key: impl Into<String>, value: impl Into<Vec<u8>>) -> HeaderValue {
    HeaderValue { key: key.into(), raw_value: value.into(), ..Default::default() }
}

fn header_map(headers: Vec<HeaderValue>) -> Vec<u8> {
    http(&HttpRequest { header_map: Some(HeaderMap { headers }), ..Default::default() })
}

#[test]
fn malformed_messages_are_refused_by_name() {
    let table: &[(&str, Vec<u8>, DecodeError)] = &[
        ("a key and no more", vec![0x0a], DecodeError::Truncated { within: "CheckRequest" }),
        (
            "a length past the end",
            nested(&HTTP, vec![0x22, 5, b'/']),
            DecodeError::Truncated { within: "AttributeContext.HttpRequest" },
        ),
        (
            "a length of 2^64 - 1",
            [vec![0x0a], vec![0xff; 9], vec![1]].concat(),
            DecodeError::Truncated { within: "CheckRequest" },
        ),
        (
            "a length of 2^63",
            nested(&HTTP, [vec![0x22], vec![0x80; 9], vec![1]].concat()),
            DecodeError::Truncated { within: "AttributeContext.HttpRequest" },
        ),
        (
            "a varint of 65 bits",
            [vec![0x0a], vec![0xff; 9], vec![2]].concat(),
            DecodeError::Varint { within: "CheckRequest" },
        ),
        (
            "a varint of eleven bytes",
            [vec![0x0a], vec![0x80; 10], vec![0]].concat(),
            DecodeError::Varint { within: "CheckRequest" },
        ),
        ("field 0", vec![0x02, 0], DecodeError::Key { within: "CheckRequest" }),
        ("wire type 6", vec![0x0e], DecodeError::Key { within: "CheckRequest" }),
        (
            "a key of more than 32 bits",
            vec![0x8a, 0x80, 0x80, 0x80, 0x10, 0],
            DecodeError::Key { within: "CheckRequest" },
        ),
        (
            "a group",
            nested(&HTTP, vec![0x7b, 0x7c]),
            DecodeError::Group { within: "AttributeContext.HttpRequest", field: 15 },
        ),
        (
            "an end without a group",
            vec![0x0c],
            DecodeError::Group { within: "CheckRequest", field: 1 },
        ),
        (
            "a number for the path",
            nested(&HTTP, vec![0x20, 1]),
            DecodeError::WireType { within: "AttributeContext.HttpRequest", field: 4 },
        ),
        (
            "text for the size",
            nested(&HTTP, vec![0x4a, 1, b'1']),
            DecodeError::WireType { within: "AttributeContext.HttpRequest", field: 9 },
        ),
        (
            "a path that is not UTF-8",
            nested(&HTTP, vec![0x22, 2, b'/', 0xff]),
            DecodeError::Utf8 { within: "AttributeContext.HttpRequest", field: 4 },
        ),
        (
            "a header's value that is not UTF-8",
            nested(&[0x0a, 0x22, 0x12, 0x1a], vec![0x12, 1, 0xc0]),
            DecodeError::Utf8 { within: "HttpRequest.headers", field: 2 },
        ),
        (
            "a header's name that is not UTF-8",
            nested(&[0x0a, 0x22, 0x12, 0x6a, 0x0a], vec![0x0a, 1, 0xff]),
            DecodeError::Utf8 { within: "HeaderValue", field: 1 },
        ),
    ];
    for (what, message, error) in table {
        let arena = Bump::new();
        assert_eq!(decode(message, &arena), Err(*error), "{what}");
        assert_agree(message);
    }
}

#[test]
fn every_truncation_gets_the_verdict_of_prost() {
    let message = http(&HttpRequest {
        path: "/a".repeat(100),
        headers: [("a".to_owned(), "b".to_owned())].into(),
        header_map: Some(HeaderMap { headers: vec![header("x", "y")] }),
        size: -1,
        ..Default::default()
    });
    for end in 0..message.len() {
        assert_agree(&message[..end]);
    }
}

#[test]
fn an_empty_request_says_nothing() {
    let arena = Bump::new();
    let request = decode(&[], &arena).unwrap();
    assert_eq!(request, Default::default());
    assert!(decode(&nested(&HTTP, vec![]), &arena).unwrap().http.is_some());
}

#[test]
fn a_repeated_header_is_joined_and_flagged() {
    let message = header_map(vec![
        header("X-User", "alice"),
        header("accept", "a"),
        header("x-user", "mallory"),
        header("X-USER", ""),
    ]);
    let arena = Bump::new();
    let http = decode(&message, &arena).unwrap().http.unwrap();
    let user = http.header("x-user").unwrap();
    assert_eq!((user.value, user.repeated), (&b"alice,mallory,"[..], true));
    let accept = http.header("accept").unwrap();
    assert_eq!((accept.value, accept.repeated), (&b"a"[..], false));
    assert_eq!(http.headers.len(), 2);
}

#[test]
fn a_header_in_both_forms_is_repeated() {
    let message = http(&HttpRequest {
        headers: [("x-user".to_owned(), "alice".to_owned())].into(),
        header_map: Some(HeaderMap { headers: vec![header("x-user", "mallory")] }),
        ..Default::default()
    });
    let arena = Bump::new();
    let http = decode(&message, &arena).unwrap().http.unwrap();
    assert!(http.header("x-user").unwrap().repeated);
}

#[test]
fn a_maps_last_entry_of_a_key_wins() {
    let entry = |value: u8| nested(&[0x1a], vec![0x0a, 1, b'k', 0x12, 1, value]);
    let message = nested(&HTTP, [entry(b'1'), entry(b'2')].concat());
    let arena = Bump::new();
    let http = decode(&message, &arena).unwrap().http.unwrap();
    let header = http.header("k").unwrap();
    assert_eq!((header.value, header.repeated), (&b"2"[..], false));
}

#[test]
fn raw_values_may_be_any_bytes() {
    let bytes: Vec<u8> = (0..=255).collect();
    let message = header_map(vec![header("x-raw", bytes.clone())]);
    let arena = Bump::new();
    let http = decode(&message, &arena).unwrap().http.unwrap();
    let header = http.header("x-raw").unwrap();
    assert_eq!((header.value, header.text()), (bytes.as_slice(), None));
}

#[test]
fn a_path_keeps_its_nul_for_who_judges_paths() {
    let message = http(&HttpRequest { path: "/a\0b".to_owned(), ..Default::default() });
    let arena = Bump::new();
    assert_eq!(decode(&message, &arena).unwrap().http.unwrap().path, "/a\0b");
}

#[test]
fn a_header_map_of_one_megabyte_is_read_and_one_of_too_many_headers_refused() {
    let arena = Bump::new();
    let long = header_map((0..100).map(|n| header(format!("h{n}"), vec![b'v'; 10_485])).collect());
    assert!(long.len() > 1 << 20);
    assert_eq!(decode(&long, &arena).unwrap().http.unwrap().headers.len(), 100);
    assert!(arena.allocated_bytes() < 16 << 10, "values are borrowed");

    let many = |n: usize| header_map((0..n).map(|n| header(format!("h{n}"), "v")).collect());
    assert!(decode(&many(MAX_HEADERS), &arena).is_ok());
    let refused = Err(DecodeError::TooManyHeaders { limit: MAX_HEADERS });
    assert_eq!(decode(&many(100_000), &arena), refused);
    let same = header_map((0..100_000).map(|_| header("same", "v")).collect());
    assert_eq!(decode(&same, &arena), refused);
}

/// Were they joined as they come, this would copy half a gigabyte.
#[test]
fn long_values_of_one_name_are_joined_once() {
    let message = header_map((0..MAX_HEADERS).map(|_| header("a", vec![b'v'; 4096])).collect());
    let arena = Bump::new();
    let http = decode(&message, &arena).unwrap().http.unwrap();
    assert_eq!(http.header("a").unwrap().value.len(), MAX_HEADERS * 4097 - 1);
    assert!(arena.allocated_bytes() < 2 * message.len());
}

#[test]
fn too_many_context_extensions_are_refused() {
    let entry = |n: usize| {
        let key = format!("{n:06}").into_bytes();
        nested(&[0x52], [vec![0x0a, 6], key].concat())
    };
    let message = |n: usize| nested(&[0x0a], (0..n).flat_map(entry).collect());
    let arena = Bump::new();
    assert!(decode(&message(MAX_CONTEXT_EXTENSIONS), &arena).is_ok());
    let refused = Err(DecodeError::TooManyExtensions { limit: MAX_CONTEXT_EXTENSIONS });
    assert_eq!(decode(&message(100_000), &arena), refused);
}

/// Nothing recurses: what is deep is stepped over, or refused as a group.
#[test]
fn depth_costs_nothing() {
    let mut deep = Vec::new();
    for _ in 0..200_000 {
        encode_key(1, WireType::StartGroup, &mut deep);
    }
    let arena = Bump::new();
    assert!(matches!(decode(&deep, &arena), Err(DecodeError::Group { .. })));

    // Metadata of 20,000 objects in one another.
    let mut value = vec![0x20, 1];
    for _ in 0..20_000 {
        let mut entry = vec![0x0a, 1, b'k', 0x12];
        encode_varint(value.len() as u64, &mut entry);
        entry.extend(value);
        value = nested(&[0x2a, 0x0a], entry);
    }
    let message = nested(&[0x0a, 0x5a, 0x0a], value);
    let request = decode(&message, &arena).unwrap();
    assert!(!request.metadata.is_empty());
}
