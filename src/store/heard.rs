//! Keeping when entities were asked for. A request is hearing of its entities, by which they
//! are not forgotten, and leaves no note: now and then all are looked at.

use std::ops::Bound;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::disk::{Disk, Fault};
use super::{Store, codec};
use crate::signals::Cache;

/// How often all are looked at.
const EVERY: Duration = Duration::from_secs(3600);
/// What is kept may be behind by so much (seconds).
const BEHIND: f64 = 3600.0;
/// So many at once, so that answers hardly wait for it: some 0.1 ms. A million take minutes.
const AT_ONCE: usize = 64;

/// How far the look at all entities is.
#[derive(Debug)]
pub(super) struct Heard {
    /// The last one that was looked at, where a look is under way.
    pub(super) after: Option<Vec<u8>>,
    pub(super) next: Instant,
}

impl Heard {
    pub(super) fn new() -> Self {
        Heard { after: None, next: Instant::now() + EVERY }
    }

    /// Looks at some entities, where it is time to.
    pub(super) fn pass(&mut self, store: &Store, disk: &Disk, cache: &Cache) -> Result<(), Fault> {
        let after = match self.after.take() {
            Some(after) => after,
            None if Instant::now() >= self.next => Vec::new(),
            None => return Ok(()),
        };
        let mut batch = Batch::new(store, disk);
        for entry in disk.entities.range((Bound::Excluded(after), Bound::Unbounded)).take(AT_ONCE) {
            let (key, value) = entry.into_inner()?;
            let number = codec::kind_of(&key).filter(|number| store.is_loaded(*number));
            let kind = number.and_then(|of| store.names.lock().kind_id(of, &store.vocabulary));
            if let (Some(kind), Some(id)) = (kind, codec::id_of(&key))
                && let Some(heard) = cache.heard(kind, id)
                && codec::heard(&value).is_some_and(|kept| heard.seconds_since(kept) >= BEHIND)
                && let Some(value) = codec::with_heard(&value, heard)
            {
                batch.insert(key.to_vec(), value)?;
            }
            self.after = Some(key.to_vec());
        }
        batch.commit()?;
        if self.after.is_none() {
            self.next = Instant::now() + EVERY;
        }
        Ok(())
    }
}
