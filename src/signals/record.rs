//! A record: one entity's whole live state in one allocation.
//!
//! A record is never changed. A writer makes the next one out of the present
//! one (`RecordBuilder`) and swaps the pointer, so a reader sees one record or
//! the other, whole.
//!
//! The words of a record:
//!
//! ```text
//! [the id][cells: two words each, sorted by signal][learned summaries][texts: string values]
//! ```
//!
//! The id stands first, in the cache line of the header: each read compares it.
//!
//! A cell's first word is `signal:16 | tag:4 | observed-at ms:44` and its second
//! the value by its tag. Cells say their own type, so a slot that expects another
//! one finds a value of another type (unknown to comparisons), never wrong bits.
//! 44 bits of milliseconds reach the year 2527.

mod builder;
#[cfg(test)]
mod tests;

use triomphe::ThinArc;

use super::learned::{self, Item};
use crate::model::{EntityKind, MeasureId, PackedSet, SignalId, Timestamp, Value};

pub(super) use builder::Scratch;
pub use builder::{Applied, RecordBuilder};

/// What a record is stored as: one thin pointer.
pub(super) type Stored = ThinArc<Header, u64>;

const SIGNAL_SHIFT: u32 = 48;
const TAG_SHIFT: u32 = 44;
const MILLIS_MASK: u64 = (1 << TAG_SHIFT) - 1;

const TAG_NONE: u64 = 0;
const TAG_BOOL: u64 = 1;
const TAG_NUMBER: u64 = 2;
const TAG_TEXT: u64 = 3;
const TAG_TIMESTAMP: u64 = 4;
const TAG_DURATION: u64 = 5;
const TAG_LOCATION: u64 = 6;
const TAG_SET: u64 = 7;

/// What stands before a record's words.
#[derive(Debug)]
pub(super) struct Header {
    seq: u64,
    cells: u16,
    id_len: u16,
    learned: u8,
    kind: EntityKind,
}

/// One entity's live state, borrowed from the cache.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    header: &'r Header,
    words: &'r [u64],
}

/// One signal of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell<'r> {
    pub signal: SignalId,
    pub observed_at: Timestamp,
    pub value: Value<'r>,
}

impl<'r> Record<'r> {
    pub(super) fn of(stored: &'r Stored) -> Self {
        Record { header: &stored.header.header, words: &stored.slice }
    }

    pub fn kind(self) -> EntityKind {
        self.header.kind
    }

    /// The id as it was reported.
    pub fn id(self) -> &'r str {
        std::str::from_utf8(self.id_bytes()).unwrap_or_default()
    }

    /// The sequence number that the entity's shard had when this was written:
    /// with the shard's number it names this write for good.
    pub fn seq(self) -> u64 {
        self.header.seq
    }

    /// Whether this is the record of that entity, and not of one whose key collides.
    pub(super) fn is_of(self, kind: EntityKind, id: &str) -> bool {
        self.header.kind == kind && self.id_bytes() == id.as_bytes()
    }

    /// A signal's value and when it was observed; `None` when never reported.
    pub fn signal(self, signal: SignalId) -> Option<Cell<'r>> {
        let cells = self.raw_cells();
        let at = cells.binary_search_by_key(&signal.0, |cell| signal_of(cell).0).ok()?;
        Some(self.decode(cells.get(at)?))
    }

    /// All signals, in the order of their ids.
    pub fn cells(self) -> impl ExactSizeIterator<Item = Cell<'r>> {
        self.raw_cells().iter().map(move |cell| self.decode(cell))
    }

    /// What was learned of a measure; `None` where nothing was.
    pub fn summary(self, measure: MeasureId) -> Option<Item<'r>> {
        learned::find(self.learned(), measure)
    }

    /// The summaries by measure, in words for a store.
    pub fn summaries(self) -> impl Iterator<Item = (MeasureId, &'r [u64])> {
        learned::raw_items(self.learned())
    }

    /// The learned summaries' words.
    pub(super) fn learned(self) -> &'r [u64] {
        let from = self.id_words() + usize::from(self.header.cells) * 2;
        self.words.get(from..from + usize::from(self.header.learned)).unwrap_or_default()
    }

    /// Bytes of summaries.
    pub fn learned_bytes(self) -> usize {
        size_of_val(self.learned())
    }

    /// Bytes that the record holds, without the allocator's rounding.
    pub fn bytes(self) -> usize {
        // A reference count and a length stand before header and words.
        size_of::<Header>() + 2 * size_of::<usize>() + size_of_val(self.words)
    }

    fn raw_cells(self) -> &'r [[u64; 2]] {
        let words = self.words.get(self.id_words()..).unwrap_or_default();
        let (pairs, _) = words.as_chunks::<2>();
        pairs.get(..usize::from(self.header.cells)).unwrap_or_default()
    }

    fn texts(self) -> &'r [u8] {
        let from =
            self.id_words() + usize::from(self.header.cells) * 2 + usize::from(self.header.learned);
        bytemuck::cast_slice(self.words.get(from..).unwrap_or_default())
    }

    fn id_words(self) -> usize {
        usize::from(self.header.id_len).div_ceil(8)
    }

    fn id_bytes(self) -> &'r [u8] {
        let bytes: &[u8] = bytemuck::cast_slice(self.words);
        bytes.get(..usize::from(self.header.id_len)).unwrap_or_default()
    }

    fn decode(self, cell: &[u64; 2]) -> Cell<'r> {
        let [_, payload] = *cell;
        let value = match tag_of(cell) {
            TAG_NONE => Value::None,
            TAG_BOOL => Value::Bool(payload != 0),
            TAG_NUMBER => Value::number(f64::from_bits(payload)),
            TAG_TEXT => self.text(payload).map_or(Value::Missing, Value::Text),
            TAG_TIMESTAMP => Value::Timestamp(Timestamp::from_millis(payload.cast_signed())),
            TAG_DURATION => Value::Duration(f64::from_bits(payload)),
            TAG_LOCATION => Value::Location {
                latitude: f32::from_bits((payload >> 32) as u32),
                longitude: f32::from_bits(payload as u32),
            },
            TAG_SET => self
                .text(payload)
                .map_or(Value::Missing, |packed| Value::Set(PackedSet::from_packed(packed))),
            _ => Value::Missing,
        };
        Cell { signal: signal_of(cell), observed_at: observed_at_of(cell), value }
    }

    fn text(self, payload: u64) -> Option<&'r str> {
        std::str::from_utf8(slice_of(self.texts(), payload)?).ok()
    }
}

fn signal_of(cell: &[u64; 2]) -> SignalId {
    let [head, _] = *cell;
    SignalId((head >> SIGNAL_SHIFT) as u16)
}

fn tag_of(cell: &[u64; 2]) -> u64 {
    let [head, _] = *cell;
    (head >> TAG_SHIFT) & 0xf
}

fn observed_at_of(cell: &[u64; 2]) -> Timestamp {
    let [head, _] = *cell;
    Timestamp::from_millis((head & MILLIS_MASK).cast_signed())
}

/// The bytes that a text payload (`offset:32 | length:32`) points at.
fn slice_of(texts: &[u8], payload: u64) -> Option<&[u8]> {
    let from = (payload >> 32) as usize;
    let len = (payload & u64::from(u32::MAX)) as usize;
    texts.get(from..from.checked_add(len)?)
}
