//! What the cache counts.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// The cache's counts, read at one moment (each for itself).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub entities: usize,
    /// Counted, not measured: see [`super::Limits::max_bytes`].
    pub bytes: usize,
    /// Entities dropped to keep within the limits.
    pub evicted: u64,
    /// Entities dropped because nothing was heard of them for their kind's `forget_after`.
    pub expired: u64,
    /// Writes refused: see [`super::Refused`].
    pub refused: u64,
    /// Reported signals that were taken.
    pub signals_accepted: u64,
    /// Reported signals of which something newer was known.
    pub signals_older: u64,
    /// Reported signals that were refused by name.
    pub signals_rejected: u64,
}

#[derive(Debug, Default)]
pub(in crate::signals) struct Counters {
    pub(super) entities: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    pub(super) evicted: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) refused: AtomicU64,
    accepted: AtomicU64,
    older: AtomicU64,
    rejected: AtomicU64,
}

impl Counters {
    pub(super) fn release_bytes(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn release_entity(&self, bytes: usize) {
        self.entities.fetch_sub(1, Relaxed);
        self.release_bytes(bytes);
    }

    /// Counts what became of one report's signals.
    pub(in crate::signals) fn report(&self, accepted: u64, older: u64, rejected: u64) {
        // Most reports are all accepted: one write instead of three.
        for (counter, by) in
            [(&self.accepted, accepted), (&self.older, older), (&self.rejected, rejected)]
        {
            if by != 0 {
                counter.fetch_add(by, Relaxed);
            }
        }
    }

    pub(super) fn read(&self) -> Stats {
        Stats {
            entities: self.entities.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            expired: self.expired.load(Relaxed),
            refused: self.refused.load(Relaxed),
            signals_accepted: self.accepted.load(Relaxed),
            signals_older: self.older.load(Relaxed),
            signals_rejected: self.rejected.load(Relaxed),
        }
    }
}
