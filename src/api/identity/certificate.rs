//! `x-forwarded-client-cert`, as Envoy writes it.
//!
//! Each proxy adds an element on the right, for the certificate of its own client.
//! All that stands left of the elements of trusted proxies may be a client's, so
//! the whole header must be well-formed: a quote that a client opens would else
//! swallow what a proxy wrote after it.

use std::borrow::Cow;
use std::cell::Cell;

use bumpalo::Bump;

use crate::config::CertificateField;

pub(super) const HEADER: &str = "x-forwarded-client-cert";

const MALFORMED: &str = "x-forwarded-client-cert is malformed";

/// The field of the element that the outermost of `trusted_hops` proxies wrote;
/// nothing where it doesn't have that field.
pub(super) fn certificate<'r>(
    text: &'r str,
    trusted_hops: usize,
    field: CertificateField,
    arena: &'r Bump,
) -> Result<Option<&'r str>, &'static str> {
    let mut count = 0_usize;
    each_element(text, |_, _| Ok(()), || count += 1)?;
    let Some(wanted) = count.checked_sub(trusted_hops) else {
        // A proxy was gone round, or none wrote.
        return Err("x-forwarded-client-cert has fewer hops than are trusted");
    };
    let mut found: Option<&'r str> = None;
    let (at, mut twice) = (Cell::new(0), false);
    let take = |key: &str, value: Value<'r>| {
        if at.get() != wanted || !key.eq_ignore_ascii_case(name(field)) {
            return Ok(());
        }
        match found {
            None => found = Some(value.text(arena)),
            // Of several names the first counts. A certificate has one subject.
            Some(_) => twice |= is_single(field),
        }
        Ok(())
    };
    each_element(text, take, || at.set(at.get() + 1))?;
    match found {
        Some(_) if twice => Err(MALFORMED),
        Some(hash) if field == CertificateField::Hash && !is_sha256(hash) => Err(MALFORMED),
        found => Ok(found),
    }
}

const fn name(field: CertificateField) -> &'static str {
    match field {
        CertificateField::Uri => "URI",
        CertificateField::Dns => "DNS",
        CertificateField::Subject => "Subject",
        CertificateField::Hash => "Hash",
    }
}

const fn is_single(field: CertificateField) -> bool {
    matches!(field, CertificateField::Subject | CertificateField::Hash)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A value as it stands, between its quotes where it has any.
#[derive(Clone, Copy)]
enum Value<'r> {
    Plain(&'r str),
    Quoted(&'r str),
}

impl<'r> Value<'r> {
    fn text(self, arena: &'r Bump) -> &'r str {
        let raw = match self {
            Value::Plain(text) => return text,
            Value::Quoted(raw) => raw,
        };
        // Only quotes are escaped: other backslashes are the subject's own.
        let unescaped: Cow<'_, str> = match raw.contains("\\\"") {
            true => raw.replace("\\\"", "\"").into(),
            false => return raw,
        };
        arena.alloc_str(&unescaped)
    }
}

/// Walks over all elements, from the left, each pair of them first.
fn each_element<'r>(
    text: &'r str,
    mut pair: impl FnMut(&'r str, Value<'r>) -> Result<(), &'static str>,
    mut end: impl FnMut(),
) -> Result<(), &'static str> {
    let mut rest = text.trim_start_matches(' ');
    loop {
        let (key, after) = rest.split_once('=').ok_or(MALFORMED)?;
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(MALFORMED);
        }
        let (value, after) = value(after)?;
        pair(key, value)?;
        let mut chars = after.chars();
        match chars.next() {
            None => {
                end();
                return Ok(());
            }
            Some(',') => {
                end();
                rest = chars.as_str().trim_start_matches(' ');
            }
            Some(';') => rest = chars.as_str(),
            Some(_) => return Err(MALFORMED),
        }
    }
}

/// A value, and what comes after it.
fn value(text: &str) -> Result<(Value<'_>, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';']).unwrap_or(text.len());
        let (plain, rest) = text.split_at_checked(end).ok_or(MALFORMED)?;
        // A quote in the middle would open what only another reader sees closed.
        return match plain.contains('"') {
            true => Err(MALFORMED),
            false => Ok((Value::Plain(plain.trim_end_matches(' ')), rest)),
        };
    };
    let mut escaped = false;
    for (at, char) in quoted.char_indices() {
        match char {
            '"' if !escaped => {
                let (value, rest) = quoted.split_at_checked(at).ok_or(MALFORMED)?;
                let rest = rest.strip_prefix('"').ok_or(MALFORMED)?;
                return Ok((Value::Quoted(value), rest.trim_start_matches(' ')));
            }
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Err(MALFORMED)
}

#[cfg(test)]
mod tests;
