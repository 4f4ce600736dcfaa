//! How records and profiles are laid out on disk. Numbers are little-endian, and names
//! are numbers of the store (`names`).
//!
//! ```text
//! key      kind:16 (big-endian) | part:8 | the id
//! record   last heard of, seconds since 1970:32 | signals:16 | summaries:8 | signals | summaries
//! signal   signal:16 | tag:8 | observed at, milliseconds:64 | value by its tag
//! summary  measure:16 | words:8 | words
//! profile  last seen:32 | by measure: measure:16 | words:16 | last change:32 | words
//! links    by link: identifier:16 | last seen:32 | 0:8 or 1:8 | value
//!          and since first seen is kept: identifier:16 | last seen:32 | 2:8 or 3:8 | first seen:32 | value
//! label    happened at:32 | fraud:8 | by entity: kind:16 | length:16 | id
//! value    0, 2: hash:64; 1, 3: kind:16 | length:16 | id
//! ```

mod learned;

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

pub(super) use learned::{
    decode_label, decode_links, decode_profile, encode_label, encode_links, encode_profile,
    last_seen,
};

use super::names::Names;
use crate::model::{EntityKind, MeasureId, PackedSet, SignalId, Timestamp, Value, Vocabulary};
use crate::signals::{Record, RecordBuilder};

/// Entities are kept in so many parts, which can be read side by side.
pub(super) const PARTS: u8 = 32;

const NONE: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const TEXT: u8 = 4;
const TIMESTAMP: u8 = 5;
const DURATION: u8 = 6;
const LOCATION: u8 = 7;
const SET: u8 = 8;

/// Where an entity is kept.
pub(super) fn key(kind: u16, id: &str) -> Vec<u8> {
    let mut key = part(kind, part_of(id));
    key.extend_from_slice(id.as_bytes());
    key
}

/// What the keys of a part begin with.
pub(super) fn part(kind: u16, part: u8) -> Vec<u8> {
    let [high, low] = kind.to_be_bytes();
    vec![high, low, part]
}

/// The kind in a key.
pub(super) fn kind_of(key: &[u8]) -> Option<u16> {
    key.first_chunk().map(|kind| u16::from_be_bytes(*kind))
}

/// The id in a key.
pub(super) fn id_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(3..)?).ok()
}

fn part_of(id: &str) -> u8 {
    let mut hasher = SipHasher13::new();
    hasher.write(id.as_bytes());
    (hasher.finish() % u64::from(PARTS)) as u8
}

/// A record as it is kept; `None` where it holds what has no number.
pub(super) fn encode(
    record: Record<'_>,
    heard: Timestamp,
    names: &mut Names,
    vocabulary: &Vocabulary,
) -> Option<Vec<u8>> {
    let cells = record.cells();
    let mut bytes = Vec::with_capacity(16 + record.bytes() * 5 / 4);
    bytes.extend(seconds(heard).to_le_bytes());
    bytes.extend(u16::try_from(cells.len()).ok()?.to_le_bytes());
    bytes.push(u8::try_from(record.summaries().count()).ok()?);
    for cell in cells {
        bytes.extend(names.signal(cell.signal, vocabulary)?.to_le_bytes());
        let at = bytes.len();
        bytes.push(NONE);
        bytes.extend(cell.observed_at.millis().to_le_bytes());
        let tag = encode_value(cell.value, &mut bytes);
        if let Some(place) = bytes.get_mut(at) {
            *place = tag;
        }
    }
    for (measure, words) in record.summaries() {
        bytes.extend(names.measure(measure, vocabulary)?.to_le_bytes());
        bytes.push(u8::try_from(words.len()).ok()?);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    Some(bytes)
}

fn encode_value(value: Value<'_>, bytes: &mut Vec<u8>) -> u8 {
    let text = |text: &str, bytes: &mut Vec<u8>| {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    match value {
        Value::Missing | Value::None | Value::Address(_) => NONE,
        Value::Bool(false) => FALSE,
        Value::Bool(true) => TRUE,
        Value::Number(x) => {
            bytes.extend(x.to_le_bytes());
            NUMBER
        }
        Value::Text(of) => {
            text(of, bytes);
            TEXT
        }
        Value::Timestamp(at) => {
            bytes.extend(at.millis().to_le_bytes());
            TIMESTAMP
        }
        Value::Duration(x) => {
            bytes.extend(x.to_le_bytes());
            DURATION
        }
        Value::Location { latitude, longitude } => {
            bytes.extend(latitude.to_le_bytes());
            bytes.extend(longitude.to_le_bytes());
            LOCATION
        }
        Value::Set(set) => {
            text(set.as_packed(), bytes);
            SET
        }
    }
}

/// What is still to be read of a value.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// An entity; its kind is `None` where the catalog doesn't name it now.
    fn entity(
        &mut self,
        names: &Names,
        vocabulary: &Vocabulary,
    ) -> Option<(Option<EntityKind>, &'b str)> {
        let (number, len) = (self.u16()?, self.u16()?);
        let id = std::str::from_utf8(self.take(usize::from(len))?).ok()?;
        Some((names.kind_id(number, vocabulary), id))
    }

    fn text(&mut self) -> Option<&'b str> {
        let len = self.u32()? as usize;
        std::str::from_utf8(self.take(len)?).ok()
    }

    fn value(&mut self, tag: u8) -> Option<Value<'b>> {
        Some(match tag {
            NONE => Value::None,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            NUMBER => Value::number(self.array().map(f64::from_le_bytes)?),
            TEXT => Value::Text(self.text()?),
            TIMESTAMP => {
                Value::Timestamp(Timestamp::from_millis(self.array().map(i64::from_le_bytes)?))
            }
            DURATION => Value::Duration(self.array().map(f64::from_le_bytes)?),
            LOCATION => Value::Location {
                latitude: self.array().map(f32::from_le_bytes)?,
                longitude: self.array().map(f32::from_le_bytes)?,
            },
            SET => Value::Set(PackedSet::from_packed(self.text()?)),
            _ => return None,
        })
    }
}

/// Whether two kept records say the same but for when the entity was heard of.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.get(4..) == other.get(4..)
}

/// When an entity was heard of last, by its kept record.
pub(super) fn heard(bytes: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_millis(i64::from(Rest(bytes).u32()?) * 1000))
}

/// A kept record of an entity that was heard of later.
pub(super) fn with_heard(bytes: &[u8], heard: Timestamp) -> Option<Vec<u8>> {
    let rest = bytes.get(4..)?;
    Some([&seconds(heard).to_le_bytes(), rest].concat())
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.millis().max(0) / 1000).unwrap_or(u32::MAX)
}

/// Puts a kept record back; `None` where it can't be read.
pub(super) fn decode(
    bytes: &[u8],
    signals: &[Option<SignalId>],
    measures: &[Option<MeasureId>],
    into: &mut RecordBuilder<'_>,
) -> Option<()> {
    let mut rest = Rest(bytes);
    let _heard = rest.u32()?;
    let (cells, summaries) = (rest.u16()?, rest.u8()?);
    for _ in 0..cells {
        let (number, tag) = (rest.u16()?, rest.u8()?);
        let observed_at = Timestamp::from_millis(rest.array().map(i64::from_le_bytes)?);
        let value = rest.value(tag)?;
        if let Some(signal) = signals.get(usize::from(number))? {
            into.restore(*signal, observed_at, value);
        }
    }
    for _ in 0..summaries {
        let (number, len) = (rest.u16()?, rest.u8()?);
        let mut words = arrayvec::ArrayVec::<u64, 8>::new();
        for _ in 0..len {
            words.try_push(rest.array().map(u64::from_le_bytes)?).ok()?;
        }
        if let Some(measure) = measures.get(usize::from(number))? {
            into.restore_summary(*measure, &words);
        }
    }
    rest.0.is_empty().then_some(())
}
