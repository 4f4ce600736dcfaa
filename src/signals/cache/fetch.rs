//! Reading: without locks, and all entities of a request together.

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::Guard;
use arrayvec::ArrayVec;

use super::key::Tag;
use super::table::{Table, seconds};
use super::{Cache, MAX_ID};
use crate::model::{Entities, EntityKind, MAX_ENTITIES, Timestamp};
use crate::signals::record::{Record, Stored};

/// A set of entity kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u16);

const _: () = assert!(MAX_ENTITIES <= u16::BITS as usize);

impl Kinds {
    pub const NONE: Self = Kinds(0);
    pub const ALL: Self = Kinds(u16::MAX);

    pub fn insert(&mut self, kind: EntityKind) {
        self.0 |= 1u16.checked_shl(u32::from(kind.0)).unwrap_or(0);
    }

    pub fn remove(&mut self, kind: EntityKind) {
        self.0 &= !1u16.checked_shl(u32::from(kind.0)).unwrap_or(0);
    }

    pub fn contains(self, kind: EntityKind) -> bool {
        self.0 & 1u16.checked_shl(u32::from(kind.0)).unwrap_or(0) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = EntityKind> {
        (0..u16::BITS as u8).map(EntityKind).filter(move |kind| self.contains(*kind))
    }
}

/// A record, kept alive while this is held.
#[derive(Debug)]
pub struct Held(Guard<Option<Stored>>);

impl Held {
    /// Always there: a `Held` is made of a record.
    pub fn record(&self) -> Option<Record<'_>> {
        self.0.as_ref().map(Record::of)
    }
}

/// The records of one request's entities, kept alive while this is held.
#[derive(Debug, Default)]
pub struct Fetched {
    held: ArrayVec<(EntityKind, Held), MAX_ENTITIES>,
}

impl Fetched {
    /// The record of the request's entity of that kind, where there is one.
    pub fn record(&self, kind: EntityKind) -> Option<Record<'_>> {
        self.held.iter().find(|(k, _)| *k == kind).and_then(|(_, held)| held.record())
    }

    pub fn iter(&self) -> impl Iterator<Item = (EntityKind, Record<'_>)> {
        self.held.iter().filter_map(|(kind, held)| Some((*kind, held.record()?)))
    }
}

impl Cache {
    /// One entity's record.
    pub fn read(&self, kind: EntityKind, id: &str) -> Option<Held> {
        if id.len() > MAX_ID {
            return None;
        }
        let key = self.secrets.key(kind, id);
        let (_, loaded) = self.shard(key)?.table.load().find(key.tag, kind, id)?;
        Some(Held(loaded))
    }

    /// When an entity was heard of or asked for last, to within some seconds.
    pub fn heard(&self, kind: EntityKind, id: &str) -> Option<Timestamp> {
        let key = self.secrets.key(kind, id);
        let table = self.shard(key)?.table.load();
        let (_, touched) = table.find(key.tag, kind, id)?.0.occupied()?;
        Some(Timestamp::from_millis(i64::from(touched) * 1000))
    }

    /// The records of those of a request's entities that are of `kinds`, and a
    /// note on each that it was asked for.
    ///
    /// Step by step for all of them rather than entity by entity: each step's
    /// misses are independent of each other, so that the core waits for them
    /// together. Pointers are taken with an atomic exchange, past which no load is
    /// started early; so the buckets are read before, and the records after.
    pub fn fetch(&self, entities: &Entities<'_>, kinds: Kinds, now: Timestamp) -> Fetched {
        let mut wanted =
            ArrayVec::<(EntityKind, &str, Tag, Guard<Arc<Table>>), MAX_ENTITIES>::new();
        for (kind, id) in entities.iter() {
            if kinds.contains(kind) && id.len() <= MAX_ID {
                let key = self.secrets.key(kind, id);
                let Some(shard) = self.shard(key) else { continue };
                wanted.push((kind, id, key.tag, shard.table.load()));
            }
        }
        let mut entries = ArrayVec::<_, MAX_ENTITIES>::new();
        for (_, _, tag, table) in &wanted {
            entries.push(table.first(*tag));
        }
        let now = seconds(now);
        for entry in entries.iter().flatten() {
            entry.touch(now);
        }

        let mut fetched = Fetched::default();
        for ((kind, ..), entry) in wanted.iter().zip(&entries) {
            fetched.held.push((*kind, Held(entry.map_or(Guard::from_inner(None), |e| e.load()))));
        }
        let mut words = 0;
        for (_, held) in &fetched.held {
            words ^= held.0.as_ref().map_or(0, |stored| stored.header.length);
        }
        black_box(words);

        let mut asked = wanted.iter().zip(&entries);
        fetched.held.retain(|(_, held)| {
            let Some(((kind, id, tag, table), Some(_))) = asked.next() else { return false };
            if held.record().is_some_and(|record| record.is_of(*kind, id)) {
                return true;
            }
            // Another entity with the same tag may stand before it.
            let Some((entry, loaded)) = table.find(*tag, *kind, id) else { return false };
            entry.touch(now);
            *held = Held(loaded);
            true
        });
        fetched
    }
}
