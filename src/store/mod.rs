//! The store: what is known and learned of entities, on disk, so that it is there
//! again after a restart. The hot side never waits for it.
//!
//! ```text
//! cache --notes of changes--> keeper (a thread) --batches--> fjall
//! learner --profiles--> shelf ----^
//! start: fjall --records--> cache; first observation of an entity: fjall --profile--> learner
//! ```
//!
//! Kinds, signals and measures are kept by name: their numbers are given out anew by
//! each process. `names` has the numbers that the store itself gave out.

mod aside;
mod batch;
mod checkpoint;
mod codec;
mod disk;
mod heard;
mod hourly;
mod keeper;
mod load;
mod names;
mod retention;
mod shelf;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;

use parking_lot::{Mutex, RwLock};

use crate::background;
use crate::model::{Plan, Vocabulary};
use crate::signals::{Cache, Durable};

pub use disk::OpenError;
pub use load::LoadError;
pub use shelf::Shelf;

use disk::{Disk, Fault};
use names::Names;
use shelf::Waiting;

/// A store in a folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Nothing while it fails.
    disk: RwLock<Option<Disk>>,
    names: Mutex<Names>,
    /// The kinds, by the store's numbers, that are in the cache.
    loaded: Mutex<Vec<u16>>,
    waiting: Mutex<Waiting>,
    vocabulary: Arc<Vocabulary>,
    value_key: [u8; 16],
    durable: Arc<Durable>,
    counts: Counts,
    error: Mutex<Option<Arc<str>>>,
    /// Why the learner could not read, until the keeper has looked at it.
    unread: Mutex<Option<Fault>>,
}

#[derive(Debug, Default)]
struct Counts {
    batches: AtomicU64,
    failures: AtomicU64,
    checkpoints: AtomicU64,
    checkpoint_micros: AtomicU64,
    loaded: AtomicU64,
    refused: AtomicU64,
    written: AtomicU64,
    waiting: AtomicU64,
    learned: AtomicU64,
    unreadable: AtomicU64,
    aside: AtomicU64,
}

/// What a store says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Changes and profiles that are not written yet.
    pub waiting: u64,
    pub batches: u64,
    pub failures: u64,
    pub checkpoints: u64,
    /// How long all checkpoints took.
    pub checkpoint_seconds: f64,
    /// Entities that were put into the cache.
    pub loaded: u64,
    /// Entities that the cache had no room for.
    pub refused: u64,
    /// Entities of which the record was written or removed.
    pub written: u64,
    /// Profiles, links and labels that were written or removed.
    pub learned: u64,
    /// Entries that were found not to be readable since the start.
    pub unreadable: u64,
    /// Entries that lie aside, of this start and of earlier ones.
    pub aside: u64,
    /// Why it fails, while it does.
    pub error: Option<Arc<str>>,
}

impl Store {
    /// Opens the store in `folder`, which is made where there is none.
    ///
    /// # Errors
    /// Where it can't be used; nothing was changed then.
    pub fn open(folder: &Path, vocabulary: Arc<Vocabulary>) -> Result<Self, OpenError> {
        let (disk, value_key) = Disk::open(folder)?;
        let names = disk.names().map_err(|why| why.of(folder))?;
        let aside = aside::count(&disk).map_err(|why| why.of(folder))?;
        if aside > 0 {
            tracing::warn!(entries = aside, "some of what the store could not read lies aside");
        }
        let counts = Counts { aside: aside.into(), ..Counts::default() };
        Ok(Store {
            folder: folder.to_owned(),
            disk: RwLock::new(Some(disk)),
            names: Mutex::new(names),
            loaded: Mutex::default(),
            waiting: Mutex::default(),
            vocabulary,
            value_key,
            durable: Arc::default(),
            counts,
            error: Mutex::default(),
            unread: Mutex::default(),
        })
    }

    /// The key of value hashes, which familiar values are known by.
    pub fn value_key(&self) -> [u8; 16] {
        self.value_key
    }

    pub fn durable(&self) -> Arc<Durable> {
        Arc::clone(&self.durable)
    }

    /// Writes what changes in `cache`, and what the learner leaves, until `stop` says so
    /// or its sender is gone. `plan` is what is learned under the revision that decides.
    pub fn run(&self, cache: &Cache, plan: impl Fn() -> Option<Arc<Plan>>, stop: &Receiver<()>) {
        background::give_way();
        keeper::run(self, cache, &plan, stop);
    }

    pub fn state(&self, cache: &Cache) -> State {
        let count = |of: &AtomicU64| of.load(Relaxed);
        let waiting = count(&self.counts.waiting)
            + cache.changes_waiting() as u64
            + self.waiting.lock().len() as u64;
        State {
            waiting,
            batches: count(&self.counts.batches),
            failures: count(&self.counts.failures),
            checkpoints: count(&self.counts.checkpoints),
            checkpoint_seconds: count(&self.counts.checkpoint_micros) as f64 / 1e6,
            loaded: count(&self.counts.loaded),
            refused: count(&self.counts.refused),
            written: count(&self.counts.written),
            learned: count(&self.counts.learned),
            unreadable: count(&self.counts.unreadable),
            aside: count(&self.counts.aside),
            error: self.error.lock().clone(),
        }
    }
}
