//! Observations: what requests and reports teach, on their way to the cold side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;
use tokio::sync::Notify;

use super::context::SeenContext;
use crate::model::{EntityKind, SignalId, Timestamp};

/// How many labels wait at most.
const MAX_LABELS_WAITING: usize = 4096;

/// One thing that was seen of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub kind: EntityKind,
    pub id: Box<str>,
    pub at: Timestamp,
    pub seen: Seen,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A value of a signal.
    Value { signal: SignalId, value: SeenValue },
    /// The entity itself, in a request.
    Presence { place: Option<SeenPlace>, context: SeenContext },
    /// Another entity, in the same request.
    With { kind: EntityKind, id: Box<str> },
    /// Nothing: all that was learned before is to be forgotten, and who asked be told.
    Forgotten(Asked),
}

/// Who waits for something to be done.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<Notify>);

impl Asked {
    pub fn tell(&self) {
        self.0.notify_one();
    }

    /// Waits until it is done; for one who asked.
    pub async fn done(&self) {
        self.0.notified().await;
    }
}

/// Nobody else's.
impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A value as far as it can be learned from: the value itself stays behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeenValue {
    pub number: Option<f64>,
    /// By [`super::Cache::value_hash`].
    pub hash: u32,
    /// The hash's other half, where values must not be mistaken for each other.
    pub upper: u32,
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

/// A reviewer's verdict on an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub kind: EntityKind,
    pub id: Box<str>,
    /// Fraud; else legitimate.
    pub bad: bool,
    /// When what is labelled happened.
    pub at: Timestamp,
}

/// What the learner is told besides observations.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Label(Label),
    /// Nothing: who asked wants to know when all that came before is learned.
    Asked(Asked),
}

/// No more labels are taken for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    #[error("too many labels wait to be learned: send the rest a moment later")]
    Waiting,
    #[error("as many entities are labelled as may be")]
    Full,
}

/// A bounded queue that a decision never waits for: where it is full, an
/// observation is counted and dropped.
#[derive(Debug)]
pub struct Observations {
    queue: ArrayQueue<Observation>,
    dropped: AtomicU64,
    labels: ArrayQueue<Told>,
    labels_full: AtomicBool,
}

impl Observations {
    /// A queue for at most `capacity` observations.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Observations {
            queue: ArrayQueue::new(capacity),
            dropped: AtomicU64::new(0),
            labels: ArrayQueue::new(capacity.min(MAX_LABELS_WAITING)),
            labels_full: AtomicBool::new(false),
        }
    }

    pub fn push(&self, observation: Observation) {
        if self.queue.push(observation).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Has all that was learned of an entity forgotten: in its turn, and in the place of
    /// the oldest observation where there is no room.
    pub fn push_forgotten(&self, kind: EntityKind, id: &str, at: Timestamp) -> Asked {
        let asked = Asked::default();
        let seen = Seen::Forgotten(asked.clone());
        if self.queue.force_push(Observation { kind, id: id.into(), at, seen }).is_some() {
            self.dropped.fetch_add(1, Relaxed);
        }
        asked
    }

    pub fn pop(&self) -> Option<Observation> {
        self.queue.pop()
    }

    /// Leaves a label; unlike an observation it is never dropped.
    ///
    /// # Errors
    /// When there is no room: the caller is to know.
    pub fn label(&self, label: Label) -> Result<(), NoRoom> {
        if self.labels_full.load(Relaxed) {
            return Err(NoRoom::Full);
        }
        self.labels.push(Told::Label(label)).map_err(|_| NoRoom::Waiting)
    }

    /// Has who asks be told when all labels that were left before are learned.
    ///
    /// # Errors
    /// When there is no room.
    pub fn after_labels(&self) -> Result<Asked, NoRoom> {
        let asked = Asked::default();
        self.labels.push(Told::Asked(asked.clone())).map_err(|_| NoRoom::Waiting)?;
        Ok(asked)
    }

    pub fn pop_told(&self) -> Option<Told> {
        self.labels.pop()
    }

    /// Says whether further labels can be kept.
    pub fn set_labels_full(&self, full: bool) {
        self.labels_full.store(full, Relaxed);
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
