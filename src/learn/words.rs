//! How profiles are laid out: words, so that a profile is one allocation and one
//! value in a store.
//!
//! ```text
//! [kind:8 | id bytes:16 | last seen:32] [the id] then by measure: [head] [its words]
//! head: measure:16 | words:16 | last change, seconds since 2020:32
//! ```

use crate::model::Timestamp;

/// 2020-01-01T00:00:00Z
const ERA_MILLIS: i64 = 1_577_836_800_000;

/// What stands before a measure's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) measure: u16,
    pub(super) words: u16,
    /// When it was changed last, in seconds since 2020.
    pub(super) time: u32,
}

impl Head {
    pub(super) fn read(word: u64) -> Self {
        Head { measure: (word >> 48) as u16, words: (word >> 32) as u16, time: word as u32 }
    }

    pub(super) fn word(self) -> u64 {
        u64::from(self.measure) << 48 | u64::from(self.words) << 32 | u64::from(self.time)
    }
}

/// Seconds since 2020; 32 bits reach the year 2156.
pub(super) fn seconds(at: Timestamp) -> u32 {
    let seconds = at.millis().saturating_sub(ERA_MILLIS).div_euclid(1000);
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

pub(super) fn from_seconds(seconds: u32) -> Timestamp {
    Timestamp::from_millis(ERA_MILLIS + i64::from(seconds) * 1000)
}

/// Milliseconds since 2020.
pub(super) fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.millis().saturating_sub(ERA_MILLIS)).unwrap_or(0)
}

pub(super) fn from_millis(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX).saturating_add(ERA_MILLIS))
}

pub(super) fn number(word: u64) -> f64 {
    f64::from_bits(word)
}

pub(super) fn word_of(x: f64) -> u64 {
    x.to_bits()
}

/// What is left of a weight after so many seconds.
pub(super) fn decay(seconds: u32, half_life: f64) -> f64 {
    if half_life > 0.0 { libm::exp2(-f64::from(seconds) / half_life) } else { 1.0 }
}
