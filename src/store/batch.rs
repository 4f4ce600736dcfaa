//! What is written together.

use std::sync::atomic::Ordering::Relaxed;

use fjall::{OwnedWriteBatch as WriteBatch, PersistMode};

use super::disk::{Disk, Fault};
use super::shelf::Place;
use super::{Store, aside, codec};
use crate::model::{EntityKind, Timestamp};
use crate::signals::Record;

/// So many entries make one batch: writing them takes a millisecond or two.
const BATCH: usize = 1024;

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
        heard: Timestamp,
    ) -> Result<(), Fault> {
        let Some(key) = self.key(kind, id) else { return Ok(()) };
        match record {
            Some(record) => match self.encoded(record, heard) {
                Some(value) => self.insert(key, value),
                None => Ok(()),
            },
            None => self.remove(&key),
        }
    }

    /// Where an entity is kept, unless there are too many kinds.
    pub(super) fn key(&self, kind: EntityKind, id: &str) -> Option<Vec<u8>> {
        let number = self.store.names.lock().kind(kind, &self.store.vocabulary)?;
        Some(codec::key(number, id))
    }

    /// A record as it is to be kept, unless there are too many names.
    pub(super) fn encoded(&self, record: Record<'_>, heard: Timestamp) -> Option<Vec<u8>> {
        codec::encode(record, heard, &mut self.store.names.lock(), &self.store.vocabulary)
    }

    pub(super) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
        self.batch.insert(&self.disk.entities, key, value);
        self.store.counts.written.fetch_add(1, Relaxed);
        self.commit_full()
    }

    /// Nothing may stay aside of an entity. What was learned of it is the learner's to remove:
    /// it knows what was learned since.
    pub(super) fn forget_aside(&mut self, kind: EntityKind, id: &str) -> Result<(), Fault> {
        let Some(key) = self.key(kind, id) else { return Ok(()) };
        let gone = aside::forget(self.disk, &mut self.batch, &key)?;
        self.store.counts.aside.fetch_sub(gone, Relaxed);
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
        self.store.counts.written.fetch_add(1, Relaxed);
        self.commit_full()
    }

    fn commit_full(&mut self) -> Result<(), Fault> {
        if self.batch.len() < BATCH {
            return Ok(());
        }
        self.commit()
    }

    /// Writes what there is until now.
    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        let full = std::mem::replace(&mut self.batch, empty(self.disk));
        self.write(full)
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
