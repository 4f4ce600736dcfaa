//! What came back, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::call::Failure;
use crate::model::Decision;

/// The longest latency that is told apart from longer ones: 100 s, in ns.
const LONGEST: u64 = 100_000_000_000;

/// Latencies, decisions and failures.
#[derive(Debug)]
pub(super) struct Tally {
    /// Nanoseconds, to three digits.
    latencies: Option<Histogram<u64>>,
    decided: [u64; Decision::ALL.len()],
    /// Answers that say no decision.
    undecided: u64,
    pub(super) errors: BTreeMap<String, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            latencies: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
            decided: [0; Decision::ALL.len()],
            undecided: 0,
            errors: BTreeMap::new(),
        }
    }
}

impl Tally {
    pub(super) fn record(&mut self, took: Duration, answer: Result<Option<Decision>, Failure>) {
        let decision = match answer {
            Ok(decision) => decision,
            Err(failure) => return self.fail(failure.to_string(), 1),
        };
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(latencies) = &mut self.latencies {
            latencies.saturating_record(nanos);
        }
        let place = decision.and_then(|decision| {
            let at = Decision::ALL.iter().position(|each| *each == decision)?;
            self.decided.get_mut(at)
        });
        *place.unwrap_or(&mut self.undecided) += 1;
    }

    pub(super) fn fail(&mut self, kind: String, times: u64) {
        if times > 0 {
            *self.errors.entry(kind).or_default() += times;
        }
    }

    pub(super) fn add(&mut self, other: &Tally) {
        if let (Some(latencies), Some(others)) = (&mut self.latencies, &other.latencies) {
            // Of the same bounds, so this can't fail.
            let _ = latencies.add(others);
        }
        for (count, others) in self.decided.iter_mut().zip(&other.decided) {
            *count += others;
        }
        self.undecided += other.undecided;
        for (kind, times) in &other.errors {
            self.fail(kind.clone(), *times);
        }
    }

    /// How many answers came.
    pub(super) fn answered(&self) -> u64 {
        self.decided.iter().sum::<u64>() + self.undecided
    }

    /// The decisions that there were.
    pub(super) fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let named = Decision::ALL.iter().map(|decision| decision.name()).zip(self.decided);
        named.chain([("no decision", self.undecided)]).filter(|(_, count)| *count > 0)
    }

    /// Microseconds.
    pub(super) fn latencies(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
        let latencies = self.latencies.iter().filter(|latencies| !latencies.is_empty());
        latencies.flat_map(move |latencies| {
            quantiles.map(|(name, at)| (name, latencies.value_at_quantile(at) as f64 / 1e3))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_failures_are_counted_apart() {
        let mut one = Tally::default();
        one.record(Duration::from_micros(100), Ok(Some(Decision::Allow)));
        one.record(Duration::from_micros(300), Ok(Some(Decision::Deny)));
        one.record(Duration::from_secs(9), Err(Failure::Http(503)));
        let mut two = Tally::default();
        two.record(Duration::from_micros(200), Ok(Some(Decision::Allow)));
        two.add(&one);
        assert_eq!(two.answered(), 3);
        assert_eq!(two.decisions().collect::<Vec<_>>(), [("allow", 2), ("deny", 1)]);
        assert_eq!(two.errors, BTreeMap::from([("http status 503".to_owned(), 1)]));
        let longest = two.latencies().find(|(name, _)| *name == "max").unwrap().1;
        assert!((longest - 300.0).abs() < 1.0, "{longest}: a failure has no latency");
    }
}
