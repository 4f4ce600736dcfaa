//! Observations that wait before they teach (`learn.delay`).

use std::collections::BTreeMap;

use crate::model::{EntityKind, Seconds, Timestamp};
use crate::signals::Observation;

/// By when they teach, and in which order they came.
#[derive(Debug)]
pub(super) struct Waiting {
    observations: BTreeMap<(i64, u64), Observation>,
    most: usize,
    next: u64,
    /// Dropped as too many waited.
    pub(super) dropped: u64,
}

impl Waiting {
    pub(super) fn new(most: usize) -> Self {
        Waiting { observations: BTreeMap::new(), most, next: 0, dropped: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.observations.len()
    }

    pub(super) fn push(&mut self, observation: Observation, delay: Seconds) {
        if self.observations.len() >= self.most {
            self.dropped += 1;
            return;
        }
        let delay = (delay.clamp(0.0, 1e10) * 1e3) as i64;
        let due = observation.at.millis().saturating_add(delay);
        self.observations.insert((due, self.next), observation);
        self.next += 1;
    }

    pub(super) fn forget(&mut self, kind: EntityKind, id: &str) {
        self.observations.retain(|_, waiting| waiting.kind != kind || &*waiting.id != id);
    }

    /// One that has waited long enough.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Observation> {
        let first = self.observations.first_entry()?;
        (first.key().0 <= now.millis()).then(|| first.remove())
    }
}
