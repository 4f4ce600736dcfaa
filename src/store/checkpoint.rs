//! Making the database what the cache is, for when notes of changes were dropped: what
//! is the same stays, so that little is written where little was missed.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::disk::{Disk, Fault};
use super::{Store, codec};
use crate::model::{EntityKind, Timestamp};
use crate::signals::{Cache, Held};

/// A request that comes while the processor is taken waits for so long at most, since
/// the scheduler lets a thread that has begun go on for a while.
const PIECE: Duration = Duration::from_micros(100);

/// In a hurry it looks for what has changed as seldom as this, so that batches stay large.
const LONG_PIECE: Duration = Duration::from_millis(5);

/// So many times as long as a piece took is rested after it.
const REST: u32 = 3;

/// Work in pieces, with rests between them.
pub(super) struct Pace<'p> {
    store: &'p Store,
    stop: &'p Receiver<()>,
    began: Instant,
    /// The process is to end: no more rests.
    stopped: bool,
}

impl<'p> Pace<'p> {
    pub(super) fn new(store: &'p Store, stop: &'p Receiver<()>) -> Self {
        Pace { store, stop, began: Instant::now(), stopped: false }
    }

    /// Waits, and says whether the process is to end, which ends the waiting.
    pub(super) fn pause(&mut self, pause: Duration) -> bool {
        self.stopped =
            self.stopped || self.stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
        self.began = Instant::now();
        self.stopped
    }

    /// Who waits for the disk waits for the end of all this.
    fn hurries(&self) -> bool {
        self.stopped || self.store.durable.is_awaited()
    }

    /// Whether a piece of work is done.
    fn is_tired(&self) -> bool {
        self.began.elapsed() >= if self.hurries() { LONG_PIECE } else { PIECE }
    }

    fn rest(&mut self) {
        // One that was long was begun in a hurry.
        let worked = self.began.elapsed().min(PIECE * 10);
        self.pause(if self.hurries() { Duration::ZERO } else { worked * REST });
    }
}

/// Writes what the cache has otherwise than the database or alone, and removes what the
/// database has alone. What changes from now on is `meanwhile`'s to write, before each rest.
pub(super) fn run(
    store: &Store,
    cache: &Cache,
    disk: &Disk,
    pace: &mut Pace<'_>,
    meanwhile: &mut dyn FnMut() -> Result<(), Fault>,
) -> Result<(), Fault> {
    let began = Instant::now();
    let now = Timestamp::now();
    let mut batch = Batch::new(store, disk);
    // What was read of the cache is written before what changes there later.
    let mut step = |batch: &mut Batch<'_>| {
        if pace.is_tired() {
            batch.commit()?;
            meanwhile()?;
            pace.rest();
        }
        Ok::<(), Fault>(())
    };
    // What the database has, by hashes of keys, with room for all: growing is no small piece.
    let (hasher, mut found) = (RandomState::new(), HashSet::new());
    found.reserve(cache.stats().entities);
    for (number, kind) in kinds(store) {
        for entry in disk.entities.prefix(number.to_be_bytes()) {
            step(&mut batch)?;
            let (key, value) = entry.into_inner()?;
            found.insert(hasher.hash_one(&*key));
            let held = codec::id_of(&key).and_then(|id| cache.read(kind, id));
            let Some(record) = held.as_ref().and_then(Held::record) else {
                batch.remove(&key)?;
                continue;
            };
            let heard = cache.heard(kind, record.id()).unwrap_or(now);
            if let Some(new) = batch.encoded(record, heard)
                && !codec::same(&new, &value)
            {
                batch.insert(key.to_vec(), new)?;
            }
        }
    }
    let mut done = Ok(());
    cache.each_record(|record| {
        if done.is_err() {
            return;
        }
        let is_new =
            |key: &Vec<u8>| !found.contains(&hasher.hash_one(&**key)) && store.may_write(key);
        // The table that shows it may have been replaced while this rested: the cache is asked.
        let (kind, id) = (record.kind(), record.id());
        if let Some(key) = batch.key(kind, id).filter(is_new)
            && let Some(record) = cache.read(kind, id).as_ref().and_then(Held::record)
            && let Some(new) = batch.encoded(record, cache.heard(kind, id).unwrap_or(now))
        {
            done = batch.insert(key, new);
        }
        if done.is_ok() {
            done = step(&mut batch);
        }
    });
    done?;
    batch.commit()?;
    store.counts.checkpoints.fetch_add(1, Relaxed);
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    store.counts.checkpoint_micros.fetch_add(micros, Relaxed);
    Ok(())
}

/// The kinds that are in the cache, by the store's numbers.
fn kinds(store: &Store) -> Vec<(u16, EntityKind)> {
    let known: Vec<(u16, EntityKind)> = {
        let names = store.names.lock();
        let kind = |name: &str| store.vocabulary.find_kind(name);
        names.kinds().filter_map(|(number, name)| Some((number, kind(name)?))).collect()
    };
    known.into_iter().filter(|(number, _)| store.is_loaded(*number)).collect()
}
