//! Dropping profiles of entities that never came again. Those that do are dropped when
//! they are observed, by the learner; nobody else looks at the rest.

use super::batch::Batch;
use super::disk::{Disk, Fault};
use super::hourly::Hourly;
use super::shelf::{Room, is_common};
use super::{Store, codec};
use crate::learn::Bounds;
use crate::model::{Seconds, Timestamp};

/// So many at once: a fraction of a millisecond.
const AT_ONCE: usize = 256;
/// There may be so many times as many profiles as the cache may hold entities. Where there
/// are more, they stay for half as long, and half of that.
const TIMES: usize = 4;
const MOST_HALVINGS: i32 = 12;

/// How far the look at all profiles is.
#[derive(Debug)]
pub(super) struct Retention {
    hourly: Hourly,
    stayed: usize,
    halvings: i32,
    dropped: u64,
}

impl Retention {
    pub(super) fn new() -> Self {
        Retention { hourly: Hourly::new(), stayed: 0, halvings: 0, dropped: 0 }
    }

    /// Looks at some profiles, where it is time to. `most` is how many entities the cache
    /// holds at most.
    pub(super) fn pass(
        &mut self,
        store: &Store,
        disk: &Disk,
        most: usize,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(left) = self.hourly.left() else { return Ok(()) };
        let stays: Seconds = Bounds::default().retention / 2f64.powi(self.halvings);
        let mut batch = Batch::new(store, disk);
        let mut unreadable = Vec::new();
        for entry in disk.room(Room::Profiles).range(left).take(AT_ONCE) {
            let (key, value) = entry.into_inner()?;
            let key = key.to_vec();
            let is_old = !is_common(&key)
                && codec::last_seen(&value).is_some_and(|seen| now.seconds_since(seen) > stays);
            let entry = (Room::Profiles, key);
            // What waits to be written is news.
            if is_old && !store.waiting.lock().has(&entry) {
                // How old it is, is not to be believed of one that is damaged.
                let names = store.names.lock();
                if codec::decode_profile(&value, &names, &store.vocabulary).is_none() {
                    unreadable.push((entry.1.clone(), value.to_vec()));
                } else {
                    drop(names);
                    batch.put_learned(&entry, None)?;
                }
                self.dropped += 1;
            } else {
                self.stayed += 1;
            }
            self.hourly.looked_at(entry.1);
        }
        batch.commit()?;
        store.set_aside(disk, Room::Profiles, &unreadable)?;
        if self.hourly.end_if_over() {
            self.finish(most);
        }
        Ok(())
    }

    fn finish(&mut self, most: usize) {
        let most = most.saturating_mul(TIMES);
        if self.stayed > most {
            self.halvings = (self.halvings + 1).min(MOST_HALVINGS);
        } else if self.stayed < most / 2 {
            self.halvings = (self.halvings - 1).max(0);
        }
        if self.dropped > 0 {
            tracing::info!(
                dropped = self.dropped,
                stayed = self.stayed,
                "profiles of entities that were unseen for long left the store"
            );
        }
        (self.stayed, self.dropped) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::learn::{InCommon, Kept, Shelf as _};
    use crate::model::Vocabulary;
    use crate::store::Shelf;

    const DAY: f64 = 86_400.0;

    /// Seconds since 2020 of so many days ago.
    fn days_ago(days: f64) -> u32 {
        let seconds = Timestamp::now().seconds_since(Timestamp::EPOCH) - days * DAY;
        (seconds - 1_577_836_800.0) as u32
    }

    #[test]
    fn who_never_comes_again_leaves_the_disk_and_sooner_where_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = Arc::new(Vocabulary::new());
        let kind = vocabulary.kind("user").unwrap();
        let store = Arc::new(Store::open(folder.path(), vocabulary).unwrap());
        let mut shelf = Shelf(Arc::clone(&store));
        // Ten for each of the last 300 days.
        for n in 0..3000 {
            let seen = days_ago(f64::from(n / 10) + 0.4);
            shelf.put(kind, &format!("u{n}"), &Kept { seen, measures: Vec::new() });
        }
        for of in InCommon::ALL {
            shelf.put_common(of, &Kept::default());
        }
        let disk = store.disk.read();
        let disk = disk.as_ref().unwrap();
        let waiting = store.waiting.lock().all();
        let mut batch = Batch::new(&store, disk);
        for (key, value) in &waiting {
            batch.put_learned(key, value.as_deref()).unwrap();
        }
        batch.commit().unwrap();
        store.waiting.lock().written(&waiting);

        let left = |most: usize, retention: &mut Retention| {
            retention.hourly.begin();
            loop {
                retention.pass(&store, disk, most, Timestamp::now()).unwrap();
                if !retention.hourly.is_under_way() {
                    break disk.room(Room::Profiles).len().unwrap() - InCommon::ALL.len();
                }
            }
        };
        let mut retention = Retention::new();
        // One that has come again, and is about to be written.
        shelf.put(kind, "u2999", &Kept { seen: days_ago(0.0), measures: Vec::new() });
        assert_eq!(left(1000, &mut retention), 1801);
        assert_eq!(left(1000, &mut retention), 1801);
        // 400 may stay: after so many looks it is 180 / 8 days.
        for expected in [1801, 901, 451, 231] {
            assert_eq!(left(100, &mut retention), expected);
        }
        assert!(InCommon::ALL.into_iter().all(|of| shelf.find_common(of).unwrap().is_some()));
        assert!(shelf.find(kind, "u2999").unwrap().is_some());
    }
}
