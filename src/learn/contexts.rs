//! What an entity's requests come from and with: the values on each level of the address
//! and of the user agent, counted with weights that decay.
//!
//! A value counts once an hour: a busy hour in one place is not more like somebody than a
//! quiet one, and who gets in once doesn't become usual by the number of his requests.

use arrayvec::ArrayVec;

use super::crowd::Crowd;
use super::words::{self, Head};
use crate::model::Timestamp;
use crate::signals::{Feature, LEVELS, Lifts, MAX_LIFTS, SeenContext};

/// How many values are kept of each level; the rarest goes first.
const KEEP: [usize; LEVELS] = [6, 4, 3, 4, 3, 2, 2];
const MOST: usize = 6;
/// A value counts again after so long (seconds).
const AGAIN: u32 = 3600;

/// A value, and how often it counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counted {
    hash: u32,
    count: f32,
    /// When it counted last, in seconds since 2020. Known on the finest levels only.
    last: u32,
}

/// What is known of one entity's contexts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ContextState {
    pub(super) at: u32,
    /// How much was seen of each level, that which is not kept as well.
    totals: [f32; LEVELS],
    values: [ArrayVec<Counted, MOST>; LEVELS],
}

impl ContextState {
    /// `[values a level, a byte each] [totals, two a word] [hash | count] of each value, and
    /// behind these [last times, two a word] of those on the finest levels`
    pub(super) fn read(head: Head, words: &[u64]) -> Self {
        let mut state = ContextState { at: head.time, ..Self::default() };
        let mut words = words.iter().copied();
        let sizes = words.next().unwrap_or(0).to_le_bytes();
        let mut totals = words.by_ref().take(LEVELS.div_ceil(2)).flat_map(halves);
        for total in &mut state.totals {
            *total = f32::from_bits(totals.next().unwrap_or(0));
        }
        drop(totals);
        for (values, size) in state.values.iter_mut().zip(sizes) {
            for word in words.by_ref().take(usize::from(size).min(MOST)) {
                let (hash, count) = ((word >> 32) as u32, f32::from_bits(word as u32));
                values.push(Counted { hash, count, last: 0 });
            }
        }
        let mut times = words.flat_map(halves);
        for value in state.finest() {
            value.last = times.next().unwrap_or(0);
        }
        state
    }

    pub(super) fn write(&self, words: &mut Vec<u64>) {
        let sizes = self.values.iter().rev();
        words.push(sizes.fold(0, |sizes, values| sizes << 8 | values.len() as u64));
        let totals: ArrayVec<u32, LEVELS> = self.totals.iter().map(|x| x.to_bits()).collect();
        words.extend(totals.chunks(2).map(pair));
        let value = |value: &Counted| pair(&[value.hash, value.count.to_bits()]);
        words.extend(self.values.iter().flatten().map(value));
        let finest = Feature::ALL.into_iter().filter_map(|f| self.values.get(f.levels().start));
        let times: ArrayVec<u32, { 2 * MOST }> =
            finest.flatten().map(|value| value.last).take(2 * MOST).collect();
        words.extend(times.chunks(2).map(pair));
    }

    /// The values on the finest level of each feature.
    fn finest(&mut self) -> impl Iterator<Item = &mut Counted> {
        let is_finest = |level: &usize| Feature::ALL.iter().any(|f| f.levels().start == *level);
        let levels = self.values.iter_mut().enumerate();
        levels.filter(move |(level, _)| is_finest(level)).flat_map(|(_, values)| values)
    }

    /// Takes in what was seen, and gives what of it counted.
    pub(super) fn observe(
        &mut self,
        seen: &SeenContext,
        at: Timestamp,
        half_life: f64,
    ) -> SeenContext {
        let now = words::seconds(at);
        let decay = words::decay(now.saturating_sub(self.at), half_life) as f32;
        // What comes late is as if it came now.
        self.at = self.at.max(now);
        for total in &mut self.totals {
            *total *= decay;
        }
        for value in self.values.iter_mut().flatten() {
            value.count *= decay;
        }
        let mut counted = SeenContext::default();
        for feature in Feature::ALL {
            let levels = feature.levels();
            if !self.counts_again(levels.start, seen) {
                continue;
            }
            let of = seen.0.iter().zip(&mut counted.0).enumerate();
            for (level, (hash, counted)) in of.skip(levels.start).take(levels.len()) {
                if *hash != 0 {
                    *counted = *hash;
                    self.count(level, *hash);
                }
            }
        }
        counted
    }

    /// Whether a feature's value is known, and did not count within the last hour.
    fn counts_again(&self, finest: usize, seen: &SeenContext) -> bool {
        let Some(hash @ 1..) = seen.0.get(finest) else { return false };
        let known = self.values.get(finest).into_iter().flatten().find(|v| v.hash == *hash);
        known.is_none_or(|known| self.at.saturating_sub(known.last) >= AGAIN)
    }

    fn count(&mut self, level: usize, hash: u32) {
        let Some((total, values)) = self.totals.get_mut(level).zip(self.values.get_mut(level))
        else {
            return;
        };
        *total += 1.0;
        // The coarser levels count with the finest.
        let is_finest = Feature::ALL.iter().any(|feature| feature.levels().start == level);
        let last = if is_finest { self.at } else { 0 };
        if let Some(known) = values.iter_mut().find(|value| value.hash == hash) {
            *known = Counted { hash, count: known.count + 1.0, last };
            return;
        }
        let new = Counted { hash, count: 1.0, last };
        if values.len() < KEEP.get(level).copied().unwrap_or(MOST) {
            values.push(new);
        } else if let Some(rarest) = values.iter_mut().min_by(|a, b| a.count.total_cmp(&b.count)) {
            *rarest = new;
        }
    }

    /// How many times as likely each value is with the entity as in the crowd. Where there
    /// are more values than room for them, the most usual ones of each level come first.
    pub(super) fn lifts(&self, crowd: &Crowd, now: Timestamp, half_life: f64) -> Lifts {
        let age = words::seconds(now).saturating_sub(self.at);
        let decay = words::decay(age, half_life);
        let mut lifts = Lifts::default();
        for (weight, total) in lifts.weights.iter_mut().zip(self.totals) {
            *weight = f64::from(total) * decay;
        }
        let mut ranked: ArrayVec<(usize, u32, f64), { LEVELS * MOST }> = ArrayVec::new();
        for (level, (total, values)) in self.totals.iter().zip(&self.values).enumerate() {
            let mut values = values.clone();
            values.sort_by(|a, b| b.count.total_cmp(&a.count));
            for (rank, value) in values.iter().enumerate() {
                let own = (f64::from(value.count) * decay, f64::from(*total) * decay);
                let lift = own.0 / own.1 / crowd.share(level, value.hash, own, now, half_life);
                // Of counts that have decayed to nothing nothing is said.
                if lift.is_finite() && lift > 0.0 {
                    ranked.push((rank, value.hash, lift));
                }
            }
        }
        ranked.sort_by_key(|(rank, ..)| *rank);
        lifts.values =
            ranked.iter().take(MAX_LIFTS).map(|(_, hash, lift)| (*hash, *lift)).collect();
        lifts
    }
}

fn halves(word: u64) -> [u32; 2] {
    [(word >> 32) as u32, word as u32]
}

fn pair(of: &[u32]) -> u64 {
    let half = |at: usize| u64::from(of.get(at).copied().unwrap_or(0));
    half(0) << 32 | half(1)
}
