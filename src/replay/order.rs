//! Whether lines come in the order of time.

use serde::Serialize;

use crate::model::Timestamp;

/// So far ahead of all lines before it, a line is sooner a mistake than a pause
/// (milliseconds).
const JUMP: i64 = 30 * 86_400_000;

/// Lines whose time is not as in a file in order. Time doesn't go back, so a line that is
/// late comes when the latest before it did; after one that is wrongly ahead all are late.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Order {
    /// Of all lines so far.
    #[serde(skip)]
    latest: Option<Timestamp>,
    /// Earlier than a line before.
    pub late: Odd,
    /// More than 30 days later than all lines before.
    pub ahead: Odd,
}

/// Lines that are odd in the same way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Odd {
    pub lines: u64,
    /// The number of the first of them, from 1.
    pub first: Option<u64>,
    /// How far off the worst of them is.
    pub most_seconds: f64,
}

impl Order {
    /// Notes the time of the next line, and its number.
    pub fn note(&mut self, line: u64, at: Timestamp) {
        let Some(latest) = self.latest else {
            self.latest = Some(at);
            return;
        };
        let off = at.millis().saturating_sub(latest.millis());
        if off < 0 {
            self.late.note(line, latest.seconds_since(at));
        } else if off > JUMP {
            self.ahead.note(line, at.seconds_since(latest));
        }
        self.latest = Some(latest.max(at));
    }
}

impl Odd {
    fn note(&mut self, line: u64, seconds: f64) {
        self.lines += 1;
        self.first.get_or_insert(line);
        self.most_seconds = self.most_seconds.max(seconds);
    }
}
