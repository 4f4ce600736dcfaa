//! Exact entries, each known by 64 bits.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use super::ladder::Ladder;
use super::pile::Pile;

/// A set of texts or digests, of which it keeps 8 bytes each: SipHash-1-3 under a key
/// that this process has drawn and tells nobody. So nobody can make up a value that
/// is taken for an entry; that one is by chance has a probability of n / 2⁶⁴ among
/// n entries: 5 in 10¹³ among ten million.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    key: RandomState,
    /// Until it is finished.
    added: Pile<u64>,
    /// Sorted.
    prints: Vec<u64>,
    ladder: Ladder<u64>,
}

impl Fingerprints {
    pub(super) fn add(&mut self, entry: &[u8]) {
        self.added.push(self.print(entry));
    }

    /// So many more may come.
    pub(super) fn expect(&mut self, more: usize) {
        self.added.expect(more);
    }

    /// How many were added, some of them perhaps twice.
    pub(super) fn added(&self) -> usize {
        self.added.len()
    }

    /// Makes it ready to be asked. Says how many different entries there are.
    pub(super) fn finish(&mut self) -> usize {
        self.prints = self.added.take();
        self.prints.sort_unstable();
        self.prints.dedup();
        // Else it would be there twice for nothing.
        if self.prints.len() < self.prints.capacity() / 2 {
            self.prints.shrink_to_fit();
        }
        self.ladder = Ladder::over(&self.prints, |print| *print);
        self.prints.len()
    }

    pub(super) fn contains(&self, entry: &[u8]) -> bool {
        let print = self.print(entry);
        self.ladder.find(&self.prints, |print| *print, print) == Some(&print)
    }

    fn print(&self, entry: &[u8]) -> u64 {
        let mut hasher = self.key.build_hasher();
        hasher.write(entry);
        hasher.finish()
    }
}
