//! `CheckResponse`, written straight into the buffer that goes out.

use bytes::{BufMut, BytesMut};

use super::structs::{StructWriter, message, text, varint, varint_len};

/// A header that Envoy shall set, in place of any that stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderToSet<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

/// What Envoy shall do.
#[derive(Clone, Copy, Debug)]
pub enum CheckAnswer<'a> {
    /// Let the request through.
    Ok {
        /// Headers of the request, for the upstream.
        set: &'a [HeaderToSet<'a>],
        /// Headers that the upstream must not see. One that is also in `set` is set.
        remove: &'a [&'a str],
        /// Headers of the response, for the client.
        response_headers: &'a [HeaderToSet<'a>],
    },
    /// Answer the client with this instead.
    Denied {
        /// An HTTP status that Envoy knows, such as 401, 403 or 429.
        status: u16,
        headers: &'a [HeaderToSet<'a>],
        body: &'a str,
    },
}

// google.rpc.Code
const PERMISSION_DENIED: u8 = 7;
const UNAUTHENTICATED: u8 = 16;

/// Appends an encoded `CheckResponse` to `out`.
///
/// `metadata` fills the answer's dynamic metadata, which Envoy files under
/// `envoy.filters.http.ext_authz`; it stays away when nothing is written.
pub fn encode(
    answer: &CheckAnswer<'_>,
    metadata: impl FnOnce(&mut StructWriter<'_>),
    out: &mut BytesMut,
) {
    // CheckResponse: status = 1, denied_response = 2, ok_response = 3, dynamic_metadata = 4
    match *answer {
        CheckAnswer::Ok { set, remove, response_headers } => {
            out.put_slice(&[0x0a, 0]);
            message(out, 3, |out| {
                headers(out, 2, set);
                for name in remove {
                    // Envoy removes after it has set: the header would be gone.
                    if !set.iter().any(|header| header.name.eq_ignore_ascii_case(name)) {
                        text(out, 5, name);
                    }
                }
                headers(out, 6, response_headers);
            });
        }
        CheckAnswer::Denied { status, headers: set, body } => {
            let code = if status == 401 { UNAUTHENTICATED } else { PERMISSION_DENIED };
            out.put_slice(&[0x0a, 2, 0x08, code]);
            message(out, 2, |out| {
                message(out, 1, |out| {
                    out.put_u8(0x08);
                    varint(out, u64::from(status));
                });
                headers(out, 2, set);
                if !body.is_empty() {
                    text(out, 3, body);
                }
            });
        }
    }
    let before = out.len();
    let mut empty = true;
    message(out, 4, |out| {
        let start = out.len();
        metadata(&mut StructWriter::new(out));
        empty = out.len() == start;
    });
    if empty {
        out.truncate(before);
    }
}

/// Repeated `config.core.v3.HeaderValueOption` in field `number`.
fn headers(out: &mut BytesMut, number: u8, headers: &[HeaderToSet<'_>]) {
    for HeaderToSet { name, value } in headers {
        // A name is configuration; one that isn't a header's name would only reach a log at best.
        if !is_name(name) {
            continue;
        }
        // HeaderValueOption: header = 1, append = 2, append_action = 3; HeaderValue: key = 1, value = 2
        let pair = 2 + varint_len(name.len()) + name.len() + varint_len(value.len()) + value.len();
        let option = 1 + varint_len(pair) + pair + 4;
        out.put_u8(number << 3 | 2);
        varint(out, option as u64);
        out.put_u8(0x0a);
        varint(out, pair as u64);
        text(out, 1, name);
        out.put_u8(0x12);
        varint(out, value.len() as u64);
        header_value(out, value);
        // Envoy goes by `append` where it is there and by `append_action` elsewhere, proxies of
        // other makes by either: both say overwrite. `append` is a BoolValue, false when empty.
        out.put_slice(&[0x12, 0, 0x18, 2]);
    }
}

/// A value without the bytes that would end a header line; each becomes a space.
fn header_value(out: &mut BytesMut, value: &str) {
    let ends_line = |byte: u8| matches!(byte, 0 | b'\r' | b'\n');
    if value.bytes().fold(false, |any, byte| any | ends_line(byte)) {
        out.extend(value.bytes().map(|byte| if ends_line(byte) { b' ' } else { byte }));
    } else {
        out.put_slice(value.as_bytes());
    }
}

/// A header's name by RFC 9110, section 5.1.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
