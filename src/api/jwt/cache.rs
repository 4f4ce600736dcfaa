//! Tokens that were verified, by their hash: verifying costs 20 to 55 us.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Shards, so that cores seldom meet; the hash is evenly spread already.
const SHARDS: usize = 64;

/// Tokens a shard remembers.
const MAX_SHARD: usize = 1024;

type Hash = [u8; 32];

type Shard<T> = Mutex<HashMap<Hash, Arc<Verified<T>>>>;

/// A token that was verified, with what is kept of it.
#[derive(Debug)]
pub struct Verified<T> {
    pub kept: T,
    /// Seconds since 1970.
    pub(super) until: u64,
    /// Of the keys that verified it.
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Cache<T>(Box<[Shard<T>]>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

impl<T> Cache<T> {
    fn shard(&self, hash: &Hash) -> Option<&Shard<T>> {
        self.0.get(usize::from(hash[0]) % SHARDS)
    }

    pub(super) fn find(&self, hash: &Hash) -> Option<Arc<Verified<T>>> {
        self.shard(hash)?.lock().get(hash).cloned()
    }

    pub(super) fn keep(&self, hash: Hash, verified: Arc<Verified<T>>, now: u64) {
        let Some(shard) = self.shard(&hash) else { return };
        let mut shard = shard.lock();
        if shard.len() >= MAX_SHARD {
            shard.retain(|_, known| known.until >= now && known.generation == verified.generation);
        }
        // All still good: only who holds good tokens can fill it, so any may go.
        if shard.len() >= MAX_SHARD
            && let Some(any) = shard.keys().next().copied()
        {
            shard.remove(&any);
        }
        shard.insert(hash, verified);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Cache, MAX_SHARD, Verified};

    #[test]
    fn a_shard_is_bounded_and_drops_the_expired_first() {
        let cache = Cache::default();
        let keep = |n: u32, until| {
            let mut hash = [0; 32];
            hash[1..5].copy_from_slice(&n.to_be_bytes());
            cache.keep(hash, Arc::new(Verified { kept: (), until, generation: 1 }), 10);
            hash
        };
        for n in 0..MAX_SHARD as u32 {
            keep(n, if n < 100 { 9 } else { 11 });
        }
        keep(5000, 11);
        assert_eq!(cache.0[0].lock().len(), MAX_SHARD - 100 + 1);
        for n in 6000..9000 {
            keep(n, 11);
        }
        assert_eq!(cache.0[0].lock().len(), MAX_SHARD);
    }
}
