//! What is written together.

use std::sync::atomic::Ordering::Relaxed;

use fjall::{OwnedWriteBatch as WriteBatch, PersistMode};

use super::disk::{Disk, Fault};
use super::shelf::{Place, Room};
use super::{Store, aside, codec};
use crate::model::{EntityKind, Timestamp};
use crate::signals::Record;

/// So many entries make one batch.
const BATCH: usize = 4096;

/// Entries that are committed together.
pub(super) struct Batch<'b> {
    store: &'b Store,
    disk: &'b Disk,
    batch: WriteBatch,
}

impl<'b> Batch<'b> {
    pub(super) fn new(store: &'b Store, disk: &'b Disk) -> Self {
        Batch { store, disk, batch: empty(disk) }
    }

    /// Writes an entity as it is now, or removes it.
    pub(super) fn put(
        &mut self,
        kind: EntityKind,
        id: &str,
        record: Option<Record<'_>>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let vocabulary = &self.store.vocabulary;
        let mut names = self.store.names.lock();
        let Some(number) = names.kind(kind, vocabulary) else { return Ok(()) };
        let key = codec::key(number, id);
        match record {
            Some(record) => {
                if let Some(value) = codec::encode(record, now, &mut names, vocabulary) {
                    self.batch.insert(&self.disk.entities, key, value);
                }
            }
            None => self.batch.remove(&self.disk.entities, key),
        }
        drop(names);
        self.commit_full()
    }

    /// Nothing that was learned of the entity may stay.
    pub(super) fn forget_learned(&mut self, kind: EntityKind, id: &str) -> Result<(), Fault> {
        let number = self.store.names.lock().kind(kind, &self.store.vocabulary);
        let Some(number) = number else { return Ok(()) };
        let key = codec::key(number, id);
        let gone = aside::forget(self.disk, &mut self.batch, &key)?;
        self.store.counts.aside.fetch_sub(gone, Relaxed);
        let mut waiting = self.store.waiting.lock();
        for room in Room::ALL {
            waiting.put(room, key.clone(), None);
        }
        Ok(())
    }

    pub(super) fn put_learned(
        &mut self,
        (room, key): &Place,
        value: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let room = self.disk.room(*room);
        match value {
            Some(value) => self.batch.insert(room, key.as_slice(), value),
            None => self.batch.remove(room, key.as_slice()),
        }
        self.commit_full()
    }

    /// Removes the entity of that key.
    pub(super) fn remove(&mut self, key: &[u8]) -> Result<(), Fault> {
        self.batch.remove(&self.disk.entities, key);
        self.commit_full()
    }

    fn commit_full(&mut self) -> Result<(), Fault> {
        if self.batch.len() < BATCH {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.batch, empty(self.disk));
        self.write(full)
    }

    pub(super) fn commit(self) -> Result<(), Fault> {
        let Batch { store, disk, batch } = self;
        Batch { store, disk, batch: empty(disk) }.write(batch)
    }

    /// Names go before what uses them, in the same batch.
    fn write(&self, mut batch: WriteBatch) -> Result<(), Fault> {
        let fresh = {
            let names = self.store.names.lock();
            for (key, value) in names.fresh() {
                batch.insert(&self.disk.names, key.as_slice(), value.as_slice());
            }
            names.fresh().len()
        };
        if batch.is_empty() {
            return Ok(());
        }
        batch.commit()?;
        self.store.names.lock().written(fresh);
        self.store.counts.batches.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// The least that is ever asked for: what the system has survives this process.
fn empty(disk: &Disk) -> WriteBatch {
    disk.database.batch().durability(Some(PersistMode::Buffer))
}
