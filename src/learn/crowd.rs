//! What the requests of all entities together come from and with: shares of values on each
//! level, in bounded memory.
//!
//! A count-min sketch (G. Cormode, S. Muthukrishnan, "An improved data stream summary: the
//! count-min sketch and its applications", 2005) with conservative update (C. Estan,
//! G. Varghese, 2002), over all levels together. Counts decay forward (G. Cormode et al.,
//! "Forward decay: a practical time decay model for streaming systems", 2009): later
//! observations weigh more, and nothing has to be decayed.
//!
//! A count is never too small. With a probability of 98 % a share is too large by at most
//! e / [`WIDTH`] a level, 0.0047 in all: what is usual with an entity then looks a little
//! less its own.

use super::words::{self, Head, number, word_of};
use crate::model::Timestamp;
use crate::signals::{LEVELS, SeenContext};

const WIDTH: usize = 4096;
const WIDTH_BITS: u32 = WIDTH.ilog2();
const DEPTH: usize = 4;
/// Words of a crowd that is kept.
pub(super) const WORDS: usize = 1 + LEVELS + WIDTH * DEPTH;
/// After so many half-lives all is scaled down: doubles end at 2^1024.
const MOST_DOUBLINGS: f64 = 256.0;

/// What all entities' contexts have been.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crowd {
    /// When an observation weighs one, in seconds since 2020.
    start: u32,
    /// The latest observation.
    pub(super) at: u32,
    totals: [f64; LEVELS],
    cells: Box<[f64]>,
}

impl Crowd {
    pub(super) fn new(at: Timestamp) -> Self {
        let at = words::seconds(at);
        let cells = vec![0.0; WIDTH * DEPTH].into();
        Crowd { start: at, at, totals: [0.0; LEVELS], cells }
    }

    /// `None` where these are the words of something else.
    pub(super) fn read(head: Head, words: &[u64]) -> Option<Self> {
        let [start, rest @ ..] = words else { return None };
        let (totals, cells) = rest.split_first_chunk::<LEVELS>()?;
        (words.len() == WORDS).then(|| Crowd {
            start: *start as u32,
            at: head.time,
            totals: totals.map(number),
            cells: cells.iter().copied().map(number).collect(),
        })
    }

    pub(super) fn write(&self) -> Vec<u64> {
        let counts = self.totals.iter().chain(&self.cells).copied().map(word_of);
        std::iter::once(u64::from(self.start)).chain(counts).collect()
    }

    /// Counts what counted of an entity.
    pub(super) fn observe(&mut self, counted: &SeenContext, at: Timestamp, half_life: f64) {
        self.at = self.at.max(words::seconds(at));
        let doublings = f64::from(self.at.saturating_sub(self.start)) / half_life.max(1.0);
        if doublings > MOST_DOUBLINGS {
            let scale = libm::exp2(-doublings);
            for count in self.totals.iter_mut().chain(&mut self.cells) {
                *count *= scale;
            }
            self.start = self.at;
        }
        let weight = self.weight(self.at, half_life);
        for (total, hash) in self.totals.iter_mut().zip(counted.0) {
            if hash == 0 {
                continue;
            }
            *total += weight;
            let least = least(&self.cells, hash) + weight;
            for at in places(hash) {
                if let Some(cell) = self.cells.get_mut(at) {
                    *cell = cell.max(least);
                }
            }
        }
    }

    /// Of all that was seen on a level, which share is this value. `own` is how much of it,
    /// and of the level, is one entity's: there can't be less.
    pub(super) fn share(
        &self,
        level: usize,
        hash: u32,
        own: (f64, f64),
        now: Timestamp,
        half_life: f64,
    ) -> f64 {
        let one = self.weight(words::seconds(now).max(self.at), half_life);
        let total = self.totals.get(level).copied().unwrap_or(0.0) / one;
        let of_value = (least(&self.cells, hash) / one).min(total).max(own.0);
        of_value / total.max(own.1)
    }

    /// How much was observed, in observations as of now.
    pub(super) fn seen(&self, now: Timestamp, half_life: f64) -> f64 {
        let one = self.weight(words::seconds(now).max(self.at), half_life);
        self.totals.iter().copied().fold(0.0, f64::max) / one
    }

    /// What an observation at that time weighs.
    fn weight(&self, at: u32, half_life: f64) -> f64 {
        let doublings = f64::from(at.saturating_sub(self.start)) / half_life.max(1.0);
        libm::exp2(doublings.min(2.0 * MOST_DOUBLINGS))
    }
}

fn least(cells: &[f64], hash: u32) -> f64 {
    let counts = places(hash).filter_map(|at| cells.get(at).copied());
    counts.fold(f64::INFINITY, f64::min)
}

/// Where a value counts, once in each row. The hash is keyed; this only spreads it
/// (the finalizer of SplitMix64).
fn places(hash: u32) -> impl Iterator<Item = usize> {
    let spread = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let spread = (spread ^ spread >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let spread = (spread ^ spread >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let spread = spread ^ spread >> 31;
    (0..DEPTH).map(move |row| {
        let column = spread >> (row as u32 * WIDTH_BITS) & (WIDTH as u64 - 1);
        row * WIDTH + column as usize
    })
}
