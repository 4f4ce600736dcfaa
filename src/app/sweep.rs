//! Drops what is forgotten, a little at a time, and what was announced and is over.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::outside::InForce;
use crate::api::pdp::Pdp;
use crate::learn::Clock;
use crate::model::Timestamp;

/// How many slots a sweep looks at before it rests.
const SLOTS: usize = 20_000;
const PAUSE: Duration = Duration::from_millis(200);
/// How often announced changes are counted, and dropped where they are over: each time
/// all entities are looked at.
const TIDY_PAUSE: Duration = Duration::from_secs(60);

/// Sweeps until it is stopped, and tells what is announced and in force. `wall` is the wall
/// clock: what is old is old by one that jumps only once it stays.
pub(super) fn run(
    pdp: &Pdp,
    stop: &Receiver<()>,
    mut wall: impl FnMut() -> Timestamp,
    tell: impl Fn(InForce),
) {
    let mut clock = Clock::new(wall());
    let mut tidied: Option<Instant> = None;
    while stop.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        let now = clock.look(wall());
        let published = pdp.published();
        let Some(published) = published.as_ref() else { continue };
        let catalog = &published.snapshot.catalog;
        pdp.cache.sweep(catalog, now, SLOTS);
        if tidied.is_none_or(|at| at.elapsed() >= TIDY_PAUSE) {
            tell(pdp.cache.tidy_expected(catalog, now));
            tidied = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::run;
    use crate::api::pdp::{Pdp, Published};
    use crate::model::{Timestamp, Value, Vocabulary};
    use crate::policy::compile::compile;
    use crate::policy::source::SourceSet;
    use crate::signals::{Cache, Feeds, Limits, Observations, Secrets};
    use crate::telemetry::DecisionMetrics;

    const POLICY: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {forget_after: 30d}}
signals: {user.alarms: {type: number}}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score: {range: [0, 1], direction: trust, missing: 0, factors: {a: {value: user.alarms, curve: {linear: {to: 1}}}}}
levels: {all: {from: 0}}
rules: [{name: all, when: 'score >= 0', decision: allow}]
"#;
    const DAY: i64 = 86_400_000;

    fn after(days: i64) -> Timestamp {
        Timestamp::from_millis(1_780_272_000_000 + days * DAY)
    }

    /// Whether a user is still known who was heard of at first, after some looks at a wall clock
    /// that began at `days[0]`.
    fn is_known(days: &[i64]) -> bool {
        let vocabulary = Arc::new(Vocabulary::new());
        let (snapshot, told) = compile(&SourceSet::from_memory([("p.yaml", POLICY)]), &vocabulary);
        let snapshot = snapshot.unwrap_or_else(|| panic!("{}", told.render(false)));
        let (kind, signal) =
            snapshot.catalog.signals().iter().map(|s| (s.kind, s.id)).next().unwrap();
        let metrics = Arc::new(DecisionMetrics::default());
        let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
        let known = Value::Number(1.0);
        cache.update(kind, "ann", after(0), |r| r.set(signal, after(0), known)).unwrap();
        let published = Published::new(snapshot, Arc::new(Feeds::new(Vec::new(), None)), &metrics);
        let observations = Arc::new(Observations::new(1));
        let pdp = Pdp::new(cache, vocabulary, metrics, observations, "session");
        pdp.publish(Arc::new(published));

        let (stop, stopped) = channel();
        let (mut stop, mut days) = (Some(stop), days.iter());
        let wall = || {
            let day = days.next().unwrap();
            if days.len() == 0 {
                stop = None;
            }
            after(*day)
        };
        run(&pdp, &stopped, wall, |_| ());
        pdp.cache.read(kind, "ann").is_some()
    }

    #[test]
    fn a_clock_that_jumps_drops_nobody() {
        assert!(is_known(&[0, 400, 400, 0]));
        assert!(!is_known(&[40, 40]), "who is unheard of for so long goes");
    }
}
