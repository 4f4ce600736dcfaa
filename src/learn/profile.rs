//! Profiles: all that was learned of one entity, in one allocation.

use super::words::{self, Head};
use crate::model::{EntityKind, MeasureId, Timestamp};

/// Nothing of this profile changes by time alone.
pub(super) const NEVER: i64 = i64::MAX;

/// All that was learned of one entity. See [`super::words`] for the layout.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Profile {
    words: Box<[u64]>,
    /// When it is looked at again without being observed (milliseconds since 1970).
    pub(super) due: i64,
}

/// Puts the head before the words that were appended behind its place. Says whether it did:
/// not where nothing was written, or more than a head can say.
fn put_head(words: &mut [u64], place: usize, measure: u16, time: Option<u32>) -> bool {
    let len = u16::try_from(words.len() - place - 1);
    let (Some(time), Ok(len), Some(head)) = (time, len, words.get_mut(place)) else { return false };
    *head = Head { measure, words: len, time }.word();
    true
}

impl Profile {
    pub(super) fn new(kind: EntityKind, id: &str, at: Timestamp) -> Self {
        let mut words = vec![first(kind, id.len(), words::seconds(at))];
        let (whole, rest) = id.as_bytes().as_chunks::<8>();
        words.extend(whole.iter().map(|bytes| u64::from_ne_bytes(*bytes)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            words.push(u64::from_ne_bytes(last));
        }
        Profile { words: words.into(), due: NEVER }
    }

    pub(super) fn kind(&self) -> EntityKind {
        EntityKind((self.first() >> 56) as u8)
    }

    pub(super) fn id(&self) -> &str {
        let bytes: &[u8] = bytemuck::cast_slice(self.words.get(1..).unwrap_or_default());
        let bytes = bytes.get(..self.id_len()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub(super) fn is_of(&self, kind: EntityKind, id: &str) -> bool {
        let bytes: &[u8] = bytemuck::cast_slice(self.words.get(1..).unwrap_or_default());
        self.kind() == kind && bytes.get(..self.id_len()) == Some(id.as_bytes())
    }

    /// When the entity was observed last.
    pub(super) fn seen(&self) -> Timestamp {
        words::from_seconds(self.first() as u32)
    }

    pub(super) fn touch(&mut self, at: Timestamp) {
        let seen = words::seconds(at).max(self.first() as u32);
        let next = first(self.kind(), self.id_len(), seen);
        if let Some(word) = self.words.first_mut() {
            *word = next;
        }
    }

    /// Bytes that the profile holds, without the allocator's rounding.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.words)
    }

    /// All measures, with their words.
    pub(super) fn measures(&self) -> impl Iterator<Item = (Head, &[u64])> {
        self.places().map(|(at, head)| {
            (head, self.words.get(at + 1..at + 1 + usize::from(head.words)).unwrap_or_default())
        })
    }

    /// Writes the measures anew, all at once, and those of `also` that are not there yet.
    /// `next` is asked for each what comes in its place: it appends those words and gives
    /// their time, or leaves the measure as it is. `scratch` is emptied.
    pub(super) fn rewrite(
        &mut self,
        scratch: &mut Vec<u64>,
        also: impl Iterator<Item = MeasureId>,
        mut next: impl FnMut(Head, &[u64], &mut Vec<u64>) -> Option<u32>,
    ) {
        scratch.clear();
        scratch.extend_from_slice(self.words.get(..self.measures_from()).unwrap_or_default());
        let mut changed = false;
        let mut write = |head: Head, words: &[u64], scratch: &mut Vec<u64>| {
            let from = scratch.len();
            scratch.push(0);
            let time = next(head, words, scratch);
            let put = put_head(scratch, from, head.measure, time);
            if !put {
                scratch.truncate(from);
            }
            changed |= put;
            put
        };
        for (place, head) in self.places() {
            let whole = self.words.get(place..place + 1 + usize::from(head.words));
            let whole = whole.unwrap_or_default();
            let words = whole.get(1..).unwrap_or_default();
            if !write(head, words, scratch) {
                scratch.extend_from_slice(whole);
            }
        }
        for id in also {
            if self.places().all(|(_, head)| head.measure != id.0) {
                write(Head { measure: id.0, words: 0, time: 0 }, &[], scratch);
            }
        }
        if changed {
            self.replace(scratch);
        }
    }

    fn replace(&mut self, words: &[u64]) {
        if self.words.len() == words.len() {
            self.words.copy_from_slice(words);
        } else {
            self.words = words.into();
        }
    }

    fn places(&self) -> impl Iterator<Item = (usize, Head)> {
        let mut at = self.measures_from();
        std::iter::from_fn(move || {
            let head = Head::read(*self.words.get(at)?);
            let place = at;
            at += 1 + usize::from(head.words);
            Some((place, head))
        })
    }

    fn measures_from(&self) -> usize {
        1 + self.id_len().div_ceil(8)
    }

    fn first(&self) -> u64 {
        self.words.first().copied().unwrap_or(0)
    }

    fn id_len(&self) -> usize {
        (self.first() >> 32 & 0xffff) as usize
    }
}

fn first(kind: EntityKind, id_len: usize, seen: u32) -> u64 {
    u64::from(kind.0) << 56 | (id_len as u64 & 0xffff) << 32 | u64::from(seen)
}
