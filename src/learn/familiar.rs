//! Familiar values: a bounded set, whose longest unseen value goes first.

use arrayvec::ArrayVec;

use super::words;
use crate::model::{Familiar, Timestamp};
use crate::signals::{MAX_FAMILIAR, Summary};

/// The values that an entity is known with: their hashes, and when each was seen last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FamiliarState {
    /// In seconds since 2020, the latest last; one more than is kept while it is put in.
    seen: ArrayVec<(u32, u32), { MAX_FAMILIAR + 1 }>,
}

impl FamiliarState {
    pub(super) fn read(words: &[u64]) -> Self {
        let seen = words.iter().map(|word| ((word >> 32) as u32, *word as u32));
        FamiliarState { seen: seen.take(MAX_FAMILIAR).collect() }
    }

    pub(super) fn write(&self, words: &mut Vec<u64>) {
        words.extend(self.seen.iter().map(|(at, hash)| u64::from(*at) << 32 | u64::from(*hash)));
    }

    pub(super) fn observe(&mut self, hash: u32, at: Timestamp, how: &Familiar) {
        let at = words::seconds(at);
        let known = self.seen.iter().position(|(_, known)| *known == hash);
        let seen_at = known.map(|place| self.seen.remove(place).0);
        let at = seen_at.map_or(at, |seen| seen.max(at));
        let place = self.seen.partition_point(|(seen, _)| *seen <= at);
        self.seen.insert(place, (at, hash));
        let keep = usize::from(how.keep).clamp(1, MAX_FAMILIAR);
        let surplus = self.seen.len().saturating_sub(keep);
        self.seen.drain(..surplus);
    }

    /// Forgets what was not seen for long.
    pub(super) fn forget(&mut self, now: Timestamp, how: &Familiar) {
        let now = f64::from(words::seconds(now));
        self.seen.retain(|(seen, _)| now - f64::from(*seen) < how.forget_after);
    }

    /// When the next value is forgotten, of these words.
    pub(super) fn due(words: &[u64], how: &Familiar) -> Option<Timestamp> {
        let after = (how.forget_after.clamp(0.0, 1e12) * 1e3) as i64;
        let seen = words::from_seconds((words.first()? >> 32) as u32).millis();
        // Rounded up to the second that `forget` counts in.
        Some(Timestamp::from_millis(seen.saturating_add(after).saturating_add(999) / 1000 * 1000))
    }

    pub(super) fn summary(&self) -> Summary {
        Summary::Familiar(self.seen.iter().take(MAX_FAMILIAR).map(|(_, hash)| *hash).collect())
    }
}
