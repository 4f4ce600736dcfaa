//! What is counted, read at one moment: `/metrics` and OTLP both show this.

use std::sync::Arc;

use super::counters::Histogram;
use super::names::Name;

/// A metric with all its points.
#[derive(Clone, Debug)]
pub(super) struct Family {
    pub(super) name: Name,
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) labels: Vec<(&'static str, Arc<str>)>,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Count(u64),
    /// Of a gauge, or of a counter that counts more than whole things.
    Number(f64),
    Histogram {
        sum: f64,
        /// Upper bound and count of each; the last bound is infinity, which the encoder writes as `+Inf`.
        buckets: Vec<(f64, u64)>,
    },
    /// All that there is to say is in the labels.
    Info,
}

impl Value {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let (sum, buckets) = histogram.read();
        Value::Histogram { sum, buckets }
    }
}

impl Point {
    pub(super) fn new<const N: usize>(labels: [(&'static str, Arc<str>); N], value: Value) -> Self {
        Point { labels: labels.into(), value }
    }
}

impl Family {
    pub(super) fn new(name: Name, points: Vec<Point>) -> Self {
        Family { name, points }
    }
}

/// A metric without labels; without points where there is no value.
pub(super) fn single(name: Name, value: impl Into<Option<Value>>) -> Family {
    Family::new(name, value.into().map(|value| Point::new([], value)).into_iter().collect())
}

/// Counts told apart by one label.
pub(super) fn counts(name: Name, label: &'static str, counts: &[(&'static str, u64)]) -> Family {
    let point = |(value, count): &(&'static str, u64)| {
        Point::new([(label, Arc::from(*value))], Value::Count(*count))
    };
    Family::new(name, counts.iter().map(point).collect())
}
