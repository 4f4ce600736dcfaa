//! The learned summary of a record: what the hot path's functions need, at most
//! 128 bytes. Everything larger stays in cold profiles.
//!
//! Today it holds the values that an entity is familiar with, one word each:
//! `signal:16 | forget at, hours since 2020:20 | value hash:28`. The word keeps
//! the hour at which the value is forgotten rather than that at which it was
//! seen, so that a reader needs no catalog; a changed `forget_after` holds from
//! the next sight of a value on.
//!
//! A value is told by 28 bits of a keyed hash. Someone who doesn't know the key
//! can do no better than chance: a value never seen is taken for familiar with a
//! probability of at most 16 / 2^28, about 6 in 10^8.

use arrayvec::ArrayVec;

use crate::model::{Familiar, SignalId, Timestamp};

/// How many words a record's learned summary may have: 128 bytes.
pub const MAX_WORDS: usize = 16;

const SIGNAL_SHIFT: u32 = 48;
const HOUR_SHIFT: u32 = 28;
const HOUR_MASK: u64 = (1 << 20) - 1;
const HASH_MASK: u64 = (1 << HOUR_SHIFT) - 1;

/// 2020-01-01T00:00:00Z; 20 bits of hours reach from there to 2139.
const ERA_MILLIS: i64 = 1_577_836_800_000;
const HOUR_MILLIS: i64 = 3_600_000;

/// Whether `signal` was seen with the value: `None` where nothing is learned of it.
pub(super) fn familiar(
    words: &[u64],
    signal: SignalId,
    value_hash: u32,
    now: Timestamp,
) -> Option<bool> {
    let mut learned = None;
    for word in words.iter().filter(|word| signal_of(**word) == signal) {
        let same = word & HASH_MASK == u64::from(value_hash) & HASH_MASK;
        if same && forget_at_of(*word) > hour(now) {
            return Some(true);
        }
        learned = Some(false);
    }
    learned
}

/// Notes a value, and drops what there is no room for: first the value of the
/// same signal that is forgotten soonest, when the signal has as many as it may
/// keep; else the one that is forgotten soonest of all. Says whether a word changed.
pub(super) fn learn_familiar(
    words: &mut ArrayVec<u64, MAX_WORDS>,
    signal: SignalId,
    value_hash: u32,
    seen_at: Timestamp,
    bounds: &Familiar,
) -> bool {
    if bounds.keep == 0 {
        return false;
    }
    let lasts_millis = (bounds.forget_after.max(0.0) * 1e3) as i64;
    let until = Timestamp::from_millis(seen_at.millis().saturating_add(lasts_millis));
    // Rounded up: nothing is forgotten before its time, and at most an hour late.
    let forget_at = (hour(until) + 1).min(HOUR_MASK);
    let hash = u64::from(value_hash) & HASH_MASK;
    let word = u64::from(signal.0) << SIGNAL_SHIFT | forget_at << HOUR_SHIFT | hash;

    let known = words.iter_mut().find(|w| signal_of(**w) == signal && **w & HASH_MASK == hash);
    if let Some(known) = known {
        let later = forget_at > forget_at_of(*known);
        if later {
            *known = word;
        }
        return later;
    }
    let of_signal = words.iter().filter(|w| signal_of(**w) == signal).count();
    if of_signal >= usize::from(bounds.keep) {
        drop_soonest(words, |w| signal_of(w) == signal);
    } else if words.is_full() {
        drop_soonest(words, |_| true);
    }
    words.try_push(word).is_ok()
}

fn drop_soonest(words: &mut ArrayVec<u64, MAX_WORDS>, among: impl Fn(u64) -> bool) {
    let soonest = words
        .iter()
        .enumerate()
        .filter(|(_, w)| among(**w))
        .min_by_key(|(_, w)| forget_at_of(**w))
        .map(|(at, _)| at);
    if let Some(at) = soonest {
        words.swap_pop(at);
    }
}

fn signal_of(word: u64) -> SignalId {
    SignalId((word >> SIGNAL_SHIFT) as u16)
}

fn forget_at_of(word: u64) -> u64 {
    (word >> HOUR_SHIFT) & HOUR_MASK
}

fn hour(at: Timestamp) -> u64 {
    let hours = (at.millis().saturating_sub(ERA_MILLIS)) / HOUR_MILLIS;
    u64::try_from(hours).unwrap_or(0).min(HOUR_MASK)
}
