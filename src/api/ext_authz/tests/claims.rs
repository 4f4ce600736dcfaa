//! Claims read from metadata that `prost` has written.

use bumpalo::Bump;
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use prost::Message;

use super::decode::nested;
use crate::api::ext_authz::{ClaimValue, metadata_claim};

const JWT: &str = "envoy.filters.http.jwt_authn";

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn text(text: &str) -> Value {
    value(Kind::StringValue(text.to_owned()))
}

fn list(values: Vec<Value>) -> Value {
    value(Kind::ListValue(ListValue { values }))
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct { fields: fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() }
}

fn metadata() -> Vec<u8> {
    let address = object([("country", text("NZ")), ("", text("nameless"))]);
    let payload = object([
        ("sub", text("u-1")),
        ("level", value(Kind::NumberValue(2.5))),
        ("nan", value(Kind::NumberValue(f64::NAN))),
        ("mfa", value(Kind::BoolValue(true))),
        ("nothing", value(Kind::NullValue(0))),
        ("unset", Value { kind: None }),
        ("groups", list(vec![text("ops"), text("sales")])),
        ("none", list(vec![])),
        ("mixed", list(vec![text("ops"), value(Kind::NumberValue(1.0))])),
        ("address", value(Kind::StructValue(address))),
    ]);
    let namespace = object([("payload", value(Kind::StructValue(payload)))]);
    let filter_metadata =
        [(JWT.to_owned(), namespace), ("other".to_owned(), object([("sub", text("no"))]))].into();
    Metadata { filter_metadata, ..Default::default() }.encode_to_vec()
}

#[test]
fn a_claim_is_found_by_its_path() {
    let metadata = metadata();
    let arena = Bump::new();
    let table: &[(&str, &[&str], Option<ClaimValue<'_>>)] = &[
        (JWT, &["payload", "sub"], Some(ClaimValue::Text("u-1"))),
        (JWT, &["payload", "level"], Some(ClaimValue::Number(2.5))),
        (JWT, &["payload", "mfa"], Some(ClaimValue::Bool(true))),
        (JWT, &["payload", "groups"], Some(ClaimValue::List(&["ops", "sales"]))),
        (JWT, &["payload", "none"], Some(ClaimValue::List(&[]))),
        (JWT, &["payload", "address", "country"], Some(ClaimValue::Text("NZ"))),
        (JWT, &["payload", "address", ""], Some(ClaimValue::Text("nameless"))),
        ("other", &["sub"], Some(ClaimValue::Text("no"))),
        (JWT, &["payload", "nan"], None),
        (JWT, &["payload", "nothing"], None),
        (JWT, &["payload", "unset"], None),
        (JWT, &["payload", "mixed"], None),
        (JWT, &["payload", "address"], None),
        (JWT, &["payload", "sub", "further"], None),
        (JWT, &["payload", "absent"], None),
        (JWT, &["absent", "sub"], None),
        (JWT, &["payload"], None),
        (JWT, &[], None),
        ("absent", &["sub"], None),
    ];
    for (namespace, path, expected) in table {
        assert_eq!(metadata_claim(&metadata, namespace, path, &arena), *expected, "{path:?}");
    }
}

#[test]
fn truncated_metadata_yields_the_claim_or_nothing() {
    let metadata = metadata();
    let arena = Bump::new();
    for end in 0..metadata.len() {
        let claim = metadata_claim(&metadata[..end], JWT, &["payload", "sub"], &arena);
        assert!(matches!(claim, None | Some(ClaimValue::Text("u-1"))));
    }
}

#[test]
fn of_a_namespace_or_a_kind_that_stands_twice_the_last_counts() {
    let arena = Bump::new();
    let entry = |value: &[u8]| {
        let value = nested(&[0x12], value.to_vec());
        let entry = nested(&[0x0a], [vec![0x0a, 1, b'k'], value].concat());
        nested(&[0x0a], [vec![0x0a, 1, b'n'], nested(&[0x12], entry)].concat())
    };
    let (one, two) = ([0x1a, 1, b'1'], [0x1a, 1, b'2']);
    let claim = |metadata: &[u8]| match metadata_claim(metadata, "n", &["k"], &arena) {
        Some(ClaimValue::Text(text)) => Some(text.to_owned()),
        _ => None,
    };
    assert_eq!(claim(&[entry(&one), entry(&two)].concat()).as_deref(), Some("2"));
    assert_eq!(claim(&entry(&[one, two].concat())).as_deref(), Some("2"));
    // Last the bool: the text before it is gone.
    assert_eq!(claim(&entry(&[&one[..], &[0x20, 1]].concat())), None);
}

#[test]
fn a_value_in_pieces_is_refused() {
    let arena = Bump::new();
    let entry = |pieces: usize| {
        let object = nested(&[0x12, 0x0a], vec![0x0a, 1, b'k', 0x12, 2, 0x20, 1]);
        nested(&[0x0a], [vec![0x0a, 1, b'n'], object.repeat(pieces)].concat())
    };
    let claim = |pieces| metadata_claim(&entry(pieces), "n", &["k"], &arena).is_some();
    assert!(claim(1));
    assert!(!claim(2));
}

#[test]
fn a_list_of_too_many_elements_is_refused() {
    let arena = Bump::new();
    let metadata = |n: usize| {
        let groups = list((0..n).map(|_| text("g")).collect());
        let filter_metadata = [("n".to_owned(), object([("k", groups)]))].into();
        Metadata { filter_metadata, ..Default::default() }.encode_to_vec()
    };
    assert!(metadata_claim(&metadata(1024), "n", &["k"], &arena).is_some());
    assert!(metadata_claim(&metadata(1025), "n", &["k"], &arena).is_none());
}
