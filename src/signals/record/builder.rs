//! Making the next record out of the present one.

use arrayvec::ArrayVec;
use triomphe::ThinArc;

use super::{
    Header, MILLIS_MASK, Record, SIGNAL_SHIFT, Stored, TAG_BOOL, TAG_DURATION, TAG_LOCATION,
    TAG_NONE, TAG_NUMBER, TAG_SET, TAG_SHIFT, TAG_TEXT, TAG_TIMESTAMP, observed_at_of, signal_of,
    slice_of, tag_of,
};
use crate::model::{EntityKind, MeasureId, SignalId, Timestamp, Value};
use crate::signals::learned::{self, Summary};

/// A record longer than this is refused, so that the memory of one entity is
/// bounded whatever the catalog declares.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// What became of one value given to a [`RecordBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Accepted,
    /// A newer observation stands, and stays.
    Older,
    /// No record can hold such a value: missing, NaN, or a bare address.
    Unstorable,
}

/// The working memory of a shard's writer: reused, so that a write allocates
/// the record and nothing else.
#[derive(Debug, Default)]
pub(in crate::signals) struct Scratch {
    cells: Vec<[u64; 2]>,
    learned: ArrayVec<u64, { learned::MAX_WORDS }>,
    /// What the cells' text payloads point into: the old record's texts, then new ones.
    texts: Vec<u8>,
    packed: Vec<u8>,
    words: Vec<u64>,
    changed: bool,
}

/// Collects what is new about one entity.
#[derive(Debug)]
pub struct RecordBuilder<'s>(&'s mut Scratch);

impl Scratch {
    /// Starts from a record, or from nothing.
    pub(in crate::signals) fn start(&mut self, from: Option<Record<'_>>) -> RecordBuilder<'_> {
        self.cells.clear();
        self.learned.clear();
        self.texts.clear();
        self.changed = false;
        if let Some(record) = from {
            self.cells.extend_from_slice(record.raw_cells());
            self.learned.extend(record.learned().iter().copied().take(learned::MAX_WORDS));
            self.texts.extend_from_slice(record.texts());
        }
        RecordBuilder(self)
    }

    /// Whether anything was accepted since [`Scratch::start`].
    pub(in crate::signals) fn changed(&self) -> bool {
        self.changed
    }

    /// The next record; `None` when it would be too long.
    pub(in crate::signals) fn build(
        &mut self,
        kind: EntityKind,
        id: &str,
        seq: u64,
    ) -> Option<Stored> {
        let Scratch { cells, learned, texts, packed, words, .. } = self;
        packed.clear();
        words.clear();
        push_bytes(words, id.as_bytes());
        for cell in cells.iter() {
            let [head, mut payload] = *cell;
            if matches!(tag_of(cell), TAG_TEXT | TAG_SET) {
                let text = slice_of(texts, payload).unwrap_or_default();
                payload = text_payload(packed.len(), text.len())?;
                packed.extend_from_slice(text);
            }
            words.extend_from_slice(&[head, payload]);
        }
        words.extend_from_slice(learned);
        push_bytes(words, packed);
        if size_of_val(words.as_slice()) > MAX_BYTES {
            return None;
        }
        let header = Header {
            seq,
            cells: u16::try_from(cells.len()).ok()?,
            id_len: u16::try_from(id.len()).ok()?,
            learned: u8::try_from(learned.len()).ok()?,
            kind,
        };
        Some(ThinArc::from_header_and_slice(header, words))
    }
}

impl RecordBuilder<'_> {
    /// Sets a signal, unless a later observation of it is there. Of two
    /// observations of one instant the one that comes last stands: a source that
    /// reports twice within a millisecond means its second word.
    pub fn set(&mut self, signal: SignalId, observed_at: Timestamp, value: Value<'_>) -> Applied {
        let scratch = &mut *self.0;
        let place = scratch.cells.binary_search_by_key(&signal.0, |cell| signal_of(cell).0);
        let millis = u64::try_from(observed_at.millis()).unwrap_or(0).min(MILLIS_MASK);
        if let Ok(at) = place
            && let Some(present) = scratch.cells.get(at)
            && observed_at_of(present).millis().cast_unsigned() > millis
        {
            return Applied::Older;
        }
        let Some((tag, payload)) = encode(value, &mut scratch.texts) else {
            return Applied::Unstorable;
        };
        let cell = [u64::from(signal.0) << SIGNAL_SHIFT | tag << TAG_SHIFT | millis, payload];
        match place {
            Ok(at) => {
                if let Some(present) = scratch.cells.get_mut(at) {
                    *present = cell;
                }
            }
            Err(at) => scratch.cells.insert(at, cell),
        }
        scratch.changed = true;
        Applied::Accepted
    }

    /// Sets a signal whatever stands there: for what is read, changed and put back under
    /// one lock. Its time never goes back, so that a store's older one doesn't return.
    pub fn replace(&mut self, signal: SignalId, now: Timestamp, value: Value<'_>) -> Applied {
        let cells = &self.0.cells;
        let place = cells.binary_search_by_key(&signal.0, |cell| signal_of(cell).0);
        let present = place.ok().and_then(|at| cells.get(at)).map(observed_at_of);
        self.set(signal, present.map_or(now, |present| present.max(now)), value)
    }

    /// Takes a signal out.
    pub fn unset(&mut self, signal: SignalId) {
        let cells = &mut self.0.cells;
        if let Ok(at) = cells.binary_search_by_key(&signal.0, |cell| signal_of(cell).0) {
            cells.remove(at);
            self.0.changed = true;
        }
    }

    /// The packed members of a signal that is a set.
    pub fn set_of(&self, signal: SignalId) -> Option<&str> {
        let cells = &self.0.cells;
        let at = cells.binary_search_by_key(&signal.0, |cell| signal_of(cell).0).ok()?;
        let cell = cells.get(at).filter(|cell| tag_of(cell) == TAG_SET)?;
        let [_, payload] = *cell;
        std::str::from_utf8(slice_of(&self.0.texts, payload)?).ok()
    }

    /// Whether nothing was learned of the entity yet, as far as the record knows.
    pub fn is_unlearned(&self) -> bool {
        self.0.learned.is_empty()
    }

    /// Whether anything is said of a measure.
    pub fn tells(&self, measure: MeasureId) -> bool {
        learned::find(&self.0.learned, measure).is_some()
    }

    /// Puts back a signal that a store has kept, unless it was observed since.
    pub fn restore(&mut self, signal: SignalId, observed_at: Timestamp, value: Value<'_>) {
        let cells = &self.0.cells;
        let place = cells.binary_search_by_key(&signal.0, |cell| signal_of(cell).0);
        let present = place.ok().and_then(|at| cells.get(at)).map(observed_at_of);
        if present.is_none_or(|present| present < observed_at) {
            self.set(signal, observed_at, value);
        }
    }

    /// Puts back the words of a summary that a store has kept, unless something
    /// later is there.
    pub fn restore_summary(&mut self, measure: MeasureId, words: &[u64]) {
        self.0.changed |= learned::put_raw(&mut self.0.learned, measure, words);
    }

    /// Whether the measure is a window that something is in.
    pub fn counts_in(&self, window: MeasureId) -> bool {
        learned::find(&self.0.learned, window).is_some_and(|item| item.window() != 0.0)
    }

    /// Drops all that was learned.
    pub fn unlearn(&mut self) {
        self.0.changed |= !self.0.learned.is_empty();
        self.0.learned.clear();
    }

    /// Puts what was learned of a measure in place of what it says now. Says whether
    /// there was room.
    pub fn summarise(&mut self, measure: MeasureId, summary: &Summary) -> bool {
        let put = learned::put(&mut self.0.learned, measure, summary);
        self.0.changed |= put == Some(true);
        put.is_some()
    }
}

fn encode(value: Value<'_>, texts: &mut Vec<u8>) -> Option<(u64, u64)> {
    Some(match value {
        Value::None => (TAG_NONE, 0),
        Value::Bool(x) => (TAG_BOOL, u64::from(x)),
        Value::Number(x) if !x.is_nan() => (TAG_NUMBER, x.to_bits()),
        Value::Text(text) => (TAG_TEXT, append(texts, text)?),
        Value::Timestamp(t) => (TAG_TIMESTAMP, t.millis().cast_unsigned()),
        Value::Duration(d) if !d.is_nan() => (TAG_DURATION, d.to_bits()),
        Value::Location { latitude, longitude } => {
            let (high, low) = (latitude.to_bits(), longitude.to_bits());
            (TAG_LOCATION, u64::from(high) << 32 | u64::from(low))
        }
        Value::Set(set) => (TAG_SET, append(texts, set.as_packed())?),
        Value::Missing | Value::Number(_) | Value::Duration(_) | Value::Address(_) => return None,
    })
}

/// Bytes as words, the last one padded with zeros.
fn push_bytes(words: &mut Vec<u64>, bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<8>();
    words.extend(whole.iter().map(|bytes| u64::from_ne_bytes(*bytes)));
    if !rest.is_empty() {
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        words.push(u64::from_ne_bytes(last));
    }
}

fn append(texts: &mut Vec<u8>, text: &str) -> Option<u64> {
    let payload = text_payload(texts.len(), text.len())?;
    texts.extend_from_slice(text.as_bytes());
    Some(payload)
}

fn text_payload(from: usize, len: usize) -> Option<u64> {
    Some(u64::from(u32::try_from(from).ok()?) << 32 | u64::from(u32::try_from(len).ok()?))
}
