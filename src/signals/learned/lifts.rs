//! What of an entity's contexts the hot path needs: how much was seen on each level, and
//! how much more likely each value is with the entity than with anybody.
//!
//! The first word has a weight of 6 bits a level, in eighths of a power of two. Behind it
//! stand values of 26 bits: 18 of a hash that tells the level as well, and a lift of 8, in
//! eighths of a power of two. A value never seen is taken for another with a probability
//! of at most 6 in 10^5.

use arrayvec::ArrayVec;

use super::{ITEM_WORDS, Item};
use crate::signals::context::LEVELS;

/// How many values a summary has: as many as fit.
pub const MAX_LIFTS: usize = (ITEM_WORDS - 1) * 64 / VALUE_BITS as usize;

const WEIGHT_BITS: u32 = 6;
const HASH_BITS: u32 = 18;
const LIFT_BITS: u32 = 8;
const VALUE_BITS: u32 = HASH_BITS + LIFT_BITS;
/// The lift of one, in the middle of what can be said. 0 says that there is no value.
const ONE: f64 = 128.0;
/// Weights and lifts have so many steps between a number and its double.
const STEPS: f64 = 8.0;

const _: () = assert!(LEVELS as u32 * WEIGHT_BITS <= super::DATA_BITS);

/// What is known of an entity's contexts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lifts {
    /// How much was seen of each level, in observations.
    pub weights: [f64; LEVELS],
    /// Hashes, and how many times as likely each is with the entity as with anybody.
    pub values: ArrayVec<(u32, f64), MAX_LIFTS>,
}

pub(super) fn encode(lifts: &Lifts, words: &mut ArrayVec<u64, ITEM_WORDS>) -> u64 {
    let mut stream = [0u64; ITEM_WORDS];
    for (n, (hash, lift)) in lifts.values.iter().enumerate() {
        let from = n as u32 * VALUE_BITS;
        let value = u64::from(hash & mask(HASH_BITS)) << LIFT_BITS | pack_lift(*lift);
        let value = u128::from(value) << (from % 64);
        let parts = [value as u64, (value >> 64) as u64];
        for (word, part) in stream.iter_mut().skip((from / 64) as usize).zip(parts) {
            *word |= part;
        }
    }
    let further = (lifts.values.len() as u32 * VALUE_BITS).div_ceil(64);
    words.extend(stream.into_iter().take(further as usize));
    lifts.weights.iter().rev().fold(0, |data, weight| data << WEIGHT_BITS | pack_weight(*weight))
}

impl Item<'_> {
    /// How much was seen of a level, in observations.
    pub fn seen(self, level: usize) -> f64 {
        let steps = self.data.checked_shr(level as u32 * WEIGHT_BITS).unwrap_or(0);
        let steps = steps & u64::from(mask(WEIGHT_BITS));
        libm::exp2(steps as f64 / STEPS) - 1.0
    }

    /// How many times as likely a value is with the entity as with anybody; `None` where it
    /// was not seen with it.
    pub fn lift(self, hash: u32) -> Option<f64> {
        let word = |at: u32| self.words.get(at as usize).copied().unwrap_or(0);
        let count = self.words.len() as u32 * 64 / VALUE_BITS;
        (0..count).find_map(|n| {
            let from = n * VALUE_BITS;
            let pair = u128::from(word(from / 64)) | u128::from(word(from / 64 + 1)) << 64;
            let value = (pair >> (from % 64)) as u32 & mask(VALUE_BITS);
            let lift = value & mask(LIFT_BITS);
            let same = value >> LIFT_BITS == hash & mask(HASH_BITS);
            (same && lift != 0).then(|| libm::exp2((f64::from(lift) - ONE) / STEPS))
        })
    }
}

fn mask(bits: u32) -> u32 {
    (1u32 << bits) - 1
}

/// A weight in 64 steps: up to 233 observations.
fn pack_weight(weight: f64) -> u64 {
    libm::round(STEPS * libm::log2(1.0 + weight.max(0.0))).min(63.0) as u64
}

/// A lift in 255 steps, from 2^-15.9 to 2^15.9.
fn pack_lift(lift: f64) -> u64 {
    let steps = libm::round(STEPS * libm::log2(lift.max(f64::MIN_POSITIVE))) + ONE;
    steps.clamp(1.0, 255.0) as u64
}
