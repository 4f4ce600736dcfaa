//! Finding a place among millions of sorted entries in a few cache lines.

/// A block of keys is two cache lines, which are fetched at once (bytes).
const BLOCK: usize = 128;

/// Levels above sorted entries: each has the first key of every block of the one below,
/// so that a search reads one block a level. Where the entries cluster doesn't matter.
#[derive(Debug)]
pub(super) struct Ladder<K> {
    /// From coarse to fine.
    levels: Vec<Box<[K]>>,
}

impl<K> Default for Ladder<K> {
    fn default() -> Self {
        Ladder { levels: Vec::new() }
    }
}

impl<K: Copy + Ord> Ladder<K> {
    /// How many keys are a block.
    const STEP: usize = BLOCK / size_of::<K>();

    /// Over entries that are sorted by `key`.
    pub(super) fn over<T>(entries: &[T], key: impl Fn(&T) -> K) -> Self {
        let mut level: Box<[K]> = entries.iter().step_by(Self::STEP).map(key).collect();
        let mut levels = Vec::new();
        while level.len() > Self::STEP {
            let coarser = level.iter().step_by(Self::STEP).copied().collect();
            levels.push(std::mem::replace(&mut level, coarser));
        }
        levels.push(level);
        levels.reverse();
        Ladder { levels }
    }

    /// The last of the same entries whose key is not above `wanted`.
    pub(super) fn find<'e, T>(
        &self,
        entries: &'e [T],
        key: impl Fn(&T) -> K,
        wanted: K,
    ) -> Option<&'e T> {
        let mut block = 0;
        for level in &self.levels {
            let keys = Self::part(level, block)?;
            block = block * Self::STEP + rank(keys, |key| *key, wanted).checked_sub(1)?;
        }
        let last = Self::part(entries, block)?;
        last.get(rank(last, key, wanted).checked_sub(1)?)
    }

    fn part<T>(of: &[T], block: usize) -> Option<&[T]> {
        let from = block * Self::STEP;
        of.get(from..of.len().min(from + Self::STEP))
    }
}

/// How many of a block are not above `wanted`. All are compared: no load waits for the
/// comparison before it.
fn rank<T, K: Ord>(of: &[T], key: impl Fn(&T) -> K, wanted: K) -> usize {
    of.iter().filter(|entry| key(entry) <= wanted).count()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Ladder;

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(
            mut entries in vec(0..5000_u32, 0..3000),
            wanted in vec(0..5100_u32, 50),
        ) {
            entries.sort_unstable();
            entries.dedup();
            let ladder = Ladder::over(&entries, |entry| *entry);
            for wanted in wanted.into_iter().chain([0, u32::MAX]) {
                let plain = entries.iter().rev().find(|entry| **entry <= wanted);
                prop_assert_eq!(ladder.find(&entries, |entry| *entry, wanted), plain);
            }
        }
    }
}
