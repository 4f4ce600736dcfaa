//! Learning: observations become what the signal cache knows. Never on the way
//! of a decision.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::signals::{Cache, Observation, Observations};

/// How long observations may wait where few come in.
const PAUSE: Duration = Duration::from_millis(20);

/// Turns observations into learned summaries.
#[derive(Debug)]
pub struct Learner {
    cache: Arc<Cache>,
    observations: Arc<Observations>,
}

impl Learner {
    pub fn new(cache: Arc<Cache>, observations: Arc<Observations>) -> Self {
        Learner { cache, observations }
    }

    /// Learns until `stop` says so or its sender is gone.
    pub fn run(&self, stop: &Receiver<()>) {
        loop {
            while let Some(observation) = self.observations.pop() {
                learn(&self.cache, &observation);
            }
            if stop.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

/// Learns one observation. Time is an argument: a replay gives its own.
pub fn learn(cache: &Cache, observation: &Observation) {
    // A refused write is counted by the cache; there is nobody to tell.
    let _refused = cache.update(observation.kind, &observation.id, observation.at, |record| {
        record.learn_familiar(
            observation.signal,
            observation.value_hash,
            observation.at,
            &observation.familiar,
        );
    });
}
