//! Lists that policies ask for membership in: addresses, domains, hashed and
//! plain strings. One entry a line, `#` starts a comment.

mod digest;
mod feed;
mod feeds;
mod fingerprints;
mod kept;
mod ladder;
mod loaded;
mod pile;
mod ranges;
mod reading;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::model::{ListKind, Value};
use fingerprints::Fingerprints;
use ranges::Prefixes;

pub use feed::{FeedSpec, FeedState, GeoSource};
pub use feeds::{Due, Feeds};
pub use kept::{Keep, Version, Writing};
pub use loaded::Loaded;
pub(super) use ranges::parse as parse_prefix;
pub use reading::{Fresh, Media};

/// One loaded list.
#[derive(Debug)]
pub struct List {
    content: Content,
    entries: usize,
}

#[derive(Debug)]
enum Content {
    Cidr(Box<Prefixes>),
    Domain(Fingerprints),
    Sha1(Fingerprints),
    Sha256(Fingerprints),
    String(Fingerprints),
}

/// A line that is no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    pub why: &'static str,
}

/// The lines of a list that are no entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadLines {
    pub count: usize,
    /// The first few.
    pub first: Vec<BadLine>,
}

impl BadLines {
    const SHOWN: usize = 10;

    fn add(&mut self, line: usize, why: &'static str) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push(BadLine { line, why });
        }
    }
}

/// Longest domain name in its usual form (RFC 1035, section 2.3.4).
const MAX_DOMAIN: usize = 253;

const SHA1_BYTES: usize = 20;
const SHA256_BYTES: usize = 32;

impl List {
    /// Reads a list's text. Bad lines are told, and the rest is used.
    pub fn parse(kind: ListKind, text: &[u8]) -> (Self, BadLines) {
        let mut reading = reading::Reading::new(kind);
        match reading.take("", text, None) {
            Ok(()) => reading.finish().into_parts(),
            // Too many entries, of which a slice has none.
            Err(_) => (Content::empty(kind).finish(), BadLines::default()),
        }
    }

    /// A list of given entries, as policy tests write them; those that are no
    /// entries are told by their place, counted from 1.
    pub fn from_entries<'e>(
        kind: ListKind,
        entries: impl IntoIterator<Item = &'e str>,
    ) -> (Self, BadLines) {
        let mut content = Content::empty(kind);
        let mut bad = BadLines::default();
        for (at, entry) in entries.into_iter().enumerate() {
            if let Err(why) = content.add("", entry.trim()) {
                bad.add(at + 1, why);
            }
        }
        (content.finish(), bad)
    }

    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether the value is in the list. Missing where the value is, and where it
    /// is none of what such a list can hold; what is known to be absent is in no list.
    pub fn contains(&self, value: Value<'_>) -> Value<'static> {
        let found = match (&self.content, value) {
            (_, Value::None) => Some(false),
            (Content::Cidr(prefixes), Value::Address(ip)) => Some(prefixes.contains(ip)),
            (Content::Cidr(prefixes), Value::Text(text)) => {
                text.parse::<IpAddr>().ok().map(|ip| prefixes.contains(ip))
            }
            (Content::Domain(names), Value::Text(text)) => Some(has_domain(names, text)),
            (Content::Sha1(digests), Value::Text(text)) => {
                Some(digests.contains(&Sha1::digest(text.as_bytes())))
            }
            (Content::Sha256(digests), Value::Text(text)) => {
                Some(digests.contains(&Sha256::digest(text.as_bytes())))
            }
            (Content::String(strings), Value::Text(text)) => {
                Some(strings.contains(text.as_bytes()))
            }
            _ => None,
        };
        found.map_or(Value::Missing, Value::Bool)
    }
}

impl Content {
    fn empty(kind: ListKind) -> Self {
        match kind {
            ListKind::Cidr => Content::Cidr(Box::default()),
            ListKind::Domain => Content::Domain(Fingerprints::default()),
            ListKind::Sha1 => Content::Sha1(Fingerprints::default()),
            ListKind::Sha256 => Content::Sha256(Fingerprints::default()),
            ListKind::Text => Content::String(Fingerprints::default()),
        }
    }

    /// `prefix` is what the entry's file is named by, for digests in parts.
    fn add(&mut self, prefix: &str, entry: &str) -> Result<(), &'static str> {
        match self {
            Content::Cidr(prefixes) => {
                prefixes.add(entry).ok_or("not an address or prefix, as `192.0.2.0/24`")
            }
            Content::Domain(names) => {
                let mut lower = [0; MAX_DOMAIN];
                names.add(domain(entry, &mut lower).ok_or("not a domain name")?);
                Ok(())
            }
            Content::Sha1(digests) => add_digest(digests, prefix, entry, SHA1_BYTES)
                .ok_or("not a SHA-1 digest of 40 hex digits, alone or as `DIGEST:COUNT`"),
            Content::Sha256(digests) => add_digest(digests, prefix, entry, SHA256_BYTES)
                .ok_or("not a SHA-256 digest of 64 hex digits, alone or as `DIGEST:COUNT`"),
            Content::String(strings) => {
                strings.add(entry.as_bytes());
                Ok(())
            }
        }
    }

    fn expect(&mut self, more: usize) {
        match self {
            Content::Cidr(prefixes) => prefixes.expect(more),
            Content::Domain(prints)
            | Content::Sha1(prints)
            | Content::Sha256(prints)
            | Content::String(prints) => prints.expect(more),
        }
    }

    fn added(&self) -> usize {
        match self {
            Content::Cidr(prefixes) => prefixes.added(),
            Content::Domain(prints)
            | Content::Sha1(prints)
            | Content::Sha256(prints)
            | Content::String(prints) => prints.added(),
        }
    }

    fn finish(mut self) -> List {
        let entries = match &mut self {
            Content::Cidr(prefixes) => prefixes.finish(),
            Content::Domain(prints)
            | Content::Sha1(prints)
            | Content::Sha256(prints)
            | Content::String(prints) => prints.finish(),
        };
        List { content: self, entries }
    }
}

fn add_digest(digests: &mut Fingerprints, prefix: &str, entry: &str, bytes: usize) -> Option<()> {
    match digest::read(prefix, entry, bytes)? {
        digest::Read::Digest(digest) => digests.add(digest.get(..bytes)?),
        digest::Read::Padding => {}
    }
    Some(())
}

/// A domain entry in the form that is looked up: lower case, without trailing
/// dot, and without the `*.` or `.` that some lists write before it.
fn domain<'b>(entry: &str, buffer: &'b mut [u8; MAX_DOMAIN]) -> Option<&'b [u8]> {
    let name = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.')).unwrap_or(entry);
    let name = name.strip_suffix('.').unwrap_or(name);
    let plausible = !name.is_empty()
        && name.split('.').all(|label| !label.is_empty())
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || "/:@<>".contains(c));
    let lower = buffer.get_mut(..name.len()).filter(|_| plausible)?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    Some(lower)
}

/// Whether the name or a parent of it is listed. Nothing is allocated.
fn has_domain(names: &Fingerprints, text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut buffer = [0; MAX_DOMAIN];
    let Some(lower) = buffer.get_mut(..text.len()) else { return false };
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    let mut name: &[u8] = lower;
    loop {
        if names.contains(name) {
            return true;
        }
        match name.iter().position(|byte| *byte == b'.').and_then(|dot| name.get(dot + 1..)) {
            Some(parent) => name = parent,
            None => return false,
        }
    }
}
