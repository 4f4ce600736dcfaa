//! Learned summaries: what the hot path's functions need of what was learned of
//! an entity. All else stays in cold profiles (`learn`).
//!
//! A record holds a summary for each measure, as words:
//!
//! ```text
//! first word   measure:16 | further words:3 | data:45
//! ```
//!
//! | summary | data | further words |
//! |---|---|---|
//! | usual | mean:24 deviation:16 weight:5 | - |
//! | grid | weight:5, then the last 40 bits of points | 5 of points: 15 of 24 bits |
//! | familiar | count:5, then hashes | up to 4 of hashes |
//! | hours | 11 of 24 nibbles | the other 13 |
//! | place | ms since 2020:45 | latitude:24 longitude:24 radius km:16 |
//! | window | the upper 45 bits of a double | - |
//! | context | weights of 7 levels:6 | up to 7 of values: hash:18 lift:8 |
//!
//! Two baselines, two sets of 16 familiar values, the hours and one window are 15
//! words: 120 bytes. The mean keeps 16 significant bits, which moves a deviation
//! by at most 0.0004 since a deviation is never taken for less than a twentieth
//! of the mean; the deviation itself keeps 9, which is 0.2 %.
//!
//! A familiar value is known by 28 bits of a keyed hash, fewer where many are kept
//! (18 with 16 values). Someone who doesn't know the key can do no better than
//! chance: a value never seen is taken for familiar with a probability of at most
//! 6 in 10^5 with 16 values, 3 in 10^8 with 8.

mod grid;
mod lifts;

use arrayvec::ArrayVec;

pub use grid::{Grid, SHARES, place_between, value_between};
pub use lifts::{Lifts, MAX_LIFTS};

use crate::model::{MeasureId, Timestamp};

/// How many words of summaries a record may have.
pub(super) const MAX_WORDS: usize = 48;
/// How many words one summary has at most.
const ITEM_WORDS: usize = 8;
/// How many of them hashes of familiar values take at most, beside the first.
const MOST_HASH_WORDS: u32 = 4;
/// How many familiar values a summary holds.
pub const MAX_FAMILIAR: usize = 16;

/// So many observations make one half sure.
pub(super) const SURE: f64 = 4.0;
/// What is usual for all weighs as much as so many observations, and less with each more.
const PRIOR: f64 = 4.0;
/// The least deviation, as a share of the mean.
const LEAST_SHARE: f64 = 0.05;

const MEASURE_SHIFT: u32 = 48;
const LENGTH_SHIFT: u32 = 45;
const DATA_BITS: u32 = LENGTH_SHIFT;
const DATA_MASK: u64 = (1 << DATA_BITS) - 1;

/// Hashes of familiar values begin behind their count.
const HASH_DATA_BITS: u32 = DATA_BITS - 5;
const MOST_HASH_BITS: u32 = 28;

const NIBBLES_IN_DATA: usize = 11;

/// 2020-01-01T00:00:00Z; 45 bits of milliseconds reach the year 3134.
const ERA_MILLIS: i64 = 1_577_836_800_000;

/// What was learned of one measure, as the hot path needs it.
#[derive(Clone, Debug, PartialEq)]
pub enum Summary {
    Usual(Usual),
    /// How a number's values are spread.
    Grid(Grid),
    /// Hashes of the values.
    Familiar(ArrayVec<u32, MAX_FAMILIAR>),
    /// How usual each hour of the day is, against the most usual one: 15 is as usual.
    Hours([u8; 24]),
    Place(LastPlace),
    /// What a window counts, or what is asked of links; may be infinite.
    Window(f64),
    /// What requests come from and with.
    Context(Box<Lifts>),
}

/// What is usual for a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// How much was observed of the entity itself, in observations.
    pub weight: f64,
}

impl Usual {
    /// How sure one can be of it, in [0, 1]: of somebody unseen not at all.
    pub fn confidence(self) -> f64 {
        sureness(self.weight)
    }

    /// A deviation is never taken for less: nothing is measured that well.
    pub fn least_deviation(self) -> f64 {
        (self.mean.abs() * LEAST_SHARE).max(1e-9)
    }
}

/// How sure one can be where so much was observed (observations).
fn sureness(weight: f64) -> f64 {
    weight / (weight + SURE)
}

/// How much the prior has to say where so much is known. Squared: a population that is
/// wide must not widen what is usual for somebody well known.
pub fn share_of_prior(weight: f64) -> f64 {
    let share = PRIOR / (PRIOR + weight);
    share * share
}

/// Where an entity was seen last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastPlace {
    pub at: Timestamp,
    /// Degrees.
    pub latitude: f64,
    pub longitude: f64,
    /// How far off it may be.
    pub radius_km: f64,
}

/// One measure's summary, as a record has it. Who asks knows what the measure is of.
#[derive(Clone, Copy, Debug)]
pub struct Item<'w> {
    data: u64,
    words: &'w [u64],
}

/// The summary of `measure` among a record's words.
pub(super) fn find(words: &[u64], measure: MeasureId) -> Option<Item<'_>> {
    items(words).find(|(_, id, _)| *id == measure).map(|(_, _, item)| item)
}

/// Places, measures and summaries.
fn items(words: &[u64]) -> impl Iterator<Item = (usize, MeasureId, Item<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let head = *words.get(at)?;
        let place = at;
        let len = length_of(head);
        at += 1 + len;
        let item = Item { data: head & DATA_MASK, words: words.get(place + 1..at)? };
        Some((place, MeasureId((head >> MEASURE_SHIFT) as u16), item))
    })
}

/// Measures and their words, for a store. Only [`put_raw`] knows what to do with them.
pub(super) fn raw_items(words: &[u64]) -> impl Iterator<Item = (MeasureId, &[u64])> {
    items(words).map(|(place, measure, item)| {
        (measure, words.get(place..place + 1 + item.words.len()).unwrap_or_default())
    })
}

/// Puts a measure's words back, unless there are some of it already. Says whether it did.
pub(super) fn put_raw(
    words: &mut ArrayVec<u64, MAX_WORDS>,
    measure: MeasureId,
    raw: &[u64],
) -> bool {
    let Some(head) = raw.first() else { return false };
    let fits = raw.len() <= ITEM_WORDS && raw.len() == 1 + length_of(*head);
    if !fits || raw.len() > words.remaining_capacity() || find(words, measure).is_some() {
        return false;
    }
    words.push(u64::from(measure.0) << MEASURE_SHIFT | head & !(u64::MAX << MEASURE_SHIFT));
    words.extend(raw.iter().skip(1).copied());
    true
}

fn length_of(head: u64) -> usize {
    (head >> LENGTH_SHIFT & 7) as usize
}

/// Puts a summary in place of the measure's present one. Says whether a word
/// changed; `None` where there is no room.
pub(super) fn put(
    words: &mut ArrayVec<u64, MAX_WORDS>,
    measure: MeasureId,
    summary: &Summary,
) -> Option<bool> {
    let next = encode(measure, summary);
    let present = items(words).find(|(_, id, _)| *id == measure);
    if let Some((place, _, item)) = present {
        let end = place + 1 + item.words.len();
        if let Some(words) = words.get_mut(place..end).filter(|words| words.len() == next.len()) {
            let changed = *words != *next;
            words.copy_from_slice(&next);
            return Some(changed);
        }
        if words.len() - (end - place) + next.len() > MAX_WORDS {
            return None;
        }
        words.drain(place..end);
    }
    words.try_extend_from_slice(&next).ok().map(|()| true)
}

fn encode(measure: MeasureId, summary: &Summary) -> ArrayVec<u64, ITEM_WORDS> {
    let mut words = ArrayVec::new();
    words.push(0);
    let data = match summary {
        Summary::Usual(usual) => {
            let mean = pack_mean(usual.mean) << 21;
            mean | pack_deviation(usual.deviation) << 5 | pack_weight(usual.weight)
        }
        Summary::Grid(grid) => grid::encode(grid, &mut words),
        Summary::Familiar(hashes) => encode_hashes(hashes, &mut words),
        Summary::Hours(levels) => {
            let (first, rest) = levels.split_at(NIBBLES_IN_DATA);
            let nibbles = |levels: &[u8]| {
                levels.iter().rev().fold(0, |word, n| word << 4 | u64::from(*n & 0xf))
            };
            words.push(nibbles(rest));
            nibbles(first)
        }
        Summary::Place(place) => {
            let latitude = pack_degrees(place.latitude, 90.0) << 40;
            let radius = place.radius_km.clamp(0.0, f64::from(u16::MAX)) as u64;
            words.push(latitude | pack_degrees(place.longitude, 180.0) << 16 | radius);
            let millis = place.at.millis().saturating_sub(ERA_MILLIS);
            u64::try_from(millis).unwrap_or(0).min(DATA_MASK)
        }
        Summary::Window(count) => pack_count(*count),
        Summary::Context(lifts) => lifts::encode(lifts, &mut words),
    };
    let len = (words.len() - 1) as u64;
    if let Some(head) = words.first_mut() {
        *head = u64::from(measure.0) << MEASURE_SHIFT | len << LENGTH_SHIFT | data & DATA_MASK;
    }
    words
}

fn encode_hashes(
    hashes: &ArrayVec<u32, MAX_FAMILIAR>,
    words: &mut ArrayVec<u64, ITEM_WORDS>,
) -> u64 {
    let wanted = hashes.len() as u32 * MOST_HASH_BITS;
    let further = wanted.saturating_sub(HASH_DATA_BITS).div_ceil(64).min(MOST_HASH_WORDS);
    let bits = hash_bits(hashes.len() as u64, further as usize);
    let mut stream = [0u64; ITEM_WORDS];
    for (n, hash) in hashes.iter().enumerate() {
        let from = n as u32 * bits;
        let value = u128::from(*hash & mask(bits)) << (from % 64);
        for (word, part) in
            stream.iter_mut().skip((from / 64) as usize).zip([value as u64, (value >> 64) as u64])
        {
            *word |= part;
        }
    }
    // The last 40 bits of the stream stand in the first word.
    let mut stream = stream.into_iter();
    words.extend(stream.by_ref().take(further as usize));
    (hashes.len() as u64) << HASH_DATA_BITS | stream.next().unwrap_or(0)
}

/// How many bits each of `count` hashes has, with so many further words.
fn hash_bits(count: u64, further: usize) -> u32 {
    let room = HASH_DATA_BITS + 64 * further as u32;
    room.checked_div(count as u32).unwrap_or(MOST_HASH_BITS).min(MOST_HASH_BITS)
}

fn mask(bits: u32) -> u32 {
    (1u32 << bits) - 1
}

impl Item<'_> {
    pub fn usual(self) -> Usual {
        Usual {
            mean: unpack_mean(self.data >> 21),
            deviation: f64::from(f32::from_bits((self.data >> 5 & 0xffff) as u32 * (1 << 15))),
            weight: unpack_weight(self.data & 31),
        }
    }

    pub fn is_familiar(self, hash: u32) -> bool {
        let count = self.data >> HASH_DATA_BITS;
        let bits = hash_bits(count, self.words.len());
        let last = self.data & ((1 << HASH_DATA_BITS) - 1);
        let word = |at: u32| self.words.get(at as usize).copied().unwrap_or(last);
        (0..count as u32).any(|n| {
            let from = n * bits;
            let pair = u128::from(word(from / 64)) | u128::from(word(from / 64 + 1)) << 64;
            (pair >> (from % 64)) as u32 & mask(bits) == hash & mask(bits)
        })
    }

    /// How usual an hour of the day is, in [0, 1].
    pub fn hour(self, hour: usize) -> f64 {
        let (word, at) = match hour.checked_sub(NIBBLES_IN_DATA) {
            Some(at) => (self.words.first().copied().unwrap_or(0), at),
            None => (self.data, hour),
        };
        let nibble = word.checked_shr(4 * at as u32).unwrap_or(0) & 0xf;
        nibble as f64 / 15.0
    }

    pub fn place(self) -> LastPlace {
        let word = self.words.first().copied().unwrap_or(0);
        LastPlace {
            at: Timestamp::from_millis(self.data.cast_signed().saturating_add(ERA_MILLIS)),
            latitude: unpack_degrees(word >> 40, 90.0),
            longitude: unpack_degrees(word >> 16 & 0xff_ffff, 180.0),
            radius_km: (word & 0xffff) as f64,
        }
    }

    pub fn window(self) -> f64 {
        f64::from_bits(self.data << (64 - DATA_BITS))
    }
}

/// The nearest number of 24 bits: a sign, 8 bits of exponent, 15 of fraction.
fn pack_mean(mean: f64) -> u64 {
    let bits = (mean.clamp(-1e38, 1e38) as f32).to_bits();
    u64::from(bits.saturating_add(0x80) >> 8)
}

fn unpack_mean(bits: u64) -> f64 {
    f64::from(f32::from_bits((bits as u32) << 8))
}

/// The nearest number of 16 bits: 8 of exponent, 8 of fraction.
fn pack_deviation(deviation: f64) -> u64 {
    let bits = (deviation.clamp(0.0, 1e38) as f32).to_bits();
    u64::from((bits + 0x4000) >> 15)
}

/// A weight in 32 steps, fine where little is known.
fn pack_weight(weight: f64) -> u64 {
    libm::round(4.0 * libm::log2(1.0 + weight.max(0.0))).min(31.0) as u64
}

fn unpack_weight(steps: u64) -> f64 {
    libm::exp2(steps as f64 / 4.0) - 1.0
}

/// The nearest double whose lower bits are zero: exact for whole numbers below 2^34.
fn pack_count(count: f64) -> u64 {
    let count = if count.is_infinite() { count } else { count.clamp(-1e300, 1e300) };
    let bits = count.to_bits();
    let dropped = 64 - DATA_BITS;
    bits.saturating_add(1 << (dropped - 1)) >> dropped
}

const DEGREE_STEPS: f64 = ((1 << 24) - 1) as f64;

fn pack_degrees(degrees: f64, most: f64) -> u64 {
    libm::round((degrees.clamp(-most, most) + most) / (2.0 * most) * DEGREE_STEPS) as u64
}

fn unpack_degrees(steps: u64, most: f64) -> f64 {
    steps as f64 / DEGREE_STEPS * 2.0 * most - most
}

#[cfg(test)]
mod tests;
