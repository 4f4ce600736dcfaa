//! What a `CheckRequest` says, by `prost`.
//!
//! `Check` and its parts are those fields of the real messages that our decoder
//! reads. Generated types also check what we step over, such as the body's UTF-8;
//! on these types we and `prost` must agree about every sequence of bytes.

use std::collections::{BTreeMap, HashMap};

use crate::api::ext_authz::CheckRequest;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Check {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attributes {
    #[prost(message, optional, tag = "1")]
    source: Option<Peer>,
    #[prost(message, optional, tag = "2")]
    destination: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    request: Option<Request>,
    #[prost(map = "string, string", tag = "10")]
    context_extensions: HashMap<String, String>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    metadata_context: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Peer {
    #[prost(message, optional, tag = "1")]
    address: Option<Address>,
    #[prost(string, tag = "4")]
    principal: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Address {
    #[prost(oneof = "AddressKind", tags = "1, 2, 3")]
    kind: Option<AddressKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AddressKind {
    #[prost(message, tag = "1")]
    Socket(SocketAddress),
    #[prost(bytes, tag = "2")]
    Pipe(Vec<u8>),
    #[prost(bytes, tag = "3")]
    Internal(Vec<u8>),
}

#[derive(Clone, PartialEq, prost::Message)]
struct SocketAddress {
    #[prost(string, tag = "2")]
    address: String,
    #[prost(oneof = "Port", tags = "3, 4")]
    port: Option<Port>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Port {
    #[prost(uint32, tag = "3")]
    Value(u32),
    #[prost(string, tag = "4")]
    Named(String),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, optional, tag = "1")]
    time: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "2")]
    http: Option<Http>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Http {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
    #[prost(string, tag = "7")]
    query: String,
    #[prost(int64, tag = "9")]
    size: i64,
    #[prost(string, tag = "10")]
    protocol: String,
    #[prost(bytes = "vec", tag = "11")]
    body: Vec<u8>,
    #[prost(bytes = "vec", tag = "12")]
    raw_body: Vec<u8>,
    #[prost(message, optional, tag = "13")]
    header_map: Option<HeaderMap>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    headers: Vec<HeaderValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeaderValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
    #[prost(bytes = "vec", tag = "3")]
    raw_value: Vec<u8>,
}

/// A header's value and whether it came more than once.
/// The value is `None` where the two forms, or cases of a name, are mixed: `prost` forgets their order.
type Expected = (Option<Vec<u8>>, bool);

impl Check {
    /// Fails the test unless `ours` says the same.
    pub(super) fn assert_same(&self, ours: &CheckRequest<'_>) {
        let theirs = self.attributes.clone().unwrap_or_default();
        assert_peer(&theirs.source.unwrap_or_default(), &ours.source);
        assert_peer(&theirs.destination.unwrap_or_default(), &ours.destination);
        let extensions: BTreeMap<_, _> = ours.context_extensions.iter().copied().collect();
        assert_eq!(extensions.len(), ours.context_extensions.len());
        let expected: BTreeMap<_, _> =
            theirs.context_extensions.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(extensions, expected);
        assert_eq!(ours.metadata, theirs.metadata_context.concat());
        let request = theirs.request.unwrap_or_default();
        let time = ours.time.map(|t| prost_types::Timestamp { seconds: t.seconds, nanos: t.nanos });
        assert_eq!(time, request.time);
        let (ours, theirs) = match (ours.http, request.http) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (ours, theirs) => return assert_eq!(ours.is_some(), theirs.is_some()),
        };
        let text = |[a, b, c, d, e, f, g]: [&str; 7]| [a, b, c, d, e, f, g].map(str::to_owned);
        assert_eq!(
            text([
                ours.id,
                ours.method,
                ours.path,
                ours.host,
                ours.scheme,
                ours.query,
                ours.protocol
            ]),
            [
                theirs.id.clone(),
                theirs.method.clone(),
                theirs.path.clone(),
                theirs.host.clone(),
                theirs.scheme.clone(),
                theirs.query.clone(),
                theirs.protocol.clone()
            ]
        );
        assert_eq!(ours.size, theirs.size);
        assert_eq!(ours.body_len, theirs.body.len().max(theirs.raw_body.len()));
        let expected = theirs.expected_headers();
        assert_eq!(ours.headers.len(), expected.len());
        for header in ours.headers {
            let (value, repeated) = expected.get(header.name).expect("a header that isn't there");
            if let Some(value) = value {
                assert_eq!((header.value, header.repeated), (value.as_slice(), *repeated));
            }
        }
    }
}

impl Http {
    fn expected_headers(&self) -> BTreeMap<String, Expected> {
        let mut expected: BTreeMap<String, Expected> = BTreeMap::new();
        for (key, value) in &self.headers {
            // A map's key in upper case may have come twice, which we flag and `prost` hides.
            let sure = !key.bytes().any(|b| b.is_ascii_uppercase());
            expected
                .entry(key.to_ascii_lowercase())
                .and_modify(|known| *known = (None, true))
                .or_insert((sure.then(|| value.clone().into_bytes()), false));
        }
        let from_map: Vec<String> = expected.keys().cloned().collect();
        for header in self.header_map.iter().flat_map(|map| &map.headers) {
            let key = header.key.to_ascii_lowercase();
            let value = match header.raw_value.as_slice() {
                [] => header.value.as_bytes(),
                raw => raw,
            };
            let mixed = from_map.contains(&key);
            expected
                .entry(key)
                .and_modify(|(known, repeated)| {
                    *repeated = true;
                    match known {
                        Some(known) if !mixed => {
                            known.push(b',');
                            known.extend(value);
                        }
                        _ => *known = None,
                    }
                })
                .or_insert((Some(value.to_vec()), false));
        }
        expected
    }
}

fn assert_peer(theirs: &Peer, ours: &crate::api::ext_authz::Peer<'_>) {
    let address = theirs.address.clone().unwrap_or_default();
    let (address, port) = match address.kind {
        Some(AddressKind::Socket(socket)) => (socket.address, socket.port),
        _ => (String::new(), None),
    };
    let port = match port {
        Some(Port::Value(port)) => port,
        _ => 0,
    };
    assert_eq!((ours.address, ours.port), (address.as_str(), port));
    assert_eq!(ours.principal, theirs.principal);
}
