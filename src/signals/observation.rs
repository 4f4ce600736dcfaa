//! Observations: what requests teach, on their way to the cold side.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;

use crate::model::{EntityKind, Familiar, SignalId, Timestamp};

/// One thing that was seen with an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub kind: EntityKind,
    pub id: Box<str>,
    pub signal: SignalId,
    pub familiar: Familiar,
    /// Of the value, by [`super::Cache::value_hash`]: the value itself stays with the request.
    pub value_hash: u32,
    pub at: Timestamp,
}

/// A bounded queue that a decision never waits for: where it is full, an
/// observation is counted and dropped.
#[derive(Debug)]
pub struct Observations {
    queue: ArrayQueue<Observation>,
    dropped: AtomicU64,
}

impl Observations {
    /// A queue for at most `capacity` observations.
    pub fn new(capacity: usize) -> Self {
        Observations { queue: ArrayQueue::new(capacity.max(1)), dropped: AtomicU64::new(0) }
    }

    pub fn push(&self, observation: Observation) {
        if self.queue.push(observation).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    pub fn pop(&self) -> Option<Observation> {
        self.queue.pop()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}
