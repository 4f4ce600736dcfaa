//! `CheckRequest`, borrowed from the bytes that came in.
//!
//! What a decision can read is decoded, merged and checked as `prost` does it:
//! the last scalar wins, a message in pieces is one message, a map's last entry
//! of a key wins, unknown fields are skipped, strings are UTF-8. What no decision reads
//! (the body's bytes, certificates, labels, route metadata) is stepped over unchecked,
//! and `metadata_context` is checked where a claim is read from it.

use bumpalo::Bump;
use bumpalo::collections::{String as BumpString, Vec as BumpVec};

use super::headers::{Form, Headers};
use super::scan::{DecodeError, Field, Scanner};

/// The most headers that a request may have; Envoy's own default is 100.
pub const MAX_HEADERS: usize = 512;

/// The most context extensions; they come from Envoy's configuration.
pub const MAX_CONTEXT_EXTENSIONS: usize = 256;

/// One end of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer<'r> {
    /// An IP address as Envoy writes it; empty for a Unix socket.
    pub address: &'r str,
    pub port: u32,
    /// The identity in the peer's certificate, empty where it has none.
    pub principal: &'r str,
}

/// One request header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'r> {
    /// Lower case.
    pub name: &'r str,
    /// Not of necessity UTF-8.
    pub value: &'r [u8],
    /// It came more than once: `value` is all values joined by `,`, and an identity must not be read from it.
    pub repeated: bool,
}

impl<'r> Header<'r> {
    /// The value, if it is text.
    pub fn text(&self) -> Option<&'r str> {
        std::str::from_utf8(self.value).ok()
    }

    /// The value as rules see it: U+FFFD where bytes are no text. Nobody takes a header
    /// out of a rule's sight by garbling it.
    pub fn shown<'a>(&self, arena: &'a Bump) -> &'a str
    where
        'r: 'a,
    {
        self.text()
            .unwrap_or_else(|| BumpString::from_utf8_lossy_in(self.value, arena).into_bump_str())
    }
}

/// When Envoy saw the request begin, since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTime {
    pub seconds: i64,
    pub nanos: i32,
}

/// The HTTP request to be decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpAttributes<'r> {
    pub id: &'r str,
    pub method: &'r str,
    /// As the client sent it, with the query.
    pub path: &'r str,
    pub host: &'r str,
    pub scheme: &'r str,
    pub query: &'r str,
    pub protocol: &'r str,
    /// Bytes of the body as the client announced them; -1 if it didn't.
    pub size: i64,
    /// In the order of the wire, each name once.
    pub headers: &'r [Header<'r>],
    /// Bytes of the body that came along with the check.
    pub body_len: usize,
}

impl<'r> HttpAttributes<'r> {
    pub fn header(&self, name: &str) -> Option<&'r Header<'r>> {
        self.headers.iter().find(|header| header.name == name)
    }
}

/// What Envoy asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckRequest<'r> {
    pub source: Peer<'r>,
    pub destination: Peer<'r>,
    pub time: Option<RequestTime>,
    pub http: Option<HttpAttributes<'r>>,
    /// In the order of the wire, each key once.
    pub context_extensions: &'r [(&'r str, &'r str)],
    /// An encoded `envoy.config.core.v3.Metadata`, see [`metadata_claim`](super::metadata_claim).
    pub metadata: &'r [u8],
}

/// Reads a `CheckRequest`. The result borrows from `message`, and from `arena` what had to be built.
pub fn decode<'r>(message: &'r [u8], arena: &'r Bump) -> Result<CheckRequest<'r>, DecodeError> {
    let mut draft = Draft {
        request: CheckRequest::default(),
        headers: Headers::new(arena),
        extensions: BumpVec::new_in(arena),
        metadata: BumpVec::new_in(arena),
        raw_body_len: 0,
    };
    let mut fields = Scanner::new(message, "CheckRequest");
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            draft.attributes(field.bytes()?)?;
        }
    }
    Ok(draft.finish(arena))
}

/// What has been read so far: a message may come in several pieces.
struct Draft<'r> {
    request: CheckRequest<'r>,
    headers: Headers<'r>,
    extensions: BumpVec<'r, (&'r str, &'r str)>,
    metadata: BumpVec<'r, &'r [u8]>,
    raw_body_len: usize,
}

impl<'r> Draft<'r> {
    fn finish(self, arena: &'r Bump) -> CheckRequest<'r> {
        let mut request = self.request;
        if let Some(http) = &mut request.http {
            http.headers = self.headers.finish();
            http.body_len = http.body_len.max(self.raw_body_len);
        }
        request.context_extensions = self.extensions.into_bump_slice();
        request.metadata = match self.metadata.as_slice() {
            [] => &[],
            [whole] => whole,
            // An encoded message's pieces, one after the other, are the encoded merged message.
            pieces => {
                let bytes = pieces.iter().map(|piece| piece.len()).sum();
                let mut joined = BumpVec::with_capacity_in(bytes, arena);
                pieces.iter().for_each(|piece| joined.extend_from_slice_copy(piece));
                joined.into_bump_slice()
            }
        };
        request
    }

    fn attributes(&mut self, message: &'r [u8]) -> Result<(), DecodeError> {
        let mut fields = Scanner::new(message, "AttributeContext");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => peer(field.bytes()?, &mut self.request.source)?,
                2 => peer(field.bytes()?, &mut self.request.destination)?,
                4 => self.request(field.bytes()?)?,
                10 => self.extension(field.bytes()?)?,
                11 => match field.bytes()? {
                    [] => {}
                    piece => self.metadata.push(piece),
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn request(&mut self, message: &'r [u8]) -> Result<(), DecodeError> {
        let mut fields = Scanner::new(message, "AttributeContext.Request");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => time(field.bytes()?, self.request.time.get_or_insert_default())?,
                2 => self.http(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn http(&mut self, message: &'r [u8]) -> Result<(), DecodeError> {
        let http = self.request.http.get_or_insert_default();
        let mut fields = Scanner::new(message, "AttributeContext.HttpRequest");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => http.id = field.text()?,
                2 => http.method = field.text()?,
                3 => {
                    let (name, value) = entry(field.bytes()?, "HttpRequest.headers")?;
                    self.headers.add(Form::Map, name, value.as_bytes())?;
                }
                4 => http.path = field.text()?,
                5 => http.host = field.text()?,
                6 => http.scheme = field.text()?,
                7 => http.query = field.text()?,
                9 => http.size = field.int64()?,
                10 => http.protocol = field.text()?,
                11 => http.body_len = field.bytes()?.len(),
                12 => self.raw_body_len = field.bytes()?.len(),
                13 => header_map(field.bytes()?, &mut self.headers)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn extension(&mut self, message: &'r [u8]) -> Result<(), DecodeError> {
        let (key, value) = entry(message, "AttributeContext.context_extensions")?;
        if let Some(known) = self.extensions.iter_mut().find(|(known, _)| *known == key) {
            known.1 = value;
            return Ok(());
        }
        if self.extensions.len() == MAX_CONTEXT_EXTENSIONS {
            return Err(DecodeError::TooManyExtensions { limit: MAX_CONTEXT_EXTENSIONS });
        }
        self.extensions.push((key, value));
        Ok(())
    }
}

/// An entry of a `map<string, string>`.
fn entry<'r>(message: &'r [u8], within: &'static str) -> Result<(&'r str, &'r str), DecodeError> {
    let (mut key, mut value) = ("", "");
    let mut fields = Scanner::new(message, within);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// `config.core.v3.HeaderMap`: with `encode_raw_headers` the values are in `raw_value`.
fn header_map<'r>(message: &'r [u8], headers: &mut Headers<'r>) -> Result<(), DecodeError> {
    let mut fields = Scanner::new(message, "HeaderMap");
    while let Some(field) = fields.next()? {
        if field.number != 1 {
            continue;
        }
        let (mut key, mut value, mut raw): (_, &str, &[u8]) = ("", "", &[]);
        let mut parts = Scanner::new(field.bytes()?, "HeaderValue");
        while let Some(part) = parts.next()? {
            match part.number {
                1 => key = part.text()?,
                2 => value = part.text()?,
                3 => raw = part.bytes()?,
                _ => {}
            }
        }
        let value = if raw.is_empty() { value.as_bytes() } else { raw };
        headers.add(Form::List, key, value)?;
    }
    Ok(())
}

fn peer<'r>(message: &'r [u8], peer: &mut Peer<'r>) -> Result<(), DecodeError> {
    let mut fields = Scanner::new(message, "AttributeContext.Peer");
    while let Some(field) = fields.next()? {
        match field.number {
            1 => address(field.bytes()?, peer)?,
            4 => peer.principal = field.text()?,
            _ => {}
        }
    }
    Ok(())
}

/// `config.core.v3.Address`, of which only a socket address says who is there.
fn address<'r>(message: &'r [u8], peer: &mut Peer<'r>) -> Result<(), DecodeError> {
    let mut fields = Scanner::new(message, "Address");
    while let Some(field) = fields.next()? {
        match field.number {
            1 => socket_address(field.bytes()?, peer)?,
            // Of a oneof the last counts: a pipe or an internal listener takes the address's place.
            2 | 3 => {
                field.bytes()?;
                (peer.address, peer.port) = ("", 0);
            }
            _ => {}
        }
    }
    Ok(())
}

fn socket_address<'r>(message: &'r [u8], peer: &mut Peer<'r>) -> Result<(), DecodeError> {
    let mut fields = Scanner::new(message, "SocketAddress");
    while let Some(field) = fields.next()? {
        match field.number {
            2 => peer.address = field.text()?,
            3 => peer.port = field.uint32()?,
            // A named port takes the number's place.
            4 => peer.port = field.text().map(|_| 0)?,
            _ => {}
        }
    }
    Ok(())
}

fn time(message: &[u8], time: &mut RequestTime) -> Result<(), DecodeError> {
    let mut fields = Scanner::new(message, "Timestamp");
    while let Some(field) = fields.next()? {
        match field.number {
            1 => time.seconds = field.int64()?,
            2 => time.nanos = nanos(&field)?,
            _ => {}
        }
    }
    Ok(())
}

/// An `int32`, of which protobuf keeps the low 32 bits.
fn nanos(field: &Field<'_>) -> Result<i32, DecodeError> {
    field.uint32().map(u32::cast_signed)
}
