//! Putting what is kept into the cache, before this process says that it is ready.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use parking_lot::Mutex;

use super::disk::{self, Disk, Fault};
use super::{Store, codec};
use crate::model::{EntityKind, MeasureId, Measured, Plan, SignalId};
use crate::signals::Cache;

/// Threads that load: more gain nothing.
const MOST_THREADS: usize = 8;

/// What is kept can't be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the store in `{folder}` is damaged ({why}); it was left as it is. Put a backup in its place, \
     or move it away to start with nothing known"
)]
pub struct LoadError {
    folder: PathBuf,
    why: String,
}

/// What loading a kind needs to know.
struct Loading<'l> {
    disk: &'l Disk,
    cache: &'l Cache,
    number: u16,
    kind: EntityKind,
    name: Arc<str>,
    signals: Vec<Option<SignalId>>,
    measures: Vec<Option<MeasureId>>,
    /// What time alone changes.
    windows: Vec<MeasureId>,
}

/// What was loaded.
#[derive(Default)]
struct Loaded {
    entities: u64,
    refused: u64,
    /// The entities with something in a window.
    moving: Vec<(EntityKind, Box<str>)>,
}

impl Store {
    /// Loads the entities of all kinds that the catalog knows and that aren't loaded yet.
    /// What it doesn't know stays in the store untouched.
    ///
    /// # Errors
    /// Where the store is damaged. What was loaded until then stays.
    pub fn load(&self, cache: &Cache, plan: &Plan) -> Result<(), LoadError> {
        let mut loaded = self.loaded.lock();
        let kinds: Vec<(u16, EntityKind, Arc<str>)> = {
            let names = self.names.lock();
            let new = names.kinds().map(|(number, _)| number).filter(|n| !names.was_read(*n));
            let new: Vec<u16> = new.filter(|number| !loaded.contains(number)).collect();
            loaded.extend(new);
            let known = names.kinds().filter(|(number, _)| !loaded.contains(number));
            known
                .filter_map(|(number, name)| {
                    Some((number, self.vocabulary.find_kind(name)?, Arc::clone(name)))
                })
                .collect()
        };
        if kinds.is_empty() {
            return Ok(());
        }
        let open = self.disk.read();
        let Some(disk) = &*open else { return Ok(()) };
        let began = std::time::Instant::now();
        let mut counts = BTreeMap::new();
        for (number, kind, name) in kinds {
            let loading = {
                let names = self.names.lock();
                let window = |measure: &&crate::model::Measure| {
                    matches!(measure.of, Measured::Window { .. })
                };
                Loading {
                    disk,
                    cache,
                    number,
                    kind,
                    name: Arc::clone(&name),
                    signals: names.signals_of(number, kind, &self.vocabulary),
                    measures: names.all_measures(&self.vocabulary),
                    windows: plan.measures().iter().filter(window).map(|m| m.id).collect(),
                }
            };
            let done = disk::guarded(|| loading.run())
                .map_err(|why| LoadError { folder: self.folder.clone(), why: why.to_string() })?;
            self.counts.loaded.fetch_add(done.entities, Relaxed);
            self.counts.refused.fetch_add(done.refused, Relaxed);
            self.waiting.lock().restored(done.moving);
            loaded.push(number);
            counts.insert(name, done.entities);
            if done.refused > 0 {
                tracing::warn!(
                    entities = done.refused,
                    "the signal cache has no room for all that is in the store: raise its limits"
                );
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(
            entities = counts.values().sum::<u64>(),
            ?counts,
            seconds,
            "loaded the store"
        );
        Ok(())
    }

    /// Whether the entities of the kind, by the store's number, are in the cache.
    pub(super) fn is_loaded(&self, number: u16) -> bool {
        self.loaded.lock().contains(&number)
    }

    /// Whether what is kept under the key may be written over: of a kind that is there and
    /// isn't loaded yet it would be lost.
    pub(super) fn may_write(&self, key: &[u8]) -> bool {
        let number = codec::kind_of(key);
        number.is_some_and(|number| !self.names.lock().was_read(number) || self.is_loaded(number))
    }
}

impl Loading<'_> {
    /// Part by part, on all processors.
    fn run(&self) -> Result<Loaded, Fault> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicU8::new(0);
        let all = Mutex::new(Ok(Loaded::default()));
        let work = || {
            loop {
                let part = next.fetch_add(1, Relaxed);
                if part >= codec::PARTS || all.lock().is_err() {
                    return;
                }
                let done = self.part(part);
                let mut all = all.lock();
                match (&mut *all, done) {
                    (Ok(all), Ok(done)) => {
                        all.entities += done.entities;
                        all.refused += done.refused;
                        all.moving.extend(done.moving);
                    }
                    (Ok(_), Err(why)) => *all = Err(why),
                    (Err(_), _) => return,
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(MOST_THREADS) {
                scope.spawn(work);
            }
            work();
        });
        all.into_inner()
    }

    fn part(&self, part: u8) -> Result<Loaded, Fault> {
        let mut loaded = Loaded::default();
        for entry in self.disk.entities.prefix(codec::part(self.number, part)) {
            let (key, value) = entry.into_inner()?;
            let id = codec::id_of(&key);
            // Without it decisions would be others, and it would be written over: no start.
            let unreadable = || {
                let id = id.unwrap_or_default();
                Fault::Damaged(format!("the record of {} `{id}` can't be read", self.name))
            };
            let id = id.ok_or_else(unreadable)?;
            let heard = codec::heard(&value).ok_or_else(unreadable)?;
            let mut moving = false;
            let restored = self.cache.restore(self.kind, id, heard, |record| {
                let read = codec::decode(&value, &self.signals, &self.measures, record);
                moving = self.windows.iter().any(|window| record.counts_in(*window));
                read
            });
            match restored {
                Ok(read) => read.ok_or_else(unreadable)?,
                Err(_) => {
                    loaded.refused += 1;
                    continue;
                }
            }
            loaded.entities += 1;
            if moving {
                loaded.moving.push((self.kind, id.into()));
            }
        }
        Ok(loaded)
    }
}
