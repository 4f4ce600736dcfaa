//! How the export to a collector fares: what metrics and `/status` tell of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::family::{Family, Point, Value};
use super::names;

/// Counts of exports, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportCounts {
    pub traces_sent: u64,
    pub traces_failed: u64,
    pub metrics_sent: u64,
    pub metrics_failed: u64,
    /// Spans that the collector took and refused.
    pub spans_rejected: u64,
}

impl ExportCounts {
    pub(super) fn family(&self) -> Family {
        let point = |(what, outcome, count): (&'static str, &'static str, u64)| {
            let labels = [("what", what.into()), ("outcome", outcome.into())];
            Point::new(labels, Value::Count(count))
        };
        let all = [
            ("traces", "sent", self.traces_sent),
            ("traces", "failed", self.traces_failed),
            ("metrics", "sent", self.metrics_sent),
            ("metrics", "failed", self.metrics_failed),
        ];
        Family::new(names::EXPORTS, all.map(point).into())
    }
}

/// The same while it runs. The exporter writes, scrapes and `/status` read.
#[derive(Debug, Default)]
pub struct ExportState {
    pub(super) traces: Side,
    pub(super) metrics: Side,
    pub(super) spans_rejected: AtomicU64,
}

/// Of one kind of export. A collector may take the one and not the other.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    /// Why it fails, while it does.
    pub(super) error: Mutex<Option<String>>,
}

impl ExportState {
    pub fn counts(&self) -> ExportCounts {
        ExportCounts {
            traces_sent: self.traces.sent.load(Relaxed),
            traces_failed: self.traces.failed.load(Relaxed),
            metrics_sent: self.metrics.sent.load(Relaxed),
            metrics_failed: self.metrics.failed.load(Relaxed),
            spans_rejected: self.spans_rejected.load(Relaxed),
        }
    }

    /// Why the collector takes no exports, while that is so.
    pub fn error(&self) -> Option<String> {
        let error = self.traces.error.lock().clone();
        error.or_else(|| self.metrics.error.lock().clone())
    }
}
