//! What time it is for learning: a wall clock that jumps is doubted at first, since
//! years that never passed would have everything forgotten.

use std::time::{Duration, Instant};

use crate::model::{Seconds, Timestamp};

/// So far the wall clock may be from the time that has passed (seconds).
const SLACK: Seconds = 3600.0;
/// A wall clock that was off for so long is right: a machine that slept, or a clock that
/// was wrong before (seconds).
const PATIENCE: Seconds = 900.0;

/// The time, by a wall clock and by what has passed meanwhile.
#[derive(Debug)]
pub struct Clock {
    at: Timestamp,
    looked_at: Instant,
    /// For how long the wall clock has been off (seconds).
    doubted: Seconds,
    /// How far it was off when that was looked at last (seconds).
    off: Seconds,
}

impl Clock {
    pub fn new(wall: Timestamp) -> Self {
        Clock { at: wall, looked_at: Instant::now(), doubted: 0.0, off: 0.0 }
    }

    /// The time now, where the wall clock says `wall`.
    pub fn look(&mut self, wall: Timestamp) -> Timestamp {
        let passed = self.looked_at.elapsed();
        self.looked_at += passed;
        self.look_after(passed, wall)
    }

    /// The time `passed` after the last look.
    fn look_after(&mut self, passed: Duration, wall: Timestamp) -> Timestamp {
        let millis = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let expected = Timestamp::from_millis(self.at.millis().saturating_add(millis));
        let off = wall.seconds_since(expected);
        if off.abs() <= SLACK {
            self.doubted = 0.0;
            self.at = wall;
            return wall;
        }
        // One that jumps again is doubted anew.
        let is_steady = self.doubted > 0.0 && (off - self.off).abs() <= SLACK;
        if !is_steady {
            self.doubted = 0.0;
        }
        self.doubted += passed.as_secs_f64().max(f64::MIN_POSITIVE);
        self.off = off;
        self.at = if self.doubted >= PATIENCE {
            self.doubted = 0.0;
            wall
        } else {
            expected
        };
        self.at
    }

    /// By how much the wall clock is off, where it is doubted (seconds).
    pub(super) fn doubt(&self) -> Option<Seconds> {
        (self.doubted > 0.0).then_some(self.off)
    }

    /// Whether something can have happened at a time, as far as is known now.
    pub(super) fn believes(&self, at: Timestamp) -> bool {
        at.seconds_since(self.at) <= SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 31_557_600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_780_272_000_000 + seconds * 1000)
    }

    /// Looks each second until `until`, with a wall clock that is `off`; gives the last time.
    fn pass(clock: &mut Clock, from: i64, until: i64, off: i64) -> Timestamp {
        let mut last = clock.at;
        for second in from..until {
            last = clock.look_after(Duration::from_secs(1), at(second + off));
        }
        last
    }

    #[test]
    fn a_jump_of_years_is_not_believed_and_taken_back_without_a_trace() {
        for off in [10 * YEAR, -10 * YEAR] {
            let mut clock = Clock::new(at(0));
            assert_eq!(pass(&mut clock, 1, 100, 0), at(99));
            assert_eq!(pass(&mut clock, 100, 500, off), at(499));
            assert!(!clock.believes(at(10 * YEAR)) && clock.believes(at(500)));
            assert_eq!(pass(&mut clock, 500, 600, 0), at(599));
        }
    }

    #[test]
    fn a_clock_that_stays_is_right() {
        let mut clock = Clock::new(at(0));
        assert_eq!(pass(&mut clock, 1, 2000, 8 * 3600), at(1999 + 8 * 3600));
        assert!(clock.believes(at(1999 + 8 * 3600)));
    }

    #[test]
    fn one_that_jumps_about_is_never_believed() {
        let mut clock = Clock::new(at(0));
        for minute in 0..60 {
            let off = if minute % 2 == 0 { YEAR } else { 3 * YEAR };
            pass(&mut clock, minute * 60 + 1, (minute + 1) * 60 + 1, off);
        }
        assert_eq!(clock.at, at(3600));
    }

    #[test]
    fn small_corrections_are_followed_at_once() {
        let mut clock = Clock::new(at(0));
        assert_eq!(clock.look_after(Duration::from_secs(1), at(30)), at(30));
        assert_eq!(clock.look_after(Duration::from_secs(1), at(-30)), at(-30));
    }
}
