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

    /// One measure's words.
    pub(super) fn measure(&self, id: MeasureId) -> Option<(Head, &[u64])> {
        self.measures().find(|(head, _)| head.measure == id.0)
    }

    /// Puts a measure's words in place of its present ones. `scratch` is emptied.
    pub(super) fn put(&mut self, id: MeasureId, time: u32, next: &[u64], scratch: &mut Vec<u64>) {
        let Ok(len) = u16::try_from(next.len()) else { return };
        let head = Head { measure: id.0, words: len, time }.word();
        let present = self.places().find(|(_, head)| head.measure == id.0);
        let (from, to) = match present {
            Some((at, old)) => (at, at + 1 + usize::from(old.words)),
            None => (self.words.len(), self.words.len()),
        };
        if to - from == 1 + next.len() {
            if let Some([first, rest @ ..]) = self.words.get_mut(from..to) {
                *first = head;
                rest.copy_from_slice(next);
            }
            return;
        }
        scratch.clear();
        scratch.extend_from_slice(self.words.get(..from).unwrap_or_default());
        scratch.push(head);
        scratch.extend_from_slice(next);
        scratch.extend_from_slice(self.words.get(to..).unwrap_or_default());
        self.words = scratch.as_slice().into();
    }

    fn places(&self) -> impl Iterator<Item = (usize, Head)> {
        let mut at = 1 + self.id_len().div_ceil(8);
        std::iter::from_fn(move || {
            let head = Head::read(*self.words.get(at)?);
            let place = at;
            at += 1 + usize::from(head.words);
            Some((place, head))
        })
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
