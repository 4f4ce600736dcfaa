//! Points in time and spans, as the engine counts them.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since the Unix epoch, UTC.
///
/// Millisecond steps are what a signal's observation time is stored in, so a
/// decision that is replayed from its log sees exactly the instant it saw live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A span of time in seconds; may be fractional, is never NaN.
pub type Seconds = f64;

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The instant `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The system clock's reading. Only the outermost layer asks the clock;
    /// everything below takes `now` as an argument.
    pub fn now() -> Self {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        };
        Self(millis)
    }

    /// So many seconds later.
    #[must_use]
    pub fn plus(self, seconds: Seconds) -> Self {
        Self(self.0.saturating_add((seconds * 1e3) as i64))
    }

    /// Seconds from `earlier` to `self`; negative when `earlier` is later.
    pub fn seconds_since(self, earlier: Self) -> Seconds {
        self.0.saturating_sub(earlier.0) as f64 / 1e3
    }
}
