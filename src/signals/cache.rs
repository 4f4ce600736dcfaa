//! The cache of records.
//!
//! ```text
//! (kind, id) --SipHash--> shard and tag --> table --> bucket --> record
//! ```
//!
//! The tables are our own, for two reasons. A look-up waits for memory twice, for
//! the bucket and for the record; with a concurrent map (`scc::HashIndex`) it
//! waited four times, which made four look-ups among a million entities take
//! 1.1 us. And replacing a value inside that map leaves the old record in its
//! bucket until the bucket is full (up to twice the memory under steady writes),
//! while a reader that probes in that moment can find neither the old entry nor
//! the new one: a decision without the user's signals.

mod changes;
mod fetch;
mod key;
mod limits;
#[cfg(test)]
mod model_check;
mod snapshot;
mod stats;
mod sweep;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::observation::SeenValue;
use super::priors::Priors;
use super::record::{Record, RecordBuilder, Scratch};
use crate::model::{EntityKind, Timestamp, Value};
use changes::Notes;
use key::Key;
use stats::Counters;
use table::{Entry, Filling, Published};

pub use changes::{Change, Live, Marks, Taken};
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

/// What tables are made of.
mod primitives {
    pub(super) use std::sync::atomic::AtomicU32;

    pub(super) use arc_swap::{ArcSwapAny as Pointer, Guard};
}

const _: () = assert!(table::BUCKET_BYTES == 64, "a bucket is one cache line");

/// What an entity costs beside its record: its share of a table that is half
/// full, and the allocator's rounding.
const ENTITY_BYTES: usize = 48;

/// Names one write for good: exactly-once learning and the store key on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Written {
    pub shard: u8,
    pub seq: u64,
}

/// Why a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// Something was heard of the entity.
    Heard,
    /// What is on disk already is put back.
    Restored,
    /// Something was computed of what was heard before.
    Derived,
}

/// The live state of all entities.
#[derive(Debug)]
pub struct Cache {
    shards: Box<[CachePadded<Shard>]>,
    secrets: Secrets,
    limits: Limits,
    counters: Counters,
    cursor: Mutex<sweep::Cursor>,
    priors: ArcSwap<Priors>,
    /// Whether notes of changes are left.
    journaled: bool,
    /// Whether there may be some.
    noted: AtomicBool,
}

/// One part of the entities, with one writer at a time.
#[derive(Debug, Default)]
struct Shard {
    table: Published,
    writer: Mutex<Writer>,
}

/// What only a shard's writer touches.
#[derive(Debug, Default)]
struct Writer {
    seq: u64,
    filling: Filling,
    /// Where the search for something to evict goes on.
    hand: usize,
    scratch: Scratch,
    notes: Notes,
}

impl Cache {
    pub fn new(limits: Limits, secrets: Secrets) -> Self {
        Cache {
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            secrets,
            limits,
            counters: Counters::default(),
            cursor: Mutex::default(),
            priors: ArcSwap::default(),
            journaled: false,
            noted: AtomicBool::new(false),
        }
    }

    /// A hash of a value by which learned summaries know it again; `None` for
    /// values that can't be told apart (missing, none).
    pub fn value_hash(&self, value: Value<'_>) -> Option<u32> {
        self.secrets.value_hash(value).map(|hash| hash as u32)
    }

    /// A hash of one feature of a request's context, never 0.
    pub(super) fn feature_hash(&self, feature: u8, of: &[u8]) -> u32 {
        self.secrets.feature_hash(feature, of).max(1)
    }

    /// What of a value can be learned from; `None` where it says nothing.
    pub fn seen_value(&self, value: Value<'_>) -> Option<SeenValue> {
        let number = match value {
            Value::Number(x) | Value::Duration(x) => Some(x),
            Value::Bool(x) => Some(f64::from(u8::from(x))),
            _ => None,
        };
        let hash = self.secrets.value_hash(value)?;
        Some(SeenValue { number, hash: hash as u32, upper: (hash >> 32) as u32 })
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
        self.write(kind, id, now, Write::Heard, change)
    }

    /// Changes what was derived of an entity that is known, where it still is: of one
    /// that was dropped nothing may come back, and nothing was heard of it.
    ///
    /// # Errors
    /// As [`Cache::update`].
    pub fn derive(
        &self,
        kind: EntityKind,
        id: &str,
        now: Timestamp,
        change: impl FnOnce(&mut RecordBuilder<'_>),
    ) -> Result<(), Refused> {
        self.write(kind, id, now, Write::Derived, change).map(|_| ())
    }

    fn write<R>(
        &self,
        kind: EntityKind,
        id: &str,
        now: Timestamp,
        why: Write,
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
        let Some(shard) = self.shard(key) else { return refuse(Refused::Full) };
        let mut writer = shard.writer.lock();
        let table = shard.table.load();
        let found = table.find(key.tag, kind, id);
        let old = found.as_ref().and_then(|(_, held)| held.as_ref()).map(Record::of);
        let old_bytes = old.map_or(0, Record::bytes);
        let outcome = change(&mut writer.scratch.start(old));
        let stays_away = why == Write::Restored && writer.notes.is_forgotten(kind, id);
        if !writer.scratch.changed() || stays_away {
            return Ok((outcome, None));
        }
        let seq = writer.seq + 1;
        let Some(next) = writer.scratch.build(kind, id, seq) else {
            return refuse(Refused::TooLarge);
        };
        let bytes = Record::of(&next).bytes();
        let note = (why != Write::Restored && self.journaled).then(|| next.clone());
        if let Some((entry, _)) = found {
            if bytes > old_bytes
                && !self.reserve_bytes(shard, &mut writer, bytes - old_bytes, key, now)
            {
                return refuse(Refused::Full);
            }
            self.counters.release_bytes(old_bytes.saturating_sub(bytes));
            entry.store(next);
            if why != Write::Derived {
                entry.touch(table::seconds(now));
            }
        } else if why == Write::Derived {
            return Ok((outcome, None));
        } else {
            let cost = bytes + ENTITY_BYTES;
            if !self.reserve_entity(shard, &mut writer, cost, key, now) {
                return refuse(Refused::Full);
            }
            if !shard.table.insert(&mut writer.filling, key.tag, next, now) {
                self.counters.release_entity(cost);
                return refuse(Refused::Full);
            }
        }
        writer.seq = seq;
        if let Some(record) = note {
            self.note_written(&mut writer.notes, &record);
        }
        Ok((outcome, Some(Written { shard: key.shard as u8, seq })))
    }

    /// Forgets an entity at once. Says whether there was one.
    pub fn forget(&self, kind: EntityKind, id: &str) -> bool {
        let key = self.secrets.key(kind, id);
        let Some(shard) = self.shard(key) else { return false };
        let mut writer = shard.writer.lock();
        let table = shard.table.load();
        let found = table.find(key.tag, kind, id);
        found.is_some_and(|(entry, _)| self.remove(shard, &mut writer, entry))
    }

    /// What is usual for entities of which nothing is known.
    pub fn priors(&self) -> Guard<Arc<Priors>> {
        self.priors.load()
    }

    pub fn set_priors(&self, priors: Priors) {
        self.priors.store(Arc::new(priors));
    }

    /// How many entities it holds at most.
    pub fn max_entities(&self) -> usize {
        self.limits.max_entities
    }

    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn shard(&self, key: Key) -> Option<&Shard> {
        self.shards.get(key.shard).map(|shard| &**shard)
    }

    /// Takes the entity out of an entry. The writer of the shard calls this.
    fn remove(&self, shard: &Shard, writer: &mut Writer, entry: Entry<'_>) -> bool {
        if self.journaled
            && let Some(record) = entry.load().as_ref().map(Record::of)
        {
            self.note_gone(&mut writer.notes, record.kind(), record.id(), false);
        }
        self.take_out(shard, writer, entry)
    }

    /// As `remove`, without a note.
    fn take_out(&self, shard: &Shard, writer: &mut Writer, entry: Entry<'_>) -> bool {
        let removed = shard.table.remove(&mut writer.filling, entry);
        if let Some(record) = &removed {
            self.counters.release_entity(Record::of(record).bytes() + ENTITY_BYTES);
        }
        removed.is_some()
    }
}
