//! The headers of a request, gathered from either wire form.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use super::decode::{Header, MAX_HEADERS};
use super::scan::DecodeError;

/// Which of the two wire forms a header came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `headers`, a map: the same key again replaces its value.
    Map,
    /// `header_map`, a list: the same name again is one more value.
    List,
}

/// Names are found by a keyed hash: whoever chooses the names can't choose
/// which of them collide, so that gathering stays linear in their bytes.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("header names"));

pub(super) struct Headers<'r> {
    arena: &'r Bump,
    seed: u64,
    list: BumpVec<'r, Header<'r>>,
    /// One hash a header, dense so that a search is a few vector instructions.
    /// The lowest bit says that the name was a map's key as it stands.
    marks: BumpVec<'r, u32>,
    /// Further values of repeated headers: joined once, at the end, since
    /// joining them as they come would be quadratic in what a client sends.
    further: BumpVec<'r, (usize, &'r [u8])>,
    occurrences: usize,
}

impl<'r> Headers<'r> {
    pub(super) fn new(arena: &'r Bump) -> Self {
        Self {
            arena,
            seed: *SEED,
            list: BumpVec::new_in(arena),
            marks: BumpVec::new_in(arena),
            further: BumpVec::new_in(arena),
            occurrences: 0,
        }
    }

    pub(super) fn add(
        &mut self,
        form: Form,
        name: &'r str,
        value: &'r [u8],
    ) -> Result<(), DecodeError> {
        if self.occurrences == MAX_HEADERS {
            return Err(DecodeError::TooManyHeaders { limit: MAX_HEADERS });
        }
        if self.occurrences == 0 {
            self.list.reserve_exact(32);
            self.marks.reserve_exact(32);
        }
        self.occurrences += 1;
        let has_upper = name.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase());
        let name = if has_upper {
            let lower = self.arena.alloc_str(name);
            lower.make_ascii_lowercase();
            lower
        } else {
            name
        };
        let mark = mark(self.seed, name.as_bytes());
        let exact = u32::from(form == Form::Map && !has_upper);
        let found = self
            .marks
            .iter()
            .enumerate()
            .filter(|(_, other)| **other & !1 == mark)
            .find(|(at, _)| self.list.get(*at).is_some_and(|header| header.name == name))
            .map(|(at, other)| (at, other & exact == 1));
        match found {
            None => {
                self.list.push(Header { name, value, repeated: false });
                self.marks.push(mark | exact);
            }
            Some((at, same_key)) => {
                if let Some(header) = self.list.get_mut(at) {
                    if same_key && !header.repeated {
                        header.value = value;
                    } else {
                        header.repeated = true;
                        self.further.push((at, value));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> &'r [Header<'r>] {
        self.further.sort_by_key(|(at, _)| *at);
        for same in self.further.chunk_by(|(one, _), (other, _)| one == other) {
            let Some(header) = same.first().and_then(|(at, _)| self.list.get_mut(*at)) else {
                continue;
            };
            let bytes: usize = same.iter().map(|(_, value)| value.len() + 1).sum();
            let mut joined = BumpVec::with_capacity_in(header.value.len() + bytes, self.arena);
            joined.extend_from_slice_copy(header.value);
            for (_, value) in same {
                joined.push(b',');
                joined.extend_from_slice_copy(value);
            }
            header.value = joined.into_bump_slice();
        }
        self.list.into_bump_slice()
    }
}

/// A keyed hash of a name, its lowest bit clear.
fn mark(seed: u64, name: &[u8]) -> u32 {
    let (words, tail) = name.as_chunks::<8>();
    let mut hash = seed ^ name.len() as u64;
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word));
    }
    let tail = tail.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let [.., a, b, c, d] = mix(mix(hash ^ tail) ^ seed).to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) & !1
}

/// Both halves of a wide product, so that every bit of the word counts.
fn mix(word: u64) -> u64 {
    let wide = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = wide.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from_le_bytes([i, j, k, l, m, n, o, p])
}
