//! How much the cache may hold, and making room.

use std::sync::atomic::Ordering::Relaxed;

use super::key::Key;
use super::table::seconds;
use super::{Cache, Shard, Writer};
use crate::model::{Seconds, Timestamp};

/// What the cache may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub max_entities: usize,
    /// Counted, not measured: records and tables, with an allowance for the allocator.
    pub max_bytes: usize,
    /// An entity heard of or asked for within this span is not evicted for a
    /// newcomer, which is refused instead: a flood of invented ids can't push
    /// out the entities that requests are about.
    pub protect: Seconds,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_entities: 4_000_000, max_bytes: 2 << 30, protect: 60.0 }
    }
}

/// Why an entity was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the entity id must have 1 to 1024 bytes")]
    BadId,
    #[error("the signal cache is full, and everything in it is in use: raise its limits")]
    Full,
    #[error("the entity's signals would need more than 1 MiB")]
    TooLarge,
}

/// Of how many entities the longest untouched is evicted, and how many places
/// are looked at to find so many.
const SAMPLE: usize = 16;
const LOOKED_AT: usize = 64;
/// How many entities one write may evict, so that its time is bounded.
const EVICTIONS: usize = 8;

impl Cache {
    /// Books a new entity, evicting others of the shard when there is no room.
    pub(super) fn reserve_entity(
        &self,
        shard: &Shard,
        writer: &mut Writer,
        bytes: usize,
        key: Key,
        now: Timestamp,
    ) -> bool {
        let entities = self.counters.entities.fetch_add(1, Relaxed) + 1;
        let room = entities <= self.limits.max_entities
            || self.evict_one(shard, writer, key, now)
            // What another shard's writer freed meanwhile does as well.
            || self.counters.entities.load(Relaxed) <= self.limits.max_entities;
        if room && self.reserve_bytes(shard, writer, bytes, key, now) {
            return true;
        }
        self.counters.entities.fetch_sub(1, Relaxed);
        false
    }

    /// Books bytes, evicting entities of the shard when there is no room.
    pub(super) fn reserve_bytes(
        &self,
        shard: &Shard,
        writer: &mut Writer,
        bytes: usize,
        key: Key,
        now: Timestamp,
    ) -> bool {
        self.counters.bytes.fetch_add(bytes, Relaxed);
        for _ in 0..EVICTIONS {
            if self.counters.bytes.load(Relaxed) <= self.limits.max_bytes {
                return true;
            }
            if !self.evict_one(shard, writer, key, now) {
                break;
            }
        }
        let fits = self.counters.bytes.load(Relaxed) <= self.limits.max_bytes;
        if !fits {
            self.counters.release_bytes(bytes);
        }
        fits
    }

    /// Evicts the longest untouched of the next few entities, unless even that
    /// one is in use. (Least recently used by sampling: of 16, the victim is
    /// among the oldest sixth of all with a probability of 95 %.)
    fn evict_one(&self, shard: &Shard, writer: &mut Writer, keep: Key, now: Timestamp) -> bool {
        let table = shard.table.load();
        let mut oldest = None;
        let mut seen = 0;
        for _ in 0..LOOKED_AT.min(table.ways()) {
            let at = writer.hand % table.ways();
            writer.hand = at + 1;
            let Some(entry) = table.entry(at) else { continue };
            let Some((tag, touched)) = entry.occupied() else { continue };
            if tag == keep.tag {
                continue;
            }
            if oldest.is_none_or(|(_, than)| touched < than) {
                oldest = Some((entry, touched));
            }
            seen += 1;
            if seen == SAMPLE {
                break;
            }
        }
        let Some((entry, touched)) = oldest else { return false };
        if f64::from(seconds(now).saturating_sub(touched)) < self.limits.protect {
            return false;
        }
        let evicted = self.remove(shard, writer, entry);
        self.counters.evicted.fetch_add(u64::from(evicted), Relaxed);
        evicted
    }
}
