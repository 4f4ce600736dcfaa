//! Entries that come one by one, nobody knows how many.

/// Entries of a piece, at least.
const PIECE: usize = 1 << 17;

/// Grows by pieces: a vector that grew by doubling would be there twice while it does,
/// once half as large and once with room for twice as much. Where it was well estimated,
/// all are one piece, which is the vector in the end.
#[derive(Debug)]
pub(super) struct Pile<T> {
    full: Vec<Vec<T>>,
    last: Vec<T>,
    /// In the full ones.
    count: usize,
}

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Pile { full: Vec::new(), last: Vec::new(), count: 0 }
    }
}

impl<T: Copy> Pile<T> {
    /// So many more may come. Room that isn't used is not taken from the system.
    pub(super) fn expect(&mut self, more: usize) {
        // Without it, it grows by pieces.
        let _ = self.last.try_reserve_exact(more);
    }

    pub(super) fn push(&mut self, entry: T) {
        if self.last.len() >= PIECE && self.last.len() == self.last.capacity() {
            self.count += self.last.len();
            self.full.push(std::mem::take(&mut self.last));
        }
        if self.last.is_empty() && !self.full.is_empty() {
            self.last.reserve_exact(PIECE);
        }
        self.last.push(entry);
    }

    pub(super) fn len(&self) -> usize {
        self.count + self.last.len()
    }

    /// All of them in one. Each piece is given back as soon as it was copied.
    pub(super) fn take(&mut self) -> Vec<T> {
        let taken = std::mem::take(self);
        if taken.full.is_empty() {
            return taken.last;
        }
        let mut all = Vec::with_capacity(taken.len());
        for piece in taken.full.into_iter().chain([taken.last]) {
            all.extend_from_slice(&piece);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Pile};

    #[test]
    fn what_is_piled_up_is_taken_in_order() {
        for count in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            for expected in [0, 1, PIECE, PIECE + 7, 4 * PIECE] {
                let mut pile = Pile::default();
                pile.expect(expected);
                (0..count).for_each(|entry| pile.push(entry));
                assert_eq!(pile.len(), count);
                assert!(pile.take().into_iter().eq(0..count), "{count} of {expected}");
                assert_eq!(pile.len(), 0);
            }
        }
    }
}
