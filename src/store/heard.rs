//! Keeping when entities were asked for. A request is hearing of its entities, by which they
//! are not forgotten, and leaves no note: now and then all are looked at.

use super::batch::Batch;
use super::disk::{Disk, Fault};
use super::hourly::Hourly;
use super::{Store, codec};
use crate::signals::Cache;

/// What is kept may be behind by so much (seconds).
const BEHIND: f64 = 3600.0;
/// So many at once, so that answers hardly wait for it: some 0.1 ms. A million take minutes.
const AT_ONCE: usize = 64;

/// Looks at some entities, where it is time to.
pub(super) fn pass(
    hourly: &mut Hourly,
    store: &Store,
    disk: &Disk,
    cache: &Cache,
) -> Result<(), Fault> {
    let Some(left) = hourly.left() else { return Ok(()) };
    let mut batch = Batch::new(store, disk);
    for entry in disk.entities.range(left).take(AT_ONCE) {
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
        hourly.looked_at(key.to_vec());
    }
    batch.commit()?;
    hourly.end_if_over();
    Ok(())
}
