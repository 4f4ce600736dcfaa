//! Entries that come one by one, nobody knows how many.

/// Entries of a piece that is full.
const PIECE: usize = 1 << 17;

/// Grows by pieces: a vector that grew by doubling would be there twice while it does,
/// once half as large and once with room for twice as much.
#[derive(Debug)]
pub(super) struct Pile<T> {
    full: Vec<Vec<T>>,
    last: Vec<T>,
}

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Pile { full: Vec::new(), last: Vec::new() }
    }
}

impl<T: Copy> Pile<T> {
    pub(super) fn push(&mut self, entry: T) {
        if self.last.len() == PIECE {
            self.full.push(std::mem::take(&mut self.last));
        }
        self.last.push(entry);
    }

    pub(super) fn len(&self) -> usize {
        self.full.len() * PIECE + self.last.len()
    }

    /// All of them in one. Each piece is given back as soon as it was copied.
    pub(super) fn take(&mut self) -> Vec<T> {
        let mut all = Vec::with_capacity(self.len());
        for piece in std::mem::take(&mut self.full) {
            all.extend_from_slice(&piece);
        }
        all.append(&mut std::mem::take(&mut self.last));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Pile};

    #[test]
    fn what_is_piled_up_is_taken_in_order() {
        for count in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let mut pile = Pile::default();
            (0..count).for_each(|entry| pile.push(entry));
            assert_eq!(pile.len(), count);
            assert!(pile.take().into_iter().eq(0..count), "{count}");
            assert_eq!(pile.len(), 0);
        }
    }
}
