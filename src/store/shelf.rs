//! The learner's shelf: reads what is kept from the database, leaves what has changed to
//! the keeper.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::disk::{self, Disk, Fault};
use super::names::Names;
use super::{Store, codec};
use crate::learn::{self, InCommon, Kept, KeptLabel, KeptLink, Page, Unread};
use crate::model::{EntityKind, Vocabulary};

/// What is usual for all entities together is kept under these keys; keys of entities are
/// longer.
const USUAL: &[u8] = b"*";
const SPREADS: &[u8] = b"*q";
const CROWDS: &[u8] = b"**";

/// Whether a key is of all entities together.
pub(super) fn is_common(key: &[u8]) -> bool {
    InCommon::ALL.into_iter().any(|of| key == common(of))
}

fn common(of: InCommon) -> &'static [u8] {
    match of {
        InCommon::Usual => USUAL,
        InCommon::Spreads => SPREADS,
        InCommon::Crowds => CROWDS,
    }
}

/// How many restored entities the learner is told at once.
const AT_ONCE: usize = 256;

/// How many entries are read at once.
const PAGE: usize = 4096;

/// What of an entity is kept apart from its signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Room {
    Profiles,
    Links,
    Labels,
}

impl Room {
    pub(super) const ALL: [Room; 3] = [Room::Profiles, Room::Links, Room::Labels];
}

/// Where an entry belongs.
pub(super) type Place = (Room, Vec<u8>);
/// An entry and its value, `None` where it is to be removed.
pub(super) type Entry = (Place, Option<Arc<[u8]>>);

/// Entries that are to be written, `None` where one is to be removed.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    entries: HashMap<Place, Option<Arc<[u8]>>>,
    restored: Vec<(EntityKind, Box<str>)>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn all(&self) -> Vec<Entry> {
        self.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// These are on disk; what has changed since stays.
    pub(super) fn written(&mut self, all: &[Entry]) {
        for (key, value) in all {
            let same = |now: &Option<Arc<[u8]>>| match (now, value) {
                (Some(now), Some(then)) => Arc::ptr_eq(now, then),
                (None, None) => true,
                _ => false,
            };
            if self.entries.get(key).is_some_and(same) {
                self.entries.remove(key);
            }
        }
    }

    pub(super) fn has(&self, entry: &Place) -> bool {
        self.entries.contains_key(entry)
    }

    /// The keys of a room under which something is to be written.
    fn keys(&self, room: Room) -> HashSet<Vec<u8>> {
        self.entries.keys().filter(|(of, _)| *of == room).map(|(_, key)| key.clone()).collect()
    }

    pub(super) fn put(&mut self, room: Room, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.entries.insert((room, key), value.map(Arc::from));
    }

    pub(super) fn restored(&mut self, entities: Vec<(EntityKind, Box<str>)>) {
        self.restored.extend(entities);
    }
}

/// A store, as the learner sees it.
#[derive(Debug)]
pub struct Shelf(pub Arc<Store>);

impl Shelf {
    fn key(&self, kind: EntityKind, id: &str) -> Option<Vec<u8>> {
        let kind = self.0.names.lock().kind(kind, &self.0.vocabulary)?;
        Some(codec::key(kind, id))
    }

    /// Reads the disk. One that fails is the keeper's to open again.
    fn on_disk<T>(&self, read: impl FnOnce(&Disk) -> Result<T, Fault>) -> Result<T, Unread> {
        let open = self.0.disk.read();
        let disk = open.as_ref().ok_or(Unread)?;
        disk::guarded(|| read(disk)).map_err(|why| {
            self.0.failed_to_read(why);
            Unread
        })
    }

    fn read(&self, key: &[u8]) -> Result<Option<Kept>, Unread> {
        let Store { names, vocabulary, .. } = &*self.0;
        let waiting = self.0.waiting.lock().entries.get(&(Room::Profiles, key.to_vec())).cloned();
        if let Some(waiting) = waiting {
            let decode = |kept: Arc<[u8]>| codec::decode_profile(&kept, &names.lock(), vocabulary);
            return Ok(waiting.and_then(decode));
        }
        self.on_disk(|disk| {
            let Some(found) = disk.room(Room::Profiles).get(key)? else { return Ok(None) };
            let kept = codec::decode_profile(&found, &names.lock(), vocabulary);
            if kept.is_none() {
                let unreadable = (key.to_vec(), found.to_vec());
                self.0.set_aside(disk, Room::Profiles, &[unreadable])?;
            }
            Ok(kept)
        })
    }

    fn write(&self, room: Room, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.0.waiting.lock().put(room, key, value);
    }

    /// Entries of a room from a key on. What is to be written over is older than what is known.
    fn page<T>(
        &self,
        room: Room,
        from: &[u8],
        decode: impl Fn(&[u8], &Names, &Vocabulary) -> Option<T>,
    ) -> Result<Page<T>, Unread> {
        let vocabulary = &self.0.vocabulary;
        self.on_disk(|disk| {
            let mut page = Page { entries: Vec::new(), next: None, unnamed: false };
            let mut unreadable = Vec::new();
            // Before it is read: what is written meanwhile waits no more.
            let waiting = self.0.waiting.lock().keys(room);
            for (read, entry) in disk.room(room).range(from..).enumerate() {
                let (key, value) = entry.into_inner()?;
                if read == PAGE {
                    page.next = Some(key.to_vec());
                    break;
                }
                if waiting.contains(&*key) {
                    continue;
                }
                let names = self.0.names.lock();
                let kind = codec::kind_of(&key).and_then(|kind| names.kind_id(kind, vocabulary));
                match (codec::id_of(&key), decode(&value, &names, vocabulary)) {
                    (Some(id), Some(read)) => {
                        page.unnamed |= kind.is_none();
                        page.entries.extend(kind.map(|kind| (kind, id.into(), read)));
                    }
                    _ => unreadable.push((key.to_vec(), value.to_vec())),
                }
            }
            self.0.set_aside(disk, room, &unreadable)?;
            Ok(page)
        })
    }
}

impl learn::Shelf for Shelf {
    fn find(&mut self, kind: EntityKind, id: &str) -> Result<Option<Kept>, Unread> {
        self.key(kind, id).map_or(Ok(None), |key| self.read(&key))
    }

    fn find_common(&mut self, of: InCommon) -> Result<Option<Kept>, Unread> {
        self.read(common(of))
    }

    fn put(&mut self, kind: EntityKind, id: &str, kept: &Kept) {
        let Some(key) = self.key(kind, id) else { return };
        let encoded = codec::encode_profile(kept, &mut self.0.names.lock(), &self.0.vocabulary);
        if encoded.is_some() {
            self.write(Room::Profiles, key, encoded);
        }
    }

    fn put_common(&mut self, of: InCommon, kept: &Kept) {
        let encoded = codec::encode_profile(kept, &mut self.0.names.lock(), &self.0.vocabulary);
        if encoded.is_some() {
            self.write(Room::Profiles, common(of).to_vec(), encoded);
        }
    }

    fn remove(&mut self, kind: EntityKind, id: &str) {
        if let Some(key) = self.key(kind, id) {
            self.write(Room::Profiles, key, None);
        }
    }

    fn put_label(&mut self, kind: EntityKind, id: &str, label: Option<&KeptLabel>) {
        let Some(key) = self.key(kind, id) else { return };
        let names = &mut self.0.names.lock();
        let label = label.map(|label| codec::encode_label(label, names, &self.0.vocabulary));
        self.write(Room::Labels, key, label);
    }

    fn put_links(&mut self, kind: EntityKind, id: &str, links: &[KeptLink]) {
        let Some(key) = self.key(kind, id) else { return };
        let names = &mut self.0.names.lock();
        let some = (!links.is_empty()).then_some(links);
        let links = some.map(|links| codec::encode_links(links, names, &self.0.vocabulary));
        self.write(Room::Links, key, links);
    }

    fn labels(&mut self, from: &[u8]) -> Result<Page<KeptLabel>, Unread> {
        self.page(Room::Labels, from, codec::decode_label)
    }

    fn links(&mut self, from: &[u8]) -> Result<Page<Vec<KeptLink>>, Unread> {
        self.page(Room::Links, from, codec::decode_links)
    }

    fn restored(&mut self) -> Vec<(EntityKind, Box<str>)> {
        let restored = &mut self.0.waiting.lock().restored;
        let from = restored.len().saturating_sub(AT_ONCE);
        restored.split_off(from)
    }
}
