//! Learning: observations become what the signal cache knows. Never on the way
//! of a decision.
//!
//! ```text
//! request, report --> observation --> queue --> learner --> profile --> summary --> record
//!                                                 ^ time
//! ```

mod baseline;
mod clock;
mod common;
mod contexts;
mod crowd;
mod familiar;
mod hours;
mod kept;
mod learner;
mod links;
mod place;
mod profile;
mod profiles;
mod quantiles;
mod state;
#[cfg(test)]
mod tests;
mod waiting;
mod window;
mod words;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::model::{Plan, Timestamp};
use crate::signals::{Observation, Observations, Seen, Told};

pub use clock::Clock;
pub use kept::{
    InCommon, Kept, KeptLabel, KeptLink, KeptMeasure, LinkValue, Page, Shelf, Unread, time_of,
};
pub use learner::{Bounds, Learned, Learner};
pub use links::{EVENTS, LONG_AGO, LinkBounds, LinksHeld, MEMBERS, MOST_STEPS, VALUES};

/// How long observations may wait where few come in.
const PAUSE: Duration = Duration::from_millis(20);
/// So many observations are learned before time is looked at again.
const BATCH: usize = 1024;
/// So many entities are to be forgotten at most while links come back.
const MOST_TO_FORGET: usize = 4096;
/// How long a change of a profile may wait to be kept.
const KEEP: Duration = Duration::from_secs(2);

/// Learns what comes until `stop` says so or its sender is gone. `plan` gives what the
/// revision that decides wants learned; `told` is told after each round.
pub fn run(
    mut learner: Learner,
    observations: &Observations,
    plan: impl Fn() -> Option<Arc<Plan>>,
    told: impl Fn(Learned),
    stop: &Receiver<()>,
) {
    let mut kept_at = Instant::now();
    let mut to_forget = Vec::new();
    let mut clock = Clock::new(Timestamp::now());
    loop {
        if let Some(plan) = plan()
            && !Arc::ptr_eq(&plan, learner.plan())
        {
            learner.follow(plan);
        }
        hear(&mut learner, observations, &mut to_forget);
        observations.set_labels_full(learner.is_full_of_labels());
        let (before, began) = (clock.doubt(), Instant::now());
        let now = clock.look(Timestamp::now());
        if before.is_none()
            && let Some(seconds) = clock.doubt()
        {
            tracing::warn!(seconds, "the clock has jumped: it is not believed for a while");
        }
        let mut learned = 0;
        // Who is known for fraud is not to teach, as long as it isn't known who that is.
        while learned < BATCH
            && !learner.lacks_labels()
            && let Some(observation) = observations.pop()
        {
            // Who asks for something to be forgotten is not to be told by the clock.
            if matches!(observation.seen, Seen::Forgotten(_)) {
                // One too many is told that it takes too long, and asks again.
                if to_forget.len() < MOST_TO_FORGET {
                    to_forget.push(observation);
                }
            } else if clock.believes(observation.at) {
                learner.observe(&observation);
            } else {
                learner.disbelieve();
            }
            learned += 1;
        }
        learner.advance(now);
        told(learner.learned());
        let pause = match learned {
            BATCH => Duration::ZERO,
            // As long as it worked: requests are to have the processor as well.
            _ if learner.is_catching_up() => began.elapsed().min(PAUSE),
            _ => PAUSE,
        };
        if kept_at.elapsed() >= KEEP {
            learner.keep();
            kept_at = Instant::now();
        }
        if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            learner.keep_at_once();
            // Labels that were taken meanwhile, or waited for links.
            hear(&mut learner, observations, &mut to_forget);
            return;
        }
    }
}

/// Takes labels, and forgets whom it is to.
fn hear(learner: &mut Learner, observations: &Observations, to_forget: &mut Vec<Observation>) {
    // A label is an event of the devices that its entity is linked to.
    while !learner.is_restoring()
        && !learner.lacks_labels()
        && let Some(told) = observations.pop_told()
    {
        match told {
            Told::Label(label) => learner.label(&label),
            Told::Asked(asked) => asked.tell(),
        }
    }
    // A label that came before goes as well, and links that are not back yet can't.
    if !learner.is_restoring() {
        to_forget.drain(..).for_each(|observation| learner.observe(&observation));
    }
}
