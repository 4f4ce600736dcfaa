//! What a store has yet to be told: each shard's writes, in their order.
//!
//! A note is a pointer to the record that was written, so that leaving one costs a
//! writer nothing but a count. Where notes pile up, a shard drops them and says so:
//! who keeps the records then has to look at all of them.

use std::sync::atomic::Ordering::Relaxed;

use super::{Cache, MAX_ID, Refused, SHARDS, Write, Written};
use crate::model::{EntityKind, Timestamp};
use crate::signals::record::{Record, RecordBuilder, Stored};

/// So many notes may wait in one shard.
const MOST: usize = 8192;

/// One change of one entity.
#[derive(Debug)]
pub enum Change {
    Written(Live),
    /// It is not in the cache any more.
    Gone {
        kind: EntityKind,
        id: Box<str>,
        /// Somebody asked for it: nothing at all may stay of it.
        forgotten: bool,
    },
}

impl Change {
    /// Whether somebody asked for all of an entity to be forgotten.
    pub fn is_asked(&self) -> bool {
        matches!(self, Change::Gone { forgotten: true, .. })
    }
}

/// A record as it was written, kept alive by this.
#[derive(Debug)]
pub struct Live(Stored);

impl Live {
    pub fn record(&self) -> Record<'_> {
        Record::of(&self.0)
    }
}

/// By shard a sequence number: how far somebody wants writes kept, or has kept them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks([u64; SHARDS]);

impl Default for Marks {
    fn default() -> Self {
        Marks([0; SHARDS])
    }
}

impl Marks {
    pub fn include(&mut self, written: Written) {
        if let Some(mark) = self.0.get_mut(usize::from(written.shard)) {
            *mark = written.seq.max(*mark);
        }
    }

    /// Whether all that `other` asks for is at or below these.
    pub fn cover(&self, other: &Marks) -> bool {
        self.0.iter().zip(&other.0).all(|(have, want)| have >= want)
    }
}

/// The notes of a shard that wait.
#[derive(Debug, Default)]
pub(super) struct Notes {
    waiting: Vec<Change>,
    overflowed: bool,
    /// Who is forgotten, and may be on disk yet: nothing is put back of them.
    forgotten: Vec<(EntityKind, Box<str>)>,
}

/// How many changes were taken, and how far they go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    pub upto: Marks,
    /// Notes were dropped: these changes are not all there are.
    pub overflowed: bool,
}

impl Notes {
    fn push(&mut self, change: Change) {
        // What is to be forgotten is found by no comparison, and those who ask are few.
        if !self.overflowed && self.waiting.len() >= MOST {
            self.overflowed = true;
            self.waiting.retain(Change::is_asked);
            self.waiting.shrink_to_fit();
        }
        if !self.overflowed || change.is_asked() {
            self.waiting.push(change);
        }
    }

    pub(super) fn is_forgotten(&self, kind: EntityKind, id: &str) -> bool {
        self.forgotten.iter().any(|(of, who)| *of == kind && **who == *id)
    }
}

impl Cache {
    /// Leaves notes of all changes, for a store that takes them.
    #[must_use]
    pub fn journaled(mut self) -> Self {
        self.journaled = true;
        self
    }

    pub(super) fn note_written(&self, notes: &mut Notes, record: &Stored) {
        if self.journaled {
            notes.push(Change::Written(Live(record.clone())));
            self.noted.store(true, Relaxed);
        }
    }

    pub(super) fn note_gone(&self, notes: &mut Notes, kind: EntityKind, id: &str, asked: bool) {
        if self.journaled {
            notes.push(Change::Gone { kind, id: id.into(), forgotten: asked });
            self.noted.store(true, Relaxed);
        }
    }

    /// Takes the notes that wait; those of one entity are in the order of its writes.
    pub fn take_changes(&self, into: &mut Vec<Change>) -> Option<Taken> {
        if !self.noted.swap(false, Relaxed) {
            return None;
        }
        let mut taken = Taken::default();
        for (shard, mark) in self.shards.iter().zip(&mut taken.upto.0) {
            let mut writer = shard.writer.lock();
            *mark = writer.seq;
            taken.overflowed |= std::mem::take(&mut writer.notes.overflowed);
            let waiting = std::mem::take(&mut writer.notes.waiting);
            drop(writer);
            into.extend(waiting);
        }
        Some(taken)
    }

    /// How many notes wait.
    pub fn changes_waiting(&self) -> usize {
        if !self.noted.load(Relaxed) {
            return 0;
        }
        self.shards.iter().map(|shard| shard.writer.lock().notes.waiting.len()).sum()
    }

    /// The store has forgotten an entity as well.
    pub fn forgotten_on_disk(&self, kind: EntityKind, id: &str) {
        if let Some(shard) = self.shard(self.secrets.key(kind, id)) {
            let forgotten = &mut shard.writer.lock().notes.forgotten;
            forgotten.retain(|(of, who)| *of != kind || **who != *id);
        }
    }

    /// Puts back what a store has kept: as [`Cache::update`], but leaves no note. What is to be
    /// forgotten there stays away.
    ///
    /// # Errors
    /// As [`Cache::update`].
    pub fn restore<R>(
        &self,
        kind: EntityKind,
        id: &str,
        heard: Timestamp,
        change: impl FnOnce(&mut RecordBuilder<'_>) -> R,
    ) -> Result<R, Refused> {
        self.write(kind, id, heard, Write::Restored, change).map(|(outcome, _)| outcome)
    }

    /// Forgets all of an entity, and names the write: where a store keeps it as well,
    /// that is to forget it too, whether or not there is a record.
    pub fn forget_for_good(&self, kind: EntityKind, id: &str) -> (bool, Option<Written>) {
        if id.len() > MAX_ID {
            return (false, None);
        }
        let key = self.secrets.key(kind, id);
        let Some(shard) = self.shard(key) else { return (false, None) };
        let mut writer = shard.writer.lock();
        let table = shard.table.load();
        let found = table.find(key.tag, kind, id);
        let found = found.is_some_and(|(entry, _)| self.take_out(shard, &mut writer, entry));
        writer.seq += 1;
        if self.journaled {
            writer.notes.forgotten.push((kind, id.into()));
        }
        self.note_gone(&mut writer.notes, kind, id, true);
        (found, Some(Written { shard: key.shard as u8, seq: writer.seq }))
    }

    /// Shows every record, one after the other: what is written meanwhile may be
    /// seen before or after, and where `see` takes long, as it was.
    pub fn each_record(&self, mut see: impl FnMut(Record<'_>)) {
        for shard in &self.shards {
            let table = shard.table.load();
            for entry in (0..table.ways()).filter_map(|at| table.entry(at)) {
                if entry.occupied().is_some()
                    && let Some(record) = entry.load().as_ref()
                {
                    see(Record::of(record));
                }
            }
        }
    }
}
