//! The hours of the day at which an entity is seen: a histogram over a circle,
//! whose weights decay.
//!
//! Someone who comes at nine comes at ten as well now and then, so each hour is
//! smoothed with its neighbours (a quarter each, as in N. I. Fisher, "Statistical
//! analysis of circular data", 1993, on smoothing circular histograms).

use super::words::{self, Head};
use crate::model::Timestamp;
use crate::signals::Summary;

const HOURS: usize = 24;

/// Below so many observations nothing is said.
const LEAST: f32 = 8.0;

/// How much was seen at each hour of the day, in UTC.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HoursState {
    pub(super) at: u32,
    weights: [f32; HOURS],
}

impl HoursState {
    pub(super) fn read(head: Head, words: &[u64]) -> Self {
        let mut weights = [0.0; HOURS];
        let pairs = words.iter().flat_map(|word| [(word >> 32) as u32, *word as u32]);
        for (weight, bits) in weights.iter_mut().zip(pairs) {
            *weight = f32::from_bits(bits);
        }
        HoursState { at: head.time, weights }
    }

    pub(super) fn write(&self, words: &mut Vec<u64>) {
        let (pairs, _) = self.weights.as_chunks::<2>();
        words.extend(
            pairs.iter().map(|[first, second]| {
                u64::from(first.to_bits()) << 32 | u64::from(second.to_bits())
            }),
        );
    }

    pub(super) fn observe(&mut self, at: Timestamp, half_life: f64) {
        let seconds = words::seconds(at);
        let decay = words::decay(seconds.saturating_sub(self.at), half_life) as f32;
        self.at = self.at.max(seconds);
        for weight in &mut self.weights {
            *weight *= decay;
        }
        if let Some(weight) = self.weights.get_mut(hour(at)) {
            *weight += 1.0;
        }
    }

    /// `None` where too little was seen to say anything.
    pub(super) fn summary(&self) -> Option<Summary> {
        if self.weights.iter().sum::<f32>() < LEAST {
            return None;
        }
        let smooth = self.smooth();
        let most = smooth.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        Some(Summary::Hours(smooth.map(|weight| libm::roundf(weight / most * 15.0) as u8)))
    }

    fn smooth(&self) -> [f32; HOURS] {
        let at = |hour: usize| self.weights.get(hour % HOURS).copied().unwrap_or_default();
        std::array::from_fn(|hour| {
            0.25 * at(hour + HOURS - 1) + 0.5 * at(hour) + 0.25 * at(hour + 1)
        })
    }
}

fn hour(at: Timestamp) -> usize {
    at.millis().div_euclid(3_600_000).rem_euclid(HOURS as i64) as usize
}
