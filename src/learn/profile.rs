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

/// Appends a measure with what `next` makes of its words. Says whether it did: not where
/// nothing came, or more than a head can say.
fn write(
    head: Head,
    words: &[u64],
    out: &mut Vec<u64>,
    next: &mut impl FnMut(Head, &[u64], &mut Vec<u64>) -> Option<u32>,
) -> bool {
    let from = out.len();
    out.push(0);
    let time = next(head, words, out);
    let len = u16::try_from(out.len() - from - 1);
    if let (Some(time), Ok(words), Some(place)) = (time, len, out.get_mut(from)) {
        *place = Head { words, time, ..head }.word();
        return true;
    }
    out.truncate(from);
    false
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
        std::str::from_utf8(self.id_bytes()).unwrap_or_default()
    }

    pub(super) fn is_of(&self, kind: EntityKind, id: &str) -> bool {
        self.kind() == kind && self.id_bytes() == id.as_bytes()
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

    /// Writes those measures anew that `wants` says, and those of `also` that are not there
    /// yet, all at once. `next` appends the words that come in place of a measure's and gives
    /// their time, or leaves it as it is. `scratch` is emptied.
    pub(super) fn rewrite(
        &mut self,
        scratch: &mut Vec<u64>,
        also: impl Iterator<Item = MeasureId>,
        wants: impl Fn(MeasureId) -> bool,
        mut next: impl FnMut(Head, &[u64], &mut Vec<u64>) -> Option<u32>,
    ) {
        scratch.clear();
        // What stays as it is goes over in as few pieces as there are.
        let (mut changed, mut done) = (false, 0);
        for (place, head) in self.places().filter(|(_, head)| wants(MeasureId(head.measure))) {
            let end = place + 1 + usize::from(head.words);
            let before = scratch.len();
            scratch.extend_from_slice(self.words.get(done..place).unwrap_or_default());
            let words = self.words.get(place + 1..end).unwrap_or_default();
            if write(head, words, scratch, &mut next) {
                (changed, done) = (true, end);
            } else {
                scratch.truncate(before);
            }
        }
        scratch.extend_from_slice(self.words.get(done..).unwrap_or_default());
        for id in also {
            if self.places().all(|(_, head)| head.measure != id.0) {
                let head = Head { measure: id.0, words: 0, time: 0 };
                changed |= write(head, &[], scratch, &mut next);
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

    fn id_bytes(&self) -> &[u8] {
        let bytes: &[u8] = bytemuck::cast_slice(self.words.get(1..).unwrap_or_default());
        bytes.get(..self.id_len()).unwrap_or_default()
    }

    fn id_len(&self) -> usize {
        (self.first() >> 32 & 0xffff) as usize
    }
}

fn first(kind: EntityKind, id_len: usize, seen: u32) -> u64 {
    u64::from(kind.0) << 56 | (id_len as u64 & 0xffff) << 32 | u64::from(seen)
}
