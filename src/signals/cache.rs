//! The cache of records.
//!
//! ```text
//! (kind, id) --SipHash--> key --index--> slot number --> slot --> record
//! ```
//!
//! The index (`scc::HashIndex`, read without locks) maps a key to the number of a
//! slot and changes only when an entity comes or goes. A slot holds the pointer
//! to the entity's present record, and a write swaps that pointer in place. Two
//! things speak for the slot between them, which costs 16 bytes an entity:
//! replacing a value inside a `HashIndex` leaves the old record in its bucket
//! until the bucket is full (up to twice the memory under steady writes), and a
//! reader that probes in that moment can find neither the old entry nor the new
//! one, so that a decision would be made without the user's signals.

mod fetch;
mod key;
mod limits;
mod slab;
mod snapshot;
mod stats;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering::Relaxed;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use scc::HashIndex;

use super::record::{Record, RecordBuilder, Scratch};
use crate::model::{EntityKind, Timestamp, Value};
use key::{Key, PassThrough, Place};
use slab::Slab;
use stats::Counters;

pub use fetch::{Fetched, Held, Kinds};
pub use key::Secrets;
pub use limits::{Limits, Refused};
pub use snapshot::{EntitySnapshot, OwnedValue, SignalSnapshot};
pub use stats::Stats;
pub use sweep::Swept;

/// How many writers can work at once; a power of two.
const SHARDS: usize = 64;

/// Longer ids are refused (bytes).
pub const MAX_ID: usize = 1024;

/// What an entity costs beside its record: its share of the index at the load
/// that the index grows to, its slot, and the allocator's rounding.
const ENTITY_BYTES: usize = 80;

/// Names one write for good: exactly-once learning and the store key on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Written {
    pub shard: u8,
    pub seq: u64,
}

/// The live state of all entities.
#[derive(Debug)]
pub struct Cache {
    index: HashIndex<Place, (), PassThrough>,
    shards: Box<[CachePadded<Shard>]>,
    secrets: Secrets,
    limits: Limits,
    counters: Counters,
    cursor: Mutex<sweep::Cursor>,
}

/// One part of the entities, with one writer at a time.
#[derive(Debug, Default)]
struct Shard {
    slab: Slab,
    writer: Mutex<Writer>,
}

/// What only a shard's writer touches.
#[derive(Debug, Default)]
struct Writer {
    seq: u64,
    /// Slots handed out so far; those in `free` are vacant again.
    next: u32,
    free: Vec<u32>,
    /// Where the search for something to evict goes on.
    hand: u32,
    scratch: Scratch,
}

impl Cache {
    pub fn new(limits: Limits, secrets: Secrets) -> Self {
        Cache {
            index: HashIndex::with_hasher(PassThrough),
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            secrets,
            limits,
            counters: Counters::default(),
            cursor: Mutex::default(),
        }
    }

    /// A hash of a value by which learned summaries know it again; `None` for
    /// values that can't be told apart (missing, none).
    pub fn value_hash(&self, value: Value<'_>) -> Option<u32> {
        self.secrets.value_hash(value)
    }

    /// Changes what is known about one entity, which is made on first sight.
    /// Where `change` changes nothing, nothing is written and no entity is made.
    ///
    /// # Errors
    /// When the id can't be one, or the cache is full and nothing may be evicted.
    pub fn update<R>(
        &self,
        kind: EntityKind,
        id: &str,
        now: Timestamp,
        change: impl FnOnce(&mut RecordBuilder<'_>) -> R,
    ) -> Result<(R, Option<Written>), Refused> {
        let refuse = |why| {
            self.counters.refused.fetch_add(1, Relaxed);
            Err(why)
        };
        if id.is_empty() || id.len() > MAX_ID {
            return refuse(Refused::BadId);
        }
        let key = self.secrets.key(kind, id);
        let Some((number, shard)) = self.shard(key) else { return refuse(Refused::Full) };
        let mut writer = shard.writer.lock();
        let found = self.find(key).and_then(|at| shard.slab.slot(at));

        let old = found.map(|slot| slot.load());
        let old = old.as_ref().and_then(|held| held.as_ref()).map(Record::of);
        if old.is_some_and(|record| !record.is_of(kind, id)) {
            return refuse(Refused::Collision);
        }
        let old_bytes = old.map(Record::bytes);
        let outcome = change(&mut writer.scratch.start(old));
        if !writer.scratch.changed() {
            return Ok((outcome, None));
        }
        let seq = writer.seq + 1;
        let Some(next) = writer.scratch.build(kind, id, seq) else {
            return refuse(Refused::TooLarge);
        };
        let bytes = Record::of(&next).bytes();
        match (found, old_bytes) {
            (Some(slot), Some(old_bytes)) => {
                if bytes > old_bytes
                    && !self.reserve_bytes(shard, &mut writer, bytes - old_bytes, key, now)
                {
                    return refuse(Refused::Full);
                }
                if bytes < old_bytes {
                    self.counters.release_bytes(old_bytes - bytes);
                }
                slot.store(next, now);
            }
            _ => {
                if !self.reserve_entity(shard, &mut writer, bytes + ENTITY_BYTES, key, now) {
                    return refuse(Refused::Full);
                }
                let at = writer.free.pop().unwrap_or_else(|| {
                    let at = writer.next;
                    writer.next += 1;
                    at
                });
                let Some(slot) = shard.slab.slot_or_grow(at) else {
                    self.counters.release_entity(bytes + ENTITY_BYTES);
                    return refuse(Refused::Full);
                };
                // The record before the key: whoever finds the key finds the record.
                slot.occupy(kind, next, now);
                // Can't be taken: only this shard's writer inserts this key, and it didn't find it.
                let _inserted = self.index.insert_sync(Place { key, slot: at }, ());
            }
        }
        writer.seq = seq;
        Ok((outcome, Some(Written { shard: number, seq })))
    }

    /// Forgets an entity at once. Says whether there was one.
    pub fn forget(&self, kind: EntityKind, id: &str) -> bool {
        let key = self.secrets.key(kind, id);
        let Some((_, shard)) = self.shard(key) else { return false };
        let mut writer = shard.writer.lock();
        let Some(at) = self.find(key) else { return false };
        let same = shard.slab.slot(at).is_some_and(|slot| {
            slot.load().as_ref().is_some_and(|record| Record::of(record).is_of(kind, id))
        });
        same && self.remove(shard, &mut writer, at)
    }

    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn shard(&self, key: Key) -> Option<(u8, &Shard)> {
        let number = key.shard(SHARDS);
        Some((number, self.shards.get(usize::from(number))?))
    }

    fn find(&self, key: Key) -> Option<u32> {
        self.index.peek_with(&key, |place, ()| place.slot)
    }

    /// Takes the entity out of a slot. The writer of the slot's shard calls this.
    ///
    /// A reader that found the slot's number a moment ago may meet the slot
    /// empty, or with another entity's record: it compares ids, so for it the
    /// entity is gone, which is so.
    fn remove(&self, shard: &Shard, writer: &mut Writer, at: u32) -> bool {
        let Some(slot) = shard.slab.slot(at) else { return false };
        let Some(record) = slot.vacate() else { return false };
        let record = Record::of(&record);
        self.index.remove_sync(&self.secrets.key(record.kind(), record.id()));
        writer.free.push(at);
        self.counters.release_entity(record.bytes() + ENTITY_BYTES);
        true
    }
}
