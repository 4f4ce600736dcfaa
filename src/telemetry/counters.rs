//! Counters for the hot path: one stripe a core, so that cores don't share cache lines.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_utils::CachePadded;

/// How many stripes there are: the cores, up to 16.
fn stripes() -> usize {
    static STRIPES: OnceLock<usize> = OnceLock::new();
    *STRIPES
        .get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 16))
}

/// This thread's stripe.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Relaxed) % stripes());
        }
        mine.get()
    })
}

/// A count that only rises.
#[derive(Debug)]
pub struct Counter(Box<[CachePadded<AtomicU64>]>);

impl Default for Counter {
    fn default() -> Self {
        Counter((0..stripes()).map(|_| CachePadded::default()).collect())
    }
}

impl Counter {
    pub fn add(&self, n: u64) {
        if let Some(count) = self.0.get(stripe()) {
            count.fetch_add(n, Relaxed);
        }
    }

    pub fn read(&self) -> u64 {
        self.0.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// A histogram over fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// The sum is kept in whole parts of this size, so that it adds without a loop.
    part: f64,
    stripes: Box<[CachePadded<Stripe>]>,
}

#[derive(Debug)]
struct Stripe {
    /// One a bound, and one for what is above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds, ascending. Its sum is exact to a billionth.
    pub fn new(bounds: &'static [f64]) -> Self {
        Histogram::summing(bounds, 1e-9)
    }

    /// A histogram whose sum is exact to a `part`: 2^64 of them is where it starts anew.
    pub fn summing(bounds: &'static [f64], part: f64) -> Self {
        let stripe = || {
            let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
            CachePadded::new(Stripe { counts, sum: AtomicU64::new(0) })
        };
        Histogram { bounds, part, stripes: (0..stripes()).map(|_| stripe()).collect() }
    }

    pub fn observe(&self, value: f64) {
        let at = self.bounds.iter().position(|b| value <= *b).unwrap_or(self.bounds.len());
        let Some(stripe) = self.stripes.get(stripe()) else { return };
        if let Some(count) = stripe.counts.get(at) {
            count.fetch_add(1, Relaxed);
        }
        // Saturates below zero; what is observed is not negative.
        stripe.sum.fetch_add((value / self.part) as u64, Relaxed);
    }

    /// Takes in values that were counted elsewhere, by the same bounds.
    pub fn observe_counted(&self, counts: &[u32], sum: f64) {
        let Some(stripe) = self.stripes.get(stripe()) else { return };
        for (count, more) in stripe.counts.iter().zip(counts) {
            if *more > 0 {
                count.fetch_add(u64::from(*more), Relaxed);
            }
        }
        stripe.sum.fetch_add((sum / self.part).round() as u64, Relaxed);
    }

    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// The sum and the count of each bucket, the last one unbounded.
    pub fn read(&self) -> (f64, Vec<(f64, u64)>) {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let count = |at: usize| {
            let counts = self.stripes.iter().filter_map(|s| s.counts.get(at));
            counts.map(|count| count.load(Relaxed)).sum()
        };
        let buckets = bounds.enumerate().map(|(at, bound)| (bound, count(at))).collect();
        let sum: u64 = self.stripes.iter().map(|s| s.sum.load(Relaxed)).sum();
        (sum as f64 * self.part, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Histogram};

    #[test]
    fn counts_of_all_threads_add_up() {
        let counter = Counter::default();
        let histogram = Histogram::new(&[0.1, 0.5]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        counter.add(1);
                        histogram.observe(0.1);
                        histogram.observe(0.75);
                    }
                });
            }
        });
        assert_eq!(counter.read(), 4000);
        let (sum, buckets) = histogram.read();
        assert!((sum - 3400.0).abs() < 1e-3, "{sum}");
        let counts: Vec<u64> = buckets.iter().map(|(_, n)| *n).collect();
        assert_eq!(counts, [4000, 0, 4000]);
    }

    #[test]
    fn what_was_counted_elsewhere_is_taken_in() {
        let histogram = Histogram::summing(&[1.0, 10.0], 0.1);
        histogram.observe_counted(&[2, 0, 1], 30.5);
        histogram.observe(5.0);
        let (sum, buckets) = histogram.read();
        assert!((sum - 35.5).abs() < 0.1, "{sum}");
        let counts: Vec<u64> = buckets.iter().map(|(_, n)| *n).collect();
        assert_eq!(counts, [2, 1, 1]);
    }
}
