//! Claims of a token that Envoy has verified.
//!
//! Envoy's `jwt_authn` leaves a token's payload in `filter_metadata`, as a
//! `google.protobuf.Struct`. One claim is read by walking down its path; what
//! stands beside the path is stepped over, so that depth and size of the rest
//! cost nothing.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use super::scan::{DecodeError, Field, Scanner};

/// The most elements that a list claim may have.
const MAX_LIST: usize = 1024;

/// A claim's value. There is no `null`: such a claim is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClaimValue<'r> {
    Text(&'r str),
    /// Finite.
    Number(f64),
    Bool(bool),
    /// A list of nothing but strings.
    List(&'r [&'r str]),
}

/// The claim at `path` below `filter_metadata[namespace]` of an encoded `envoy.config.core.v3.Metadata`.
///
/// `None` is a claim that is absent, null, an object, a list of anything but
/// strings, or one that can't be read: who asks for an identity gets none.
/// Of a key that stands twice the last counts.
pub fn metadata_claim<'r>(
    metadata: &'r [u8],
    namespace: &str,
    path: &[&str],
    arena: &'r Bump,
) -> Option<ClaimValue<'r>> {
    let (last, above) = path.split_last()?;
    let mut object = lookup(metadata, namespace, "Metadata").ok()??;
    for name in above {
        let value = lookup(object, name, "Struct").ok()??;
        object = match kind(value).ok()?? {
            field if field.number == STRUCT => field.bytes().ok()?,
            _ => return None,
        };
    }
    let value = lookup(object, last, "Struct").ok()??;
    claim(kind(value).ok()??, arena).ok()?
}

// Field numbers of google.protobuf.Value.
const NULL: u32 = 1;
const NUMBER: u32 = 2;
const STRING: u32 = 3;
const BOOL: u32 = 4;
const STRUCT: u32 = 5;
const LIST: u32 = 6;

fn claim<'r>(field: Field<'r>, arena: &'r Bump) -> Result<Option<ClaimValue<'r>>, DecodeError> {
    Ok(match field.number {
        NUMBER => Some(field.double()?).filter(|n| n.is_finite()).map(ClaimValue::Number),
        STRING => Some(ClaimValue::Text(field.text()?)),
        BOOL => Some(ClaimValue::Bool(field.varint()? != 0)),
        LIST => list(field.bytes()?, arena)?.map(ClaimValue::List),
        _ => None,
    })
}

fn list<'r>(message: &'r [u8], arena: &'r Bump) -> Result<Option<&'r [&'r str]>, DecodeError> {
    let mut texts = BumpVec::new_in(arena);
    let mut fields = Scanner::new(message, "ListValue");
    while let Some(field) = fields.next()? {
        if field.number != 1 {
            continue;
        }
        match kind(field.bytes()?)? {
            Some(value) if value.number == STRING && texts.len() < MAX_LIST => {
                texts.push(value.text()?);
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(texts.into_bump_slice()))
}

/// The value of `key` in field 1, a map from strings to messages: `Metadata.filter_metadata` and `Struct.fields`.
///
/// A value in more than one piece within its entry, which nobody writes, is not put together but refused.
fn lookup<'r>(
    message: &'r [u8],
    key: &str,
    within: &'static str,
) -> Result<Option<&'r [u8]>, DecodeError> {
    let mut found = None;
    let mut fields = Scanner::new(message, within);
    while let Some(field) = fields.next()? {
        if field.number != 1 {
            continue;
        }
        let (mut name, mut value, mut pieces): (&[u8], &[u8], _) = (&[], &[], 0);
        let mut parts = Scanner::new(field.bytes()?, within);
        while let Some(part) = parts.next()? {
            match part.number {
                1 => name = part.bytes()?,
                2 => (value, pieces) = (part.bytes()?, pieces + 1),
                _ => {}
            }
        }
        if name == key.as_bytes() {
            found = (pieces <= 1).then_some(value);
        }
    }
    Ok(found)
}

/// The field of a `google.protobuf.Value` that says what it is: a oneof, so the last one.
///
/// As with map entries, an object or a list in pieces is refused.
fn kind(value: &[u8]) -> Result<Option<Field<'_>>, DecodeError> {
    let mut found: Option<Field<'_>> = None;
    let mut fields = Scanner::new(value, "Value");
    while let Some(field) = fields.next()? {
        if !(NULL..=LIST).contains(&field.number) {
            continue;
        }
        let again = found.is_some_and(|before| before.number == field.number);
        if again && matches!(field.number, STRUCT | LIST) {
            return Ok(None);
        }
        found = Some(field);
    }
    Ok(found)
}
