//! Looking at all entries of a keyspace, a few at a time, once an hour.

use std::ops::{Bound, RangeBounds};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(3600);

/// How far a look at all entries is.
#[derive(Debug)]
pub(super) struct Hourly {
    /// The last one that was looked at, where a look is under way.
    after: Option<Vec<u8>>,
    next: Instant,
}

impl Hourly {
    pub(super) fn new() -> Self {
        Hourly { after: None, next: Instant::now() + EVERY }
    }

    /// The entries that are still to be looked at; nothing where it is not time to.
    pub(super) fn left(&mut self) -> Option<impl RangeBounds<Vec<u8>> + use<>> {
        let after = match self.after.take() {
            Some(after) => after,
            None if Instant::now() >= self.next => Vec::new(),
            None => return None,
        };
        Some((Bound::Excluded(after), Bound::Unbounded))
    }

    pub(super) fn looked_at(&mut self, key: Vec<u8>) {
        self.after = Some(key);
    }

    /// Says, once some are looked at, whether there were no more. The next look is in an hour then.
    pub(super) fn end_if_over(&mut self) -> bool {
        if self.after.is_none() {
            self.next = Instant::now() + EVERY;
        }
        self.after.is_none()
    }

    #[cfg(test)]
    pub(super) fn begin(&mut self) {
        self.next = Instant::now();
    }

    #[cfg(test)]
    pub(super) fn is_under_way(&self) -> bool {
        self.after.is_some()
    }
}
