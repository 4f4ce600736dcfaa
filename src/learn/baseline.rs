//! Baselines: what is usual for a number, as a mean and a variance that forget.
//!
//! Observations are weighted by their age, `2^(-age / half_life)`, and the mean and
//! variance of the weighted observations are kept without the observations
//! themselves: D. H. D. West, "Updating mean and variance estimates: an improved
//! method", CACM 22 (1979), with weights that decay (T. Finch, "Incremental
//! calculation of weighted mean and variance", 2009).
//!
//! Both are robust: once something is known, an observation counts as if it were at
//! most [`CLIP`] deviations off (P. J. Huber, "Robust estimation of a location
//! parameter", 1964). One huge transfer doesn't make the next one usual.
//!
//! Where little is known of an entity, it is taken for one of many: mean and variance
//! are drawn towards the prior by [`share_of_prior`], and confidence says so.

use super::words::{Head, number, word_of};
use crate::model::{Baseline, Season, Timestamp};
use crate::signals::{Usual, share_of_prior};

/// How many deviations off an observation counts at most.
const CLIP: f64 = 3.0;
/// Before so much is known, nothing is clipped (observations).
const CLIP_FROM: f64 = 5.0;
/// Nor is anything in a part of the season of which less is known.
const CLIP_PART_FROM: f32 = 2.0;
/// Larger numbers are taken for this: their squares and sums would be infinite, and a
/// profile never heals of that.
const MOST: f64 = 1e30;

/// What is known of one number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BaselineState {
    pub(super) at: u32,
    weight: f64,
    mean: f64,
    /// The weighted sum of squared distances from the mean.
    squares: f64,
    /// By part of the season: how far its mean is from the whole's, and its weight.
    parts: Vec<(f32, f32)>,
}

impl BaselineState {
    pub(super) fn read(head: Head, words: &[u64]) -> Self {
        let [weight, mean, squares, parts @ ..] = words else { return Self::default() };
        let half = |word: &u64| (f32::from_bits((word >> 32) as u32), f32::from_bits(*word as u32));
        BaselineState {
            at: head.time,
            weight: number(*weight),
            mean: number(*mean),
            squares: number(*squares),
            parts: parts.iter().map(half).collect(),
        }
    }

    pub(super) fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.weight, self.mean, self.squares].map(word_of));
        words.extend(self.parts.iter().map(|(offset, weight)| {
            u64::from(offset.to_bits()) << 32 | u64::from(weight.to_bits())
        }));
    }

    /// Takes an observation of the given weight in.
    pub fn observe(&mut self, x: f64, weight: f64, at: Timestamp, how: &Baseline) {
        if !x.is_finite() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let x = x.clamp(-MOST, MOST);
        let seconds = super::words::seconds(at);
        // What comes late is as if it came now: its own decay would be above one.
        let decay = super::words::decay(seconds.saturating_sub(self.at), how.half_life);
        self.at = self.at.max(seconds);
        let x = self.clip(x, at, how.season);
        let offset = self.season(x, weight, decay, at, how.season);
        let x = x - offset;

        self.weight = self.weight * decay + weight;
        let from = x - self.mean;
        self.mean += from * weight / self.weight;
        self.squares = self.squares * decay + weight * from * (x - self.mean);
    }

    /// Learns what the part of the season adds, and says what it added so far.
    fn season(
        &mut self,
        x: f64,
        weight: f64,
        decay: f64,
        at: Timestamp,
        season: Option<Season>,
    ) -> f64 {
        let Some(season) = season else {
            self.parts.clear();
            return 0.0;
        };
        self.parts.resize(season.parts(), (0.0, 0.0));
        if decay < 1.0 {
            for (_, weight) in &mut self.parts {
                *weight *= decay as f32;
            }
        }
        let mean = if self.weight > 0.0 { self.mean } else { x };
        let Some((offset, known)) = self.parts.get_mut(part(season, at)) else { return 0.0 };
        *known += weight as f32;
        *offset += ((x - mean) as f32 - *offset) * weight as f32 / *known;
        shrunk(*offset, *known)
    }

    fn clip(&self, x: f64, at: Timestamp, season: Option<Season>) -> f64 {
        let of_part = season.and_then(|season| self.parts.get(part(season, at)));
        if self.weight < CLIP_FROM || of_part.is_some_and(|(_, known)| *known < CLIP_PART_FROM) {
            return x;
        }
        let usual = self.own(at, season);
        let reach = CLIP * usual.deviation.max(usual.least_deviation());
        x.clamp(usual.mean - reach, usual.mean + reach)
    }

    /// What is usual for the entity at that time, by its own observations alone.
    pub fn own(&self, at: Timestamp, season: Option<Season>) -> Usual {
        let offset = season
            .and_then(|season| self.parts.get(part(season, at)))
            .map_or(0.0, |(offset, weight)| shrunk(*offset, *weight));
        let variance = if self.weight > 0.0 { self.squares / self.weight } else { 0.0 };
        Usual {
            mean: self.mean + offset,
            deviation: libm::sqrt(variance.max(0.0)),
            weight: self.weight,
        }
    }

    /// What is usual for the entity at that time, drawn towards what is usual for all.
    pub fn usual(&self, at: Timestamp, season: Option<Season>, prior: Option<Usual>) -> Usual {
        let own = self.own(at, season);
        let Some(prior) = prior else { return own };
        let share = share_of_prior(own.weight);
        let variance = |usual: Usual| usual.deviation * usual.deviation;
        Usual {
            mean: own.mean + share * (prior.mean - own.mean),
            deviation: libm::sqrt(variance(own) + share * (variance(prior) - variance(own))),
            weight: own.weight,
        }
    }
}

/// A part of the season that was hardly seen adds little.
fn shrunk(offset: f32, weight: f32) -> f64 {
    f64::from(offset) * f64::from(weight) / (f64::from(weight) + 1.0)
}

fn part(season: Season, at: Timestamp) -> usize {
    let hours = at.millis().div_euclid(3_600_000);
    // 1970-01-01 was a Thursday: weeks begin on Monday.
    let hours = if season == Season::HourOfWeek { hours + 72 } else { hours };
    hours.rem_euclid(season.parts() as i64) as usize
}
