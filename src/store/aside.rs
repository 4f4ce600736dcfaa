//! What can't be read is set aside: moved to where nothing is written over it, so that who
//! looks into it, or a version that can read it, finds it as it was.
//!
//! ```text
//! key      room:8 | the key it had | 0:8 | hash of the value:64 (big-endian)
//! value    as it was
//! ```

use std::hash::Hasher as _;
use std::sync::atomic::Ordering::Relaxed;

use fjall::{OwnedWriteBatch as WriteBatch, PersistMode};
use siphasher::sip::SipHasher13;

use super::disk::{Disk, Fault};
use super::shelf::{Room, is_common};
use super::{Store, codec};

/// An entry that can't be read: its key and value.
pub(super) type Unreadable = (Vec<u8>, Vec<u8>);

impl Room {
    fn tag(self) -> u8 {
        match self {
            Room::Profiles => b'p',
            Room::Links => b'l',
            Room::Labels => b'f',
        }
    }

    fn entry(self) -> &'static str {
        match self {
            Room::Profiles => "profile",
            Room::Links => "links",
            Room::Labels => "label",
        }
    }
}

/// What the keys of all begin with that were set aside under a key. No id has a zero.
fn all_of(room: Room, key: &[u8]) -> Vec<u8> {
    [&[room.tag()], key, &[0]].concat()
}

/// One for each value that a key had: what was set aside before stays.
fn place(room: Room, (key, value): &Unreadable) -> Vec<u8> {
    let mut hasher = SipHasher13::new();
    hasher.write(value);
    let mut place = all_of(room, key);
    place.extend(hasher.finish().to_be_bytes());
    place
}

/// How many lie aside.
pub(super) fn count(disk: &Disk) -> Result<u64, Fault> {
    Ok(disk.aside.len()? as u64)
}

/// Nothing may stay aside of who is forgotten. Gives how many there were.
pub(super) fn forget(disk: &Disk, batch: &mut WriteBatch, key: &[u8]) -> Result<u64, Fault> {
    let mut gone = 0;
    for room in Room::ALL {
        for entry in disk.aside.prefix(all_of(room, key)) {
            batch.remove(&disk.aside, entry.key()?);
            gone += 1;
        }
    }
    Ok(gone)
}

impl Store {
    /// Moves entries of a room that can't be read, all or none. Until that is done nothing
    /// may be written under their keys by the one who read them.
    pub(super) fn set_aside(
        &self,
        disk: &Disk,
        room: Room,
        all: &[Unreadable],
    ) -> Result<(), Fault> {
        if all.is_empty() {
            return Ok(());
        }
        let mut batch = disk.database.batch().durability(Some(PersistMode::Buffer));
        for entry in all {
            let (key, value) = entry;
            batch.insert(&disk.aside, place(room, entry), value.as_slice());
            // What is about to be written there, or was since it was read, is not this one.
            let is_waiting = self.waiting.lock().has(&(room, key.clone()));
            if !is_waiting && disk.room(room).get(key)?.is_some_and(|now| *now == **value) {
                batch.remove(disk.room(room), key.as_slice());
            }
        }
        batch.commit()?;
        self.counts.unreadable.fetch_add(all.len() as u64, Relaxed);
        self.counts.aside.fetch_add(all.len() as u64, Relaxed);
        for (key, _) in all {
            let kind = codec::kind_of(key).filter(|_| !is_common(key));
            let kind = kind.and_then(|number| self.names.lock().kind_name(number));
            let id = if is_common(key) { Some("all together") } else { codec::id_of(key) };
            tracing::error!(
                what = room.entry(),
                kind = kind.as_deref().unwrap_or_default(),
                id = id.unwrap_or_default(),
                "an entry in the store can't be read: it was set aside, and is learned anew"
            );
        }
        Ok(())
    }

    /// A read has failed: the keeper takes it for the store failing.
    pub(super) fn failed_to_read(&self, why: Fault) {
        *self.unread.lock() = Some(why);
    }
}
