//! Who has a value: since when, and when last.

use super::graph::Key;
use crate::model::Sharers;

/// Since when somebody has a value of whom that isn't known: new nowhere.
pub const LONG_AGO: u32 = 0;

/// From when to when an entity was seen with a value, in seconds since 2020.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub(super) since: u32,
    pub(super) seen: u32,
}

impl Stay {
    pub(super) fn at(seen: u32) -> Self {
        Stay { since: seen, seen }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) entity: Key,
    pub(super) stay: Stay,
}

impl Member {
    /// Notes that it was seen with the value once more. Says whether it has it since another
    /// time now: who was to be forgotten meanwhile is new again, and what comes late is earlier.
    pub(super) fn see(&mut self, again: Stay, forget: u32) -> bool {
        let before = self.stay;
        self.stay.seen = before.seen.max(again.seen);
        if before.seen.saturating_add(forget) <= again.since {
            self.stay.since = again.since;
        } else if again.seen.saturating_add(forget) > before.since {
            self.stay.since = before.since.min(again.since);
        }
        self.stay.since != before.since
    }

    /// When it leaves a window of so many seconds in which such are counted.
    pub(super) fn leaves(&self, who: Sharers, window: u32) -> Option<u32> {
        let from = match who {
            Sharers::Seen => Some(self.stay.seen),
            Sharers::Joined => Some(self.stay.since).filter(|since| *since != LONG_AGO),
        };
        from.map(|from| from.saturating_add(window))
    }
}
