//! What we encode, decoded with the generated types.

use bytes::BytesMut;
use envoy_types::pb::envoy::config::core::v3::{HeaderValueOption, header_value_option};
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;

use crate::api::ext_authz::{CheckAnswer, HeaderToSet, ListWriter, StructWriter, encode};

fn answer(answer: &CheckAnswer<'_>, metadata: impl FnOnce(&mut StructWriter<'_>)) -> CheckResponse {
    // What stands before it in the buffer is left alone.
    let mut out = BytesMut::from(&b"before"[..]);
    encode(answer, metadata, &mut out);
    assert_eq!(&out[..6], b"before");
    CheckResponse::decode(&out[6..]).expect("an answer that Envoy can read")
}

fn borrowed(headers: &[(String, String)]) -> Vec<HeaderToSet<'_>> {
    headers.iter().map(|(name, value)| HeaderToSet { name, value }).collect()
}

fn assert_headers(theirs: &[HeaderValueOption], ours: &[(String, String)]) {
    assert_eq!(theirs.len(), ours.len());
    let overwrite = header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd as i32;
    for (theirs, (name, value)) in theirs.iter().zip(ours) {
        let header = theirs.header.as_ref().unwrap();
        assert_eq!((&header.key, &header.value), (name, value));
        #[expect(deprecated, reason = "Envoy goes by it where it is there")]
        let append = theirs.append.as_ref().expect("append is there").value;
        assert!(!append);
        assert_eq!(theirs.append_action, overwrite);
    }
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(("[a-zA-Z0-9-]{1,140}", "[^\0\r\n]{0,150}"), 0..5)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Kind::NumberValue),
        ".{0,140}".prop_map(Kind::StringValue),
        any::<bool>().prop_map(Kind::BoolValue),
    ];
    let leaf = leaf.prop_map(|kind| Value { kind: Some(kind) });
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|values| Kind::ListValue(ListValue { values })),
            fields(inner).prop_map(Kind::StructValue),
        ]
        .prop_map(|kind| Value { kind: Some(kind) })
    })
}

fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Struct> {
    btree_map(".{0,12}", value, 0..6)
        .prop_map(|fields| Struct { fields: fields.into_iter().collect() })
}

fn write(writer: &mut StructWriter<'_>, object: &Struct) {
    for (key, value) in &object.fields {
        match value.kind.as_ref().unwrap() {
            Kind::NumberValue(number) => writer.number(key, *number),
            Kind::StringValue(text) => writer.text(key, text),
            Kind::BoolValue(value) => writer.bool(key, *value),
            Kind::StructValue(inner) => writer.object(key, |writer| write(writer, inner)),
            Kind::ListValue(list) => writer.list(key, |writer| write_list(writer, list)),
            Kind::NullValue(_) => unreachable!(),
        }
    }
}

fn write_list(writer: &mut ListWriter<'_>, list: &ListValue) {
    for value in &list.values {
        match value.kind.as_ref().unwrap() {
            Kind::NumberValue(number) => writer.number(*number),
            Kind::StringValue(text) => writer.text(text),
            Kind::BoolValue(value) => writer.bool(*value),
            Kind::StructValue(inner) => writer.object(|writer| write(writer, inner)),
            Kind::ListValue(list) => writer.list(|writer| write_list(writer, list)),
            Kind::NullValue(_) => unreachable!(),
        }
    }
}

proptest! {
    #[test]
    fn an_ok_says_what_was_asked(
        set in headers(),
        response_headers in headers(),
        remove in vec("x-remove-[a-z]{1,9}", 0..4),
        metadata in fields(value()),
    ) {
        let remove: Vec<&str> = remove.iter().map(String::as_str).collect();
        let ok = CheckAnswer::Ok {
            set: &borrowed(&set),
            remove: &remove,
            response_headers: &borrowed(&response_headers),
        };
        let response = answer(&ok, |writer| write(writer, &metadata));
        prop_assert_eq!(response.status.unwrap().code, 0);
        let Some(HttpResponse::OkResponse(ok)) = response.http_response else {
            return Err(TestCaseError::fail("not an OK"));
        };
        assert_headers(&ok.headers, &set);
        assert_headers(&ok.response_headers_to_add, &response_headers);
        prop_assert_eq!(ok.headers_to_remove, remove);
        let expected = (!metadata.fields.is_empty()).then_some(metadata);
        prop_assert_eq!(response.dynamic_metadata, expected);
    }

    #[test]
    fn a_denial_says_what_was_asked(
        status in 100..600_u16,
        headers in headers(),
        body in ".{0,300}",
        metadata in fields(value()),
    ) {
        let denied = CheckAnswer::Denied { status, headers: &borrowed(&headers), body: &body };
        let response = answer(&denied, |writer| write(writer, &metadata));
        prop_assert_eq!(response.status.unwrap().code, if status == 401 { 16 } else { 7 });
        let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else {
            return Err(TestCaseError::fail("not a denial"));
        };
        prop_assert_eq!(denied.status.unwrap().code, i32::from(status));
        assert_headers(&denied.headers, &headers);
        prop_assert_eq!(denied.body, body);
    }
}

#[test]
fn no_value_ends_its_line() {
    let set = [HeaderToSet { name: "x-a", value: "a\r\nset-cookie: b\0c" }];
    let response = answer(&CheckAnswer::Denied { status: 403, headers: &set, body: "" }, |_| {});
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else { panic!() };
    assert_eq!(denied.headers[0].header.as_ref().unwrap().value, "a  set-cookie: b c");
}

#[test]
fn what_is_no_name_is_not_set() {
    let names = ["", "a b", "a\r\nb", "a:b", "ä", "x-a"];
    let set = names.map(|name| HeaderToSet { name, value: "v" });
    let ok = CheckAnswer::Ok { set: &set, remove: &[], response_headers: &[] };
    let Some(HttpResponse::OkResponse(ok)) = answer(&ok, |_| {}).http_response else { panic!() };
    assert_headers(&ok.headers, &[("x-a".to_owned(), "v".to_owned())]);
}

/// Envoy removes after it has set.
#[test]
fn a_header_that_is_set_is_not_removed() {
    let ok = CheckAnswer::Ok {
        set: &[HeaderToSet { name: "x-plimsoll-score", value: "1" }],
        remove: &["x-plimsoll-level", "X-Plimsoll-Score", "x-plimsoll-score"],
        response_headers: &[],
    };
    let Some(HttpResponse::OkResponse(ok)) = answer(&ok, |_| {}).http_response else { panic!() };
    assert_eq!(ok.headers_to_remove, ["x-plimsoll-level"]);
}

#[test]
fn a_number_that_is_not_finite_is_null() {
    let ok = CheckAnswer::Ok { set: &[], remove: &[], response_headers: &[] };
    let response = answer(&ok, |writer| writer.number("n", f64::NAN));
    let fields = response.dynamic_metadata.unwrap().fields;
    assert_eq!(fields["n"].kind, Some(Kind::NullValue(0)));
}

/// Lengths of one, two and three bytes, where the message has to move up.
#[test]
fn lengths_of_every_width_are_right() {
    for length in [0, 100, 120, 130, 16_000, 16_400, 100_000] {
        let body = "b".repeat(length);
        let denied = CheckAnswer::Denied { status: 403, headers: &[], body: &body };
        let response = answer(&denied, |writer| {
            writer.object("o", |inner| inner.text("k", &body));
            writer.text("last", "l");
        });
        let fields = response.dynamic_metadata.unwrap().fields;
        let Some(Kind::StructValue(inner)) = &fields["o"].kind else { panic!() };
        assert_eq!(inner.fields["k"].kind, Some(Kind::StringValue(body)));
        assert!(fields.contains_key("last"));
    }
}
