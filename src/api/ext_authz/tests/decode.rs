//! Our decoder and `prost` on the same bytes.

use bumpalo::Bump;
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, Metadata, Pipe, SocketAddress, address, socket_address,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request as Attributes, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use envoy_types::pb::google::protobuf::{Struct, Timestamp, Value, value::Kind};
use proptest::collection::{hash_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;

use super::oracle::Check;
use crate::api::ext_authz::{DecodeError, decode};

/// The same verdict and, where both accept, the same content.
pub(super) fn assert_agree(message: &[u8]) {
    let arena = Bump::new();
    let ours = decode(message, &arena);
    let theirs = Check::decode(message);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => theirs.assert_same(ours),
        (Err(_), Err(_)) => {}
        // Where we are stricter, and say so.
        (Err(DecodeError::Group { .. } | DecodeError::TooManyHeaders { .. }), Ok(_)) => {}
        (Err(DecodeError::TooManyExtensions { .. }), Ok(_)) => {}
        // A map's entry is read by prost whatever wire type its key says.
        (Err(DecodeError::WireType { within, field }), Ok(_)) if is_map(within, *field) => {}
        (ours, theirs) => panic!("ours: {ours:?}, prost: {theirs:?}"),
    }
    if CheckRequest::decode(message).is_ok() {
        assert!(theirs.is_ok(), "the oracle is stricter than the real types");
    }
}

fn is_map(within: &str, field: u32) -> bool {
    matches!((within, field), ("AttributeContext.HttpRequest", 3) | ("AttributeContext", 10))
}

#[test]
fn a_map_entry_of_a_wrong_wire_type_is_an_error() {
    // `HttpRequest.headers` is field 3: here as a fixed32, whose bytes are an entry's as well.
    let message = nested(&[0x0a, 0x22, 0x12], vec![3 << 3 | 5, 3, 0x0a, 1, b'a']);
    let arena = Bump::new();
    let decoded = decode(&message, &arena);
    assert!(matches!(decoded, Err(DecodeError::WireType { field: 3, .. })), "{decoded:?}");
    assert_agree(&message);
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![4 => "[ -~]{0,24}", 1 => "\\PC{0,6}", 1 => Just(String::new()), 1 => "[a-z]{120,140}"].boxed()
}

fn name() -> BoxedStrategy<String> {
    prop_oneof![3 => "[a-c]", 2 => "[A-Ca-c]{1,2}", 3 => "[a-z-]{1,20}", 1 => text()].boxed()
}

fn peer() -> BoxedStrategy<Peer> {
    let port = prop_oneof![
        any::<u32>().prop_map(socket_address::PortSpecifier::PortValue),
        text().prop_map(socket_address::PortSpecifier::NamedPort),
    ];
    let socket = (text(), option::of(port), any::<bool>()).prop_map(|(address, port, compat)| {
        address::Address::SocketAddress(SocketAddress {
            address,
            port_specifier: port,
            ipv4_compat: compat,
            ..Default::default()
        })
    });
    let address = prop_oneof![
        4 => socket,
        1 => text().prop_map(|path| address::Address::Pipe(Pipe { path, mode: 7 })),
    ];
    let address = option::of(option::of(address).prop_map(|address| Address { address }));
    (address, text(), text(), hash_map(text(), text(), 0..3))
        .prop_map(|(address, principal, certificate, labels)| Peer {
            address,
            principal,
            certificate,
            labels,
            ..Default::default()
        })
        .boxed()
}

fn header_value() -> BoxedStrategy<HeaderValue> {
    (name(), text(), vec(any::<u8>(), 0..12))
        .prop_map(|(key, value, raw_value)| HeaderValue { key, value, raw_value })
        .boxed()
}

fn http() -> BoxedStrategy<HttpRequest> {
    let texts = [text(), text(), text(), text(), text(), text(), text()];
    let header_map =
        option::of(vec(header_value(), 0..40).prop_map(|headers| HeaderMap { headers }));
    let headers = hash_map(name(), text(), 0..40);
    (texts, headers, header_map, any::<i64>(), text(), vec(any::<u8>(), 0..9))
        .prop_map(|(texts, headers, header_map, size, body, raw_body)| {
            let [id, method, path, host, scheme, query, protocol] = texts;
            HttpRequest {
                id,
                method,
                path,
                host,
                scheme,
                query,
                protocol,
                fragment: "f".to_owned(),
                size,
                headers,
                header_map,
                body,
                raw_body,
            }
        })
        .boxed()
}

fn metadata() -> BoxedStrategy<Metadata> {
    hash_map(text(), text(), 0..3)
        .prop_map(|texts| {
            let filter_metadata = texts
                .into_iter()
                .map(|(name, text)| {
                    let value = Value { kind: Some(Kind::StringValue(text)) };
                    (name.clone(), Struct { fields: [(name, value)].into() })
                })
                .collect();
            Metadata { filter_metadata, ..Default::default() }
        })
        .boxed()
}

pub(super) fn check_request() -> BoxedStrategy<CheckRequest> {
    let time =
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos });
    let request =
        (option::of(time), option::of(http())).prop_map(|(time, http)| Attributes { time, http });
    let attributes = (
        option::of(peer()),
        option::of(peer()),
        option::of(request),
        hash_map(text(), text(), 0..5),
        option::of(metadata()),
        option::of(text()),
    )
        .prop_map(
            |(source, destination, request, context_extensions, metadata_context, sni)| {
                AttributeContext {
                    source,
                    destination,
                    request,
                    context_extensions,
                    metadata_context: metadata_context.clone(),
                    route_metadata_context: metadata_context,
                    tls_session: sni.map(|sni| TlsSession { sni }),
                }
            },
        );
    option::of(attributes).prop_map(|attributes| CheckRequest { attributes }).boxed()
}

/// One thing that can happen to a message.
#[derive(Clone, Debug)]
enum Damage {
    Truncate(Index),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<Index>().prop_map(Damage::Truncate),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<Index>(), 1..4_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

fn apply(message: &mut Vec<u8>, damage: &Damage) {
    if message.is_empty() {
        return;
    }
    match damage {
        Damage::Truncate(at) => message.truncate(at.index(message.len())),
        Damage::Set(at, byte) => {
            let at = at.index(message.len());
            message[at] = *byte;
        }
        Damage::Insert(at, bytes) => {
            let at = at.index(message.len());
            message.splice(at..at, bytes.iter().copied());
        }
        Damage::Remove(at, count) => {
            let at = at.index(message.len());
            message.drain(at..(at + count).min(message.len()));
        }
        Damage::Repeat(from, to) => {
            let (from, to) = (from.index(message.len()), to.index(message.len()));
            let piece = message[from.min(to)..from.max(to)].to_vec();
            message.extend(piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_prost_encodes_is_what_we_decode(request in check_request()) {
        let message = request.encode_to_vec();
        let arena = Bump::new();
        let ours = decode(&message, &arena).expect("a well-formed request");
        Check::decode(message.as_slice()).expect("a well-formed request").assert_same(&ours);
        let metadata = request.attributes.and_then(|attributes| attributes.metadata_context);
        prop_assert_eq!(Metadata::decode(ours.metadata).unwrap(), metadata.unwrap_or_default());
    }

    #[test]
    fn pieces_of_a_message_are_one_message(requests in vec(check_request(), 2..4)) {
        assert_agree(&requests.iter().flat_map(Message::encode_to_vec).collect::<Vec<_>>());
    }

    #[test]
    fn damaged_messages_get_the_same_verdict(
        request in check_request(),
        damages in vec(damage(), 1..4),
    ) {
        let mut message = request.encode_to_vec();
        damages.iter().for_each(|damage| apply(&mut message, damage));
        assert_agree(&message);
    }

    #[test]
    fn damage_inside_the_attributes_gets_the_same_verdict(
        request in check_request(),
        damages in vec(damage(), 1..4),
    ) {
        // With every length above it right, the damage is met further in.
        let mut inner = request.attributes.unwrap_or_default().request.unwrap_or_default()
            .http.unwrap_or_default().encode_to_vec();
        damages.iter().for_each(|damage| apply(&mut inner, damage));
        assert_agree(&nested(&[0x0a, 0x22, 0x12], inner));
    }

    #[test]
    fn arbitrary_bytes_get_the_same_verdict(bytes in vec(any::<u8>(), 0..200)) {
        assert_agree(&bytes);
        assert_agree(&nested(&[0x0a, 0x22, 0x12], bytes.clone()));
        assert_agree(&nested(&[0x0a, 0x0a, 0x0a], bytes));
    }

    #[test]
    fn nothing_panics(bytes in vec(any::<u8>(), 0..2000)) {
        let arena = Bump::new();
        let _ = decode(&bytes, &arena);
        let _ = crate::api::ext_authz::metadata_claim(&bytes, "", &["", ""], &arena);
    }
}

/// `inner` as a message in a message, by the keys from the outside in.
pub(super) fn nested(keys: &[u8], inner: Vec<u8>) -> Vec<u8> {
    keys.iter().rev().fold(inner, |inner, key| {
        let mut outer = vec![*key];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    })
}
