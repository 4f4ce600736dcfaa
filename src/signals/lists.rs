//! Lists that policies ask for membership in: addresses, domains, hashed and
//! plain strings. One entry a line, `#` starts a comment.

mod cidr;
mod feeds;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::model::{ListKind, Value};
use cidr::Prefixes;

pub(super) use cidr::parse as parse_prefix;
pub use feeds::{FeedSpec, FeedState, Feeds, Loaded};

/// One loaded list.
#[derive(Debug)]
pub struct List {
    content: Content,
    entries: usize,
}

#[derive(Debug)]
enum Content {
    Cidr(Box<Prefixes>),
    Domain(HashSet<Box<str>>),
    /// Sorted.
    Sha256(Vec<[u8; 32]>),
    String(HashSet<Box<str>>),
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

impl List {
    /// Reads a list's text. Bad lines are told, and the rest is used.
    pub fn parse(kind: ListKind, text: &[u8]) -> (Self, BadLines) {
        let mut content = Content::empty(kind);
        let mut bad = BadLines::default();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            match std::str::from_utf8(line) {
                Ok(line) => {
                    let entry = line.split('#').next().unwrap_or_default().trim();
                    if !entry.is_empty()
                        && let Err(why) = content.add(entry)
                    {
                        bad.add(at + 1, why);
                    }
                }
                Err(_) => bad.add(at + 1, "not UTF-8"),
            }
        }
        (content.finish(), bad)
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
            if let Err(why) = content.add(entry.trim()) {
                bad.add(at + 1, why);
            }
        }
        (content.finish(), bad)
    }

    /// Whether a file without entries says that this is meant: by a line `# empty`.
    fn is_meant_to_be_empty(text: &[u8]) -> bool {
        text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii() == b"# empty")
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
            (Content::Sha256(digests), Value::Text(text)) => {
                let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
                Some(digests.binary_search(&digest).is_ok())
            }
            (Content::String(strings), Value::Text(text)) => Some(strings.contains(text)),
            _ => None,
        };
        found.map_or(Value::Missing, Value::Bool)
    }
}

impl Content {
    fn empty(kind: ListKind) -> Self {
        match kind {
            ListKind::Cidr => Content::Cidr(Box::default()),
            ListKind::Domain => Content::Domain(HashSet::new()),
            ListKind::Sha256 => Content::Sha256(Vec::new()),
            ListKind::Text => Content::String(HashSet::new()),
        }
    }

    fn add(&mut self, entry: &str) -> Result<(), &'static str> {
        match self {
            Content::Cidr(prefixes) => {
                prefixes.add(entry).ok_or("not an address or prefix, as `192.0.2.0/24`")
            }
            Content::Domain(names) => {
                names.insert(domain(entry).ok_or("not a domain name")?);
                Ok(())
            }
            Content::Sha256(digests) => {
                digests.push(digest(entry).ok_or("not a SHA-256 digest of 64 hex digits")?);
                Ok(())
            }
            Content::String(strings) => {
                strings.insert(entry.into());
                Ok(())
            }
        }
    }

    fn finish(mut self) -> List {
        let entries = match &mut self {
            Content::Cidr(prefixes) => prefixes.len(),
            Content::Domain(names) | Content::String(names) => names.len(),
            Content::Sha256(digests) => {
                digests.sort_unstable();
                digests.dedup();
                digests.shrink_to_fit();
                digests.len()
            }
        };
        List { content: self, entries }
    }
}

/// A domain entry in the form that is looked up: lower case, without trailing
/// dot, and without the `*.` or `.` that some lists write before it.
fn domain(entry: &str) -> Option<Box<str>> {
    let name = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.')).unwrap_or(entry);
    let name = name.strip_suffix('.').unwrap_or(name);
    let plausible = !name.is_empty()
        && name.len() <= MAX_DOMAIN
        && name.split('.').all(|label| !label.is_empty())
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || "/:@<>".contains(c));
    plausible.then(|| name.to_ascii_lowercase().into())
}

/// Whether the name or a parent of it is listed. Nothing is allocated.
fn has_domain(names: &HashSet<Box<str>>, text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut buffer = [0; MAX_DOMAIN];
    let Some(lower) = buffer.get_mut(..text.len()) else { return false };
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    let Ok(mut name) = std::str::from_utf8(lower) else { return false };
    loop {
        if names.contains(name) {
            return true;
        }
        match name.split_once('.') {
            Some((_, parent)) => name = parent,
            None => return false,
        }
    }
}

fn digest(entry: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = entry.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok()?;
    }
    Some(digest)
}
