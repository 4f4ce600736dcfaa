//! Sliding windows: how often, how much, how many different, in the last while.
//!
//! Up to [`EXACT`] observations are kept each by itself, and what they count is
//! exact. With more, those of one part in [`PARTS`] of the window are counted
//! together, and leave together when the latest of them does: the window then
//! counts by at most what fell into one such part too much, and never too little (of
//! values of both signs, a sum may be off either way).
//!
//! Different values are told by 24 bits of a keyed hash up to [`EXACT`]; more are
//! estimated by linear counting (K.-Y. Whang et al., "A linear-time probabilistic
//! counting algorithm for database applications", 1990) over [`CELLS`] cells, each of
//! which knows in which part of the window it was hit last. Its standard error is 4 %
//! at 500 values and 9 % at 2000; it says [`MOST_DISTINCT`] at most.
//!
//! A window is changed where it stands, in a profile's words: what is kept of it is as
//! many words as were observed, and most of them stay as they are.
//!
//! ```text
//! occurrences, distinct: [ms since 2020:40 | number or hash:24]...
//! total, increase:       ([a counter's last value]) ([ms since 2020] [amount])...
//! many distinct ones:    [the latest part of time] [cells, 8 a word]...
//! ```

use super::words::{self, number, word_of};
use crate::model::{Count, Seconds, Timestamp};
use crate::signals::SeenValue;

/// So many observations are kept each by itself.
pub const EXACT: usize = 32;
/// So many parts a window has, where there are more.
pub const PARTS: u64 = 32;
/// Cells of the estimate of different values.
const CELLS: usize = 512;
const CELLS_IN_WORD: usize = 8;
/// What the estimate says at most.
pub const MOST_DISTINCT: f64 = 3000.0;

const HASH_BITS: u32 = 24;
const HASH_MASK: u64 = (1 << HASH_BITS) - 1;

/// How a window counts, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    count: Count,
    /// In milliseconds.
    span: u64,
    part: u64,
}

impl Window {
    pub(super) fn new(window: Seconds, count: Count) -> Self {
        let span = (window.clamp(0.001, 1e10) * 1e3) as u64;
        Window { count, span, part: span.div_ceil(PARTS) }
    }

    /// Takes an observation in: a number, or the hash of a value. The window has the words
    /// of `words` from `from` on.
    pub(super) fn observe(
        self,
        words: &mut Vec<u64>,
        from: usize,
        value: SeenValue,
        at: Timestamp,
    ) {
        let at = words::millis(at);
        match (self.count, value) {
            (Count::Distinct, SeenValue { hash, .. }) => {
                self.observe_distinct(words, from, hash, at);
            }
            (Count::Occurrences, _) => self.add(words, from, [short(at, 1)]),
            (Count::Total, SeenValue { number: Some(x), .. }) if x.is_finite() => {
                self.add(words, from, [at, word_of(x.clamp(-1e100, 1e100))]);
            }
            (Count::Increase, SeenValue { number: Some(x), .. }) if x.is_finite() => {
                let last = words.get(from).map(|word| number(*word));
                // A counter that fell was started anew: all of it is new.
                let rise = last.map_or(0.0, |last| if x < last { x } else { x - last });
                match words.get_mut(from) {
                    Some(last) => *last = word_of(x),
                    None => words.push(word_of(x)),
                }
                self.add(words, from + 1, [at, word_of(rise.clamp(0.0, 1e100))]);
            }
            (Count::Total | Count::Increase, _) => {}
        }
    }

    fn add<const N: usize>(self, words: &mut Vec<u64>, from: usize, entry: [u64; N]) {
        let before = entries::<N>(words, from).len();
        let is_last = insert(words, from, entry);
        self.forget::<N>(words, from, time(&entry));
        let now = entries::<N>(words, from).len();
        if now > EXACT {
            // Where there were so many before, no two of those are of one part.
            let alone = if is_last && before > EXACT { now - 2 } else { 0 };
            self.merge::<N>(words, from + alone * N);
        }
    }

    /// Counts those together that are of one part.
    fn merge<const N: usize>(self, words: &mut Vec<u64>, from: usize) {
        let mut kept: Option<(usize, u64)> = None;
        let (all, _) = words.get_mut(from..).unwrap_or_default().as_chunks_mut::<N>();
        for n in 0..all.len() {
            let Some(entry) = all.get(n).copied() else { break };
            let part = time(&entry) / self.part;
            let place = match kept {
                Some((place, of)) if of == part => place,
                _ => kept.map_or(0, |(place, _)| place + 1),
            };
            let same = kept.is_some_and(|(_, of)| of == part);
            if let Some(earlier) = all.get_mut(place) {
                *earlier = if same { together(earlier, &entry) } else { entry };
            }
            kept = Some((place, part));
        }
        words.truncate(from + kept.map_or(0, |(place, _)| place + 1) * N);
    }

    fn observe_distinct(self, words: &mut Vec<u64>, from: usize, hash: u32, at: u64) {
        // The upper bits alone: what is kept of it while exact is all there is.
        let hash = u64::from(hash >> (32 - HASH_BITS));
        let part = at / self.part;
        if is_estimate(words.get(from..).unwrap_or_default()) {
            advance(words, from, part);
            hit(words, from, hash, part);
            if words.iter().skip(from + 1).all(|cells| *cells == 0) {
                words.truncate(from);
            }
            return;
        }
        if let Some(known) = words.iter().skip(from).position(|word| word & HASH_MASK == hash) {
            words.remove(from + known);
        }
        insert(words, from, [short(at, hash)]);
        self.forget::<1>(words, from, at);
        if words.len() - from <= EXACT {
            return;
        }
        let exact = words.split_off(from);
        words.push(part);
        words.resize(from + 1 + CELLS / CELLS_IN_WORD, 0);
        for word in exact {
            hit(words, from, word & HASH_MASK, (word >> HASH_BITS) / self.part);
        }
    }

    /// Forgets what is no longer in the window that ends at `now`.
    pub(super) fn forget_at(self, words: &mut Vec<u64>, from: usize, now: Timestamp) {
        let now = words::millis(now);
        match self.count {
            Count::Distinct if is_estimate(words.get(from..).unwrap_or_default()) => {
                advance(words, from, now / self.part);
            }
            Count::Distinct | Count::Occurrences => self.forget::<1>(words, from, now),
            Count::Total => self.forget::<2>(words, from, now),
            Count::Increase => self.forget::<2>(words, from + 1, now),
        }
    }

    fn forget<const N: usize>(self, words: &mut Vec<u64>, from: usize, now: u64) {
        let all = entries::<N>(words, from);
        let latest = all.last().map_or(now, |last| now.max(time(last)));
        let until = latest.saturating_sub(self.span);
        let gone = all.iter().take_while(|entry| time(entry) <= until).count();
        if gone > 0 {
            words.drain(from..from + gone * N);
        }
    }

    /// What the window counts.
    pub(super) fn value(self, words: &[u64]) -> f64 {
        match self.count {
            Count::Distinct if is_estimate(words) => {
                let all = words.iter().skip(1).flat_map(|cells| cells.to_le_bytes());
                let empty = all.filter(|cell| *cell == 0).count().max(1) as f64;
                let cells = CELLS as f64;
                libm::round(-cells * libm::log(empty / cells)).min(MOST_DISTINCT)
            }
            Count::Distinct => words.len() as f64,
            Count::Occurrences => words.iter().map(|word| (word & HASH_MASK) as f64).sum(),
            Count::Total => amounts(words, 0).sum(),
            Count::Increase => amounts(words, 1).sum(),
        }
    }

    /// When the next entry leaves the window.
    pub(super) fn due(self, words: &[u64]) -> Option<Timestamp> {
        let first = match self.count {
            Count::Distinct if is_estimate(words) => {
                let any = words.iter().skip(1).any(|cells| *cells != 0);
                let part = words.first()?.saturating_add(1);
                return any.then(|| words::from_millis(part.saturating_mul(self.part)));
            }
            Count::Distinct | Count::Occurrences => words.first()? >> HASH_BITS,
            Count::Total => *words.first()?,
            Count::Increase => *words.get(1)?,
        };
        Some(words::from_millis(first.saturating_add(self.span)))
    }
}

/// A time and a hash or a small number, in one word.
fn short(at: u64, low: u64) -> u64 {
    at << HASH_BITS | low.min(HASH_MASK)
}

/// The observations, the earliest first.
fn entries<const N: usize>(words: &[u64], from: usize) -> &[[u64; N]] {
    words.get(from..).unwrap_or_default().as_chunks::<N>().0
}

/// When an observation was.
fn time<const N: usize>(entry: &[u64; N]) -> u64 {
    match entry.as_slice() {
        [word] => word >> HASH_BITS,
        [at, ..] => *at,
        [] => 0,
    }
}

/// Two of one part: the latest of a part stands for all of it.
fn together<const N: usize>(earlier: &[u64; N], later: &[u64; N]) -> [u64; N] {
    let mut both = *later;
    match (earlier.as_slice(), both.as_mut_slice()) {
        ([earlier], [word]) => {
            *word = short(*word >> HASH_BITS, (earlier & HASH_MASK) + (*word & HASH_MASK));
        }
        ([_, earlier], [_, amount]) => *amount = word_of(number(*earlier) + number(*amount)),
        _ => {}
    }
    both
}

fn amounts(words: &[u64], from: usize) -> impl Iterator<Item = f64> {
    entries::<2>(words, from).iter().map(|[_, amount]| number(*amount))
}

/// Puts an observation where it belongs, and says whether that is behind all others.
fn insert<const N: usize>(words: &mut Vec<u64>, from: usize, entry: [u64; N]) -> bool {
    let all = entries::<N>(words, from);
    if all.last().is_none_or(|last| time(last) <= time(&entry)) {
        words.extend_from_slice(&entry);
        return true;
    }
    let at = from + N * all.partition_point(|seen| time(seen) <= time(&entry));
    words.splice(at..at, entry);
    false
}

/// Whether these are cells rather than values.
fn is_estimate(words: &[u64]) -> bool {
    words.len() > EXACT + 1
}

/// Marks a hash's cell: `1` is the present part, `PARTS` the last one that counts.
fn hit(words: &mut [u64], from: usize, hash: u64, part: u64) {
    let Some([present, cells @ ..]) = words.get_mut(from..) else { return };
    let age = present.saturating_sub(part);
    let cell = hash as usize % CELLS;
    let shift = 8 * (cell % CELLS_IN_WORD);
    if let Some(word) = cells.get_mut(cell / CELLS_IN_WORD)
        && age <= PARTS
    {
        let (mark, known) = (age + 1, *word >> shift & 0xff);
        let mark = if known == 0 { mark } else { mark.min(known) };
        *word = *word & !(0xff << shift) | mark << shift;
    }
}

/// Lets time go on to a part: every mark ages, and those out of the window go.
fn advance(words: &mut [u64], from: usize, part: u64) {
    let Some([present, cells @ ..]) = words.get_mut(from..) else { return };
    let by = part.saturating_sub(*present);
    if by == 0 {
        return;
    }
    *present = part;
    let age = |cell: u8| match u64::from(cell).saturating_add(by) {
        aged if cell != 0 && aged <= PARTS + 1 => aged as u8,
        _ => 0,
    };
    for word in cells.iter_mut().filter(|word| **word != 0) {
        *word = u64::from_le_bytes(word.to_le_bytes().map(age));
    }
}
