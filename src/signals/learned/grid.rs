//! How a number's values are spread, as the hot path needs it: the values below which given
//! shares of the observations lie.
//!
//! The first word has a weight of 5 bits and the last 40 bits of the points; the other words
//! have the rest of them. A point has 24 bits, of which 16 are significant: what is asked
//! about is rounded likewise, so that a value that was observed is still equal to itself.
//!
//! Between two points, values lie as dense as `1 / √|x|`: denser towards zero, as amounts,
//! sizes and durations do.

use arrayvec::ArrayVec;

use super::{ITEM_WORDS, Item, pack_mean, pack_weight, sureness, unpack_mean, unpack_weight};

/// The shares whose values are known. Finer where policies ask: towards the ends. What lies
/// beyond these is one in a thousand, which is how an outlier is forgotten in time.
pub const SHARES: [f64; 15] =
    [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];

const POINT_BITS: u32 = 24;
/// The last points stand in the first word, below the weight.
const REST_BITS: u32 = 40;
const POINT_WORDS: usize = 5;

const _: () =
    assert!(SHARES.len() as u32 * POINT_BITS == POINT_WORDS as u32 * u64::BITS + REST_BITS);
const _: () = assert!(POINT_WORDS < ITEM_WORDS && REST_BITS + 5 <= super::DATA_BITS);

/// How a number's values are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// By [`SHARES`] the value below which so much lies; none is smaller than the one before.
    pub points: [f64; SHARES.len()],
    /// How much was observed of the entity itself, in observations.
    pub weight: f64,
}

impl Grid {
    /// How sure one can be of it, in [0, 1]: of somebody unseen not at all.
    pub fn confidence(&self) -> f64 {
        sureness(self.weight)
    }

    /// The share of the observations that are below `x`, and half of those that equal it.
    pub fn percentile(&self, x: f64) -> f64 {
        let x = rounded(x);
        let below = self.points.partition_point(|point| *point < x);
        let upto = self.points.partition_point(|point| *point <= x);
        let (before, after) = (below.checked_sub(1).and_then(|at| self.at(at)), self.at(upto));
        if below < upto {
            // All of them are `x`: so is what lies around, up to half way to other values.
            let middle = (edge(below) + edge(upto)) / 2.0;
            let share = |at: usize| SHARES.get(at).copied();
            let least = before.and_then(|_| share(below)).unwrap_or(0.0);
            let most = after.and_then(|_| share(upto - 1)).unwrap_or(1.0);
            return middle.clamp(least, most);
        }
        match (before, after) {
            (Some((from, reached)), Some((to, next))) => {
                (reached + (next - reached) * place_between(from, to, x)).min(next)
            }
            (None, _) => 0.0,
            (_, None) => 1.0,
        }
    }

    /// The value below which that share of the observations lies.
    pub fn quantile(&self, share: f64) -> f64 {
        let upto = SHARES.partition_point(|known| *known <= share);
        match (upto.checked_sub(1).and_then(|at| self.at(at)), self.at(upto)) {
            (Some((from, reached)), Some((to, next))) => {
                value_between(from, to, (share - reached) / (next - reached))
            }
            (Some((value, _)), None) | (None, Some((value, _))) => value,
            (None, None) => 0.0,
        }
    }

    fn at(&self, at: usize) -> Option<(f64, f64)> {
        self.points.get(at).copied().zip(SHARES.get(at).copied())
    }
}

/// Half way between a share and the one before.
fn edge(at: usize) -> f64 {
    match (at.checked_sub(1).and_then(|before| SHARES.get(before)), SHARES.get(at)) {
        (Some(before), Some(share)) => (before + share) / 2.0,
        (None, _) => 0.0,
        (_, None) => 1.0,
    }
}

/// How much of what lies between two values is below `x`, in [0, 1].
pub fn place_between(from: f64, to: f64, x: f64) -> f64 {
    let (from, to, x) = (bent(from), bent(to), bent(x));
    if from < to { ((x - from) / (to - from)).clamp(0.0, 1.0) } else { 0.5 }
}

/// The value below which that share of what lies between two others is.
pub fn value_between(from: f64, to: f64, share: f64) -> f64 {
    if share <= 0.0 {
        return from;
    }
    let root = bent(from) + share * (bent(to) - bent(from));
    (root * root.abs()).max(from).min(to)
}

fn bent(x: f64) -> f64 {
    libm::copysign(libm::sqrt(x.abs()), x)
}

/// As a point has it.
fn rounded(x: f64) -> f64 {
    unpack_mean(pack_mean(x + 0.0))
}

pub(super) fn encode(grid: &Grid, words: &mut ArrayVec<u64, ITEM_WORDS>) -> u64 {
    let mut stream = [0u64; POINT_WORDS + 1];
    for (n, point) in grid.points.iter().enumerate() {
        let from = n as u32 * POINT_BITS;
        let value = u128::from(pack_mean(*point + 0.0)) << (from % 64);
        let parts = [value as u64, (value >> 64) as u64];
        for (word, part) in stream.iter_mut().skip((from / 64) as usize).zip(parts) {
            *word |= part;
        }
    }
    let mut stream = stream.into_iter();
    words.extend(stream.by_ref().take(POINT_WORDS));
    pack_weight(grid.weight) << REST_BITS | stream.next().unwrap_or(0)
}

impl Item<'_> {
    pub fn grid(self) -> Grid {
        let last = self.data & ((1 << REST_BITS) - 1);
        let word = |at: u32| self.words.get(at as usize).copied().unwrap_or(last);
        let point = |n: usize| {
            let from = n as u32 * POINT_BITS;
            let pair = u128::from(word(from / 64)) | u128::from(word(from / 64 + 1)) << 64;
            unpack_mean((pair >> (from % 64)) as u64 & ((1 << POINT_BITS) - 1))
        };
        Grid {
            points: std::array::from_fn(point),
            weight: unpack_weight(self.data >> REST_BITS & 31),
        }
    }
}
