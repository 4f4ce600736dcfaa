//! How the values of a number are spread: a distribution that forgets, in bounded memory.
//!
//! A histogram whose boundaries, the **marks**, are values that were observed. Of each mark
//! is kept what was observed just there, and what lies between it and the next one. What is
//! observed becomes a mark, and splits what it falls into; where there are too many, the
//! mark goes that is missed least. Up to [`MARKS`] different values are exact.
//!
//! That boundaries are observed values, and the one goes around which least lies, is of
//! M. Greenwald and S. Khanna ("Space-efficient online computation of quantile summaries",
//! SIGMOD 2001), that the ends are kept finer by √(q (1 - q)) of T. Dunning and O. Ertl
//! ("Computing extremely accurate quantiles using t-digests", 2019). Their centroids
//! overlap, and an order of the same values that closes in on one of them makes them wrong
//! by nearly half of all (G. Cormode et al., "Theory meets practice at the median", KDD 2021);
//! marks don't, since what was once on one side of them stays there.
//!
//! Weights decay forward, as in [`super::crowd`]; all are scaled down now and then, which
//! lets a new half-life take effect.

use super::words::{self, Head};
use crate::model::{Seconds, Timestamp};
use crate::signals::{Grid, SHARES, place_between, share_of_prior, value_between};

/// So many marks an entity has at most.
pub(super) const MARKS: usize = 24;
/// And all entities together.
pub(super) const MARKS_OF_ALL: usize = 64;
/// Larger numbers are taken for this, as in a baseline.
const MOST: f64 = 1e30;
/// What was observed weighs so much at most (observations): singles have more digits then.
const MOST_WEIGHT: f64 = (1 << 20) as f64;
/// Weights are scaled down after such a part of the half-life.
const SCALE_AFTER: f64 = 1.0 / 16.0;
/// An end of which so little is left goes: it is twelve half-lives old.
const GONE: f64 = 1.0 / 4096.0;
/// Shares are compared with so much room for rounding.
const ROUNDING: f64 = 1e-6;

/// What is known of how a number is spread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuantilesState {
    /// The latest observation, in seconds since 2020.
    pub(super) at: u32,
    /// When an observation weighs one, in seconds since 2020.
    start: u32,
    /// In the order of their values.
    marks: Vec<Mark>,
}

/// A value that was observed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    value: f32,
    /// The weight of what was observed of just this value,
    here: f32,
    /// and of what lies between it and the next mark.
    above: f32,
}

impl QuantilesState {
    pub(super) fn read(head: Head, words: &[u64]) -> Self {
        let [start, words @ ..] = words else { return Self::default() };
        let halves = words.iter().flat_map(|word| [(word >> 32) as u32, *word as u32]);
        let numbers: Vec<f32> = halves.map(f32::from_bits).collect();
        let (marks, _) = numbers.as_chunks::<3>();
        let mark =
            |[value, here, above]: &[f32; 3]| Mark { value: *value, here: *here, above: *above };
        let is_good = |mark: &Mark| mark.value.is_finite() && mark.here >= 0.0 && mark.above >= 0.0;
        let marks = marks.iter().map(mark).filter(is_good).collect();
        QuantilesState { at: head.time, start: *start as u32, marks }
    }

    pub(super) fn write(&self, words: &mut Vec<u64>) {
        words.push(u64::from(self.start));
        let numbers: Vec<f32> =
            self.marks.iter().flat_map(|mark| [mark.value, mark.here, mark.above]).collect();
        words.extend(numbers.chunks(2).map(|pair| {
            let bits = |at: usize| u64::from(pair.get(at).map_or(0, |x| x.to_bits()));
            bits(0) << 32 | bits(1)
        }));
    }

    /// Takes an observation of the given weight in; `most` marks are kept.
    pub fn observe(&mut self, x: f64, weight: f64, at: Timestamp, half_life: Seconds, most: usize) {
        if !x.is_finite() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        // There is one zero.
        let x = x.clamp(-MOST, MOST) as f32 + 0.0;
        let seconds = words::seconds(at);
        if self.marks.is_empty() {
            self.start = seconds;
        }
        // What comes late is as if it came now.
        self.at = self.at.max(seconds);
        self.scale(half_life);
        let weight = weight / self.one(half_life);
        match self.marks.binary_search_by(|mark| mark.value.total_cmp(&x)) {
            Ok(place) => {
                if let Some(mark) = self.marks.get_mut(place) {
                    mark.here += weight as f32;
                }
            }
            Err(place) => {
                let above = self.split(place, x);
                self.marks.insert(place, Mark { value: x, here: weight as f32, above });
            }
        }
        self.forget_ends(x, (weight * GONE) as f32);
        if self.marks.len() > most {
            self.merge();
        }
    }

    /// The shares of what is below `x` and of what is not above it, marks and not points.
    #[cfg(test)]
    pub(super) fn shares(&self, x: f64) -> (f64, f64) {
        Walk::new(&self.marks).shares(x as f32 + 0.0)
    }

    /// How much was observed, in observations as of the latest.
    pub(super) fn weight(&self, half_life: Seconds) -> f64 {
        self.total() * self.one(half_life)
    }

    fn total(&self) -> f64 {
        self.marks.iter().map(|mark| f64::from(mark.here) + f64::from(mark.above)).sum()
    }

    /// What is left by now of an observation that weighed one.
    fn one(&self, half_life: Seconds) -> f64 {
        words::decay(self.at.saturating_sub(self.start), half_life)
    }

    /// Has an observation weigh one from now on, where it is time.
    fn scale(&mut self, half_life: Seconds) {
        let mut scale = self.one(half_life);
        let total = self.total();
        let too_much = total * scale > MOST_WEIGHT;
        if scale > libm::exp2(-SCALE_AFTER) && !too_much {
            return;
        }
        if too_much {
            scale = MOST_WEIGHT / 2.0 / total;
        }
        self.start = self.at;
        for mark in &mut self.marks {
            mark.here = (f64::from(mark.here) * scale) as f32;
            mark.above = (f64::from(mark.above) * scale) as f32;
        }
    }

    /// Splits what lies around a new mark's place. Gives what is above it.
    fn split(&mut self, place: usize, x: f32) -> f32 {
        let next = self.marks.get(place).map(|mark| mark.value);
        let before = place.checked_sub(1).and_then(|before| self.marks.get_mut(before));
        let (Some(before), Some(next)) = (before, next) else { return 0.0 };
        let share = place_between(before.value.into(), next.into(), x.into());
        let below = before.above * share as f32;
        let above = before.above - below;
        before.above = below;
        above
    }

    /// Drops an end that has decayed: what lies towards it would be taken for as far off.
    fn forget_ends(&mut self, newest: f32, least: f32) {
        if let [.., before, last] = self.marks.as_mut_slice()
            && last.here < least
            && last.value != newest
        {
            before.here += before.above + last.here;
            before.above = 0.0;
            self.marks.pop();
        }
        if let [first, next, ..] = self.marks.as_mut_slice()
            && first.here < least
            && first.value != newest
        {
            next.here += first.above + first.here;
            self.marks.remove(0);
        }
    }

    /// Drops the mark around which the least lies; the ends stay.
    fn merge(&mut self) {
        let total = self.total();
        let mut below = 0.0;
        let mut least: Option<(f64, usize)> = None;
        for (place, three) in self.marks.windows(3).enumerate() {
            let [before, mark, _] = three else { continue };
            below += f64::from(before.here) + f64::from(before.above);
            let around = f64::from(before.above) + f64::from(mark.here) + f64::from(mark.above);
            let share = (below + f64::from(mark.here) / 2.0) / total;
            let cost = around / libm::sqrt((share * (1.0 - share)).max(1e-12));
            if least.is_none_or(|(known, _)| cost < known) {
                least = Some((cost, place));
            }
        }
        let Some((_, before)) = least else { return };
        if let Some([before, mark]) = self.marks.get_mut(before..before + 2) {
            before.above += mark.here + mark.above;
        }
        self.marks.remove(before + 1);
    }

    /// What the hot path is to know: the entity's own distribution, drawn towards that of
    /// all. Two distribution functions are mixed rather than two values of one share: an
    /// average of what is usual here and there is usual nowhere.
    pub(super) fn grid(&self, prior: Option<&Self>, half_life: Seconds) -> Option<Grid> {
        let weight = self.weight(half_life);
        let prior = prior.map(|prior| (prior, share_of_prior(weight)));
        let mut values: Vec<f32> = self.marks.iter().map(|mark| mark.value).collect();
        values.extend(prior.iter().flat_map(|(prior, _)| &prior.marks).map(|mark| mark.value));
        values.sort_by(f32::total_cmp);
        values.dedup();
        let mut own = Walk::new(&self.marks);
        let mut all = prior.map(|(prior, share)| (Walk::new(&prior.marks), share));
        let mut mixed = |x: f32| {
            let (below, upto) = own.shares(x);
            let Some((all, share)) = &mut all else { return (below, upto) };
            let (below_all, upto_all) = all.shares(x);
            (below + *share * (below_all - below), upto + *share * (upto_all - upto))
        };
        let mut points = [f64::from(*values.last()?); SHARES.len()];
        let mut wanted = points.iter_mut().zip(SHARES).peekable();
        let mut before: Option<(f64, f64)> = None;
        for value in values {
            let (below, upto) = mixed(value);
            let value = f64::from(value);
            while let Some((point, share)) = wanted.next_if(|(_, share)| *share <= upto + ROUNDING)
            {
                *point = match before {
                    // Of both, what lies between two marks is spread alike.
                    Some((from, reached)) if share < below - ROUNDING => {
                        value_between(from, value, (share - reached) / (below - reached))
                    }
                    _ => value,
                };
            }
            before = Some((value, upto));
        }
        Some(Grid { points, weight })
    }
}

/// Goes through a distribution from below.
struct Walk<'m> {
    marks: &'m [Mark],
    total: f64,
    last: Option<&'m Mark>,
    /// What was observed up to the last mark.
    passed: f64,
}

impl<'m> Walk<'m> {
    fn new(marks: &'m [Mark]) -> Self {
        let weights = marks.iter().map(|mark| f64::from(mark.here) + f64::from(mark.above));
        let total = weights.sum::<f64>().max(f64::MIN_POSITIVE);
        Walk { marks, total, last: None, passed: 0.0 }
    }

    /// The shares of what is below `x` and of what is not above it. None may be smaller
    /// than the one before.
    fn shares(&mut self, x: f32) -> (f64, f64) {
        let above = |mark: Option<&Mark>| mark.map_or(0.0, |mark| f64::from(mark.above));
        while let [mark, rest @ ..] = self.marks
            && mark.value < x
        {
            self.passed += above(self.last) + f64::from(mark.here);
            self.last = Some(mark);
            self.marks = rest;
        }
        let (below, here) = match (self.last, self.marks.first()) {
            (last, Some(next)) if next.value == x => {
                (self.passed + above(last), f64::from(next.here))
            }
            (Some(last), Some(next)) => {
                let share = place_between(last.value.into(), next.value.into(), x.into());
                (self.passed + f64::from(last.above) * share, 0.0)
            }
            _ => (self.passed, 0.0),
        };
        (below / self.total, (below + here) / self.total)
    }
}
