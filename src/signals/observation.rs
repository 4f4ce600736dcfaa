//! Observations: what requests and reports teach, on their way to the cold side.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;

use crate::model::{EntityKind, SignalId, Timestamp};

/// One thing that was seen of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub kind: EntityKind,
    pub id: Box<str>,
    pub at: Timestamp,
    pub seen: Seen,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// A value of a signal.
    Value { signal: SignalId, value: SeenValue },
    /// The entity itself, in a request.
    Presence { place: Option<SeenPlace> },
}

/// A value as far as it can be learned from: the value itself stays behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeenValue {
    pub number: Option<f64>,
    /// By [`super::Cache::value_hash`].
    pub hash: u32,
}

/// Where an entity was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenPlace {
    /// Degrees.
    pub latitude: f64,
    pub longitude: f64,
    /// How far off it may be.
    pub radius_km: f64,
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
