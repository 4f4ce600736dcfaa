//! The thread that writes: takes what has changed, and commits it in batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use fjall::PersistMode;

use super::batch::Batch;
use super::checkpoint::{self, Pace};
use super::disk::{self, Disk, Fault};
use super::hourly::Hourly;
use super::retention::Retention;
use super::{Store, aside, heard};
use crate::learn::Clock;
use crate::model::{EntityKind, Plan, Timestamp};
use crate::signals::{Cache, Change, Held, Marks};

/// How long a change may wait to be gathered with others.
const PAUSE: Duration = Duration::from_millis(5);
/// How long what is written may wait for the disk, where nobody waits for it.
const SYNC: Duration = Duration::from_secs(1);
/// How often a store that fails is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread knows.
struct Keeper<'k> {
    store: &'k Store,
    cache: &'k Cache,
    plan: &'k dyn Fn() -> Option<Arc<Plan>>,
    /// How far changes were taken.
    upto: Marks,
    unsynced: bool,
    synced_at: Instant,
    /// All of the cache is to be compared with the database.
    checkpoint_due: bool,
    changes: Vec<Change>,
    retention: Retention,
    heard: Hourly,
    /// What is old is old by this one: a clock that jumps drops nothing.
    clock: Clock,
}

/// Writes until `stop` says so or its sender is gone, and then once more.
pub(super) fn run(
    store: &Store,
    cache: &Cache,
    plan: &dyn Fn() -> Option<Arc<Plan>>,
    stop: &Receiver<()>,
) {
    let mut keeper = Keeper {
        store,
        cache,
        plan,
        upto: Marks::default(),
        unsynced: false,
        synced_at: Instant::now(),
        checkpoint_due: false,
        changes: Vec::new(),
        retention: Retention::new(),
        heard: Hourly::new(),
        clock: Clock::new(Timestamp::now()),
    };
    let mut pace = Pace::new(store, stop);
    let mut pause = PAUSE;
    loop {
        let stopped = pace.pause(pause);
        pause = PAUSE;
        if let Err(why) = disk::guarded(|| keeper.round(stopped, &mut pace)) {
            // What is damaged may be met once more as it is closed.
            let _closed = disk::guarded(|| {
                keeper.fail(&why);
                Ok(())
            });
            pause = RETRY;
        }
        if stopped {
            return;
        }
    }
}

impl Keeper<'_> {
    /// Writes what there is. `last` has it on disk when this returns.
    fn round(&mut self, last: bool, pace: &mut Pace<'_>) -> Result<(), Fault> {
        let reopened = self.store.disk.read().is_none();
        if reopened {
            self.reopen()?;
        }
        self.store.durable.begin();
        let disk = self.store.disk.read();
        let Some(disk) = &*disk else { return Ok(()) };
        if let Some(why) = self.store.unread.lock().take() {
            return Err(why);
        }
        self.take()?;
        let taken = self.upto;
        if self.checkpoint_due {
            self.checkpoint(disk, pace)?;
        } else {
            self.changes(disk)?;
        }
        self.learned(disk)?;
        let most = self.cache.max_entities();
        let now = self.clock.look(Timestamp::now());
        self.retention.pass(self.store, disk, most, now)?;
        heard::pass(&mut self.heard, self.store, disk, self.cache)?;
        self.store.counts.waiting.store(0, Relaxed);
        // Of what came while all was compared, notes may have been dropped once more.
        let written = if self.checkpoint_due { taken } else { self.upto };
        let awaited = reopened || self.store.durable.is_awaited();
        if awaited || (self.unsynced && (last || self.synced_at.elapsed() >= SYNC)) {
            self.sync(disk)?;
            self.store.durable.reached(written);
        }
        if reopened {
            *self.store.error.lock() = None;
            tracing::info!(folder = %self.store.folder.display(), "the store works again");
        }
        Ok(())
    }

    fn sync(&mut self, disk: &Disk) -> Result<(), Fault> {
        if self.unsynced {
            disk.database.persist(PersistMode::SyncData)?;
            self.unsynced = false;
            self.synced_at = Instant::now();
        }
        Ok(())
    }

    /// Takes the notes of what has changed, and has kinds loaded that the catalog has come
    /// to know: before theirs are written, or what is kept of them would be lost.
    fn take(&mut self) -> Result<(), Fault> {
        if let Some(taken) = self.cache.take_changes(&mut self.changes) {
            self.store.counts.waiting.store(self.changes.len() as u64, Relaxed);
            self.checkpoint_due |= taken.overflowed;
            self.upto = taken.upto;
        }
        let Some(plan) = (self.plan)() else { return Ok(()) };
        self.store.load(self.cache, &plan).map_err(|why| Fault::Damaged(why.to_string()))
    }

    fn changes(&mut self, disk: &Disk) -> Result<(), Fault> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut changes = std::mem::take(&mut self.changes);
        let done = disk::guarded(|| self.write(&changes, disk));
        if done.is_ok() {
            for change in changes.drain(..) {
                if let Change::Gone { kind, id, forgotten: true } = change {
                    self.cache.forgotten_on_disk(kind, &id);
                }
            }
        }
        self.changes = changes;
        self.unsynced = true;
        // What was not written is found again by comparing everything.
        self.checkpoint_due |= done.is_err();
        done
    }

    /// Writes each entity that has changed, as the cache has it now: that may be more than
    /// what the note is of, since loading leaves no notes.
    fn write(&self, changes: &[Change], disk: &Disk) -> Result<(), Fault> {
        let mut changed: HashMap<(EntityKind, &str), bool> = HashMap::new();
        for change in changes {
            let (entity, asked) = match change {
                Change::Written(live) => ((live.record().kind(), live.record().id()), false),
                Change::Gone { kind, id, forgotten } => ((*kind, &**id), *forgotten),
            };
            *changed.entry(entity).or_default() |= asked;
        }
        let now = Timestamp::now();
        let mut batch = Batch::new(self.store, disk);
        for ((kind, id), forgotten) in changed {
            let held = self.cache.read(kind, id);
            // What is computed of an entity is no hearing of it.
            let heard = self.cache.heard(kind, id).unwrap_or(now);
            if forgotten {
                batch.forget_aside(kind, id)?;
            }
            batch.put(kind, id, held.as_ref().and_then(Held::record), heard)?;
        }
        batch.commit()
    }

    fn learned(&mut self, disk: &Disk) -> Result<(), Fault> {
        let all = self.store.waiting.lock().all();
        if all.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new(self.store, disk);
        for (key, value) in &all {
            batch.put_learned(key, value.as_deref())?;
        }
        batch.commit()?;
        self.unsynced = true;
        self.store.waiting.lock().written(&all);
        self.store.counts.learned.fetch_add(all.len() as u64, Relaxed);
        Ok(())
    }

    /// Makes the database what the cache is, and goes on with what changes meanwhile.
    fn checkpoint(&mut self, disk: &Disk, pace: &mut Pace<'_>) -> Result<(), Fault> {
        // What is to be forgotten on disk is found by no comparison.
        self.changes(disk)?;
        self.checkpoint_due = false;
        self.unsynced = true;
        let (store, cache) = (self.store, self.cache);
        let mut wrote_at = Instant::now();
        let mut meanwhile = || {
            if wrote_at.elapsed() < PAUSE {
                return Ok(());
            }
            self.take()?;
            self.changes(disk)?;
            self.learned(disk)?;
            if self.synced_at.elapsed() >= SYNC {
                self.sync(disk)?;
                self.unsynced = true;
            }
            wrote_at = Instant::now();
            Ok(())
        };
        checkpoint::run(store, cache, disk, pace, &mut meanwhile)
    }

    /// A database that failed once takes no more: it is closed, and opened anew later.
    fn fail(&mut self, why: &Fault) {
        self.store.counts.failures.fetch_add(1, Relaxed);
        let first = self.store.error.lock().replace(why.to_string().into()).is_none();
        if first {
            let folder = self.store.folder.display();
            tracing::error!(%folder, %why, "the store fails; decisions go on, and it is tried again");
        }
        self.store.durable.failed();
        self.checkpoint_due = true;
        // What is to be forgotten is found by no comparison.
        self.changes.retain(Change::is_asked);
        let closed = self.store.disk.write().take();
        *self.store.unread.lock() = None;
        drop(closed);
    }

    /// Opens it anew, and has all compared: of what was not synced some may be lost.
    fn reopen(&mut self) -> Result<(), Fault> {
        let disk = Disk::open_again(&self.store.folder, self.store.value_key)?;
        let aside = aside::count(&disk)?;
        self.store.counts.aside.store(aside, Relaxed);
        self.store.names.lock().all_fresh();
        *self.store.disk.write() = Some(disk);
        self.checkpoint_due = true;
        Ok(())
    }
}
