//! The learner's shelf: reads what is kept from the database, leaves what has changed to
//! the keeper.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::Names;
use super::{Store, codec};
use crate::learn::{self, InCommon, Kept, KeptLabel, KeptLink, Page};
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

    fn read(&self, key: &[u8]) -> Option<Kept> {
        let Store { names, vocabulary, .. } = &*self.0;
        let waiting = self.0.waiting.lock().entries.get(&(Room::Profiles, key.to_vec())).cloned();
        if let Some(waiting) = waiting {
            return codec::decode_profile(&waiting?, &names.lock(), vocabulary);
        }
        // While the store fails nothing is known, and all is learned anew.
        let found = self.0.disk.read().as_ref()?.room(Room::Profiles).get(key).ok()??;
        let kept = codec::decode_profile(&found, &names.lock(), vocabulary);
        if kept.is_none() {
            tracing::error!("a profile in the store can't be read; it is learned anew");
        }
        kept
    }

    fn write(&self, room: Room, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.0.waiting.lock().put(room, key, value);
    }

    /// Entries of a room from a key on.
    fn page<T>(
        &self,
        room: Room,
        from: &[u8],
        decode: impl Fn(&[u8], &Names, &Vocabulary) -> Option<T>,
    ) -> Option<Page<T>> {
        let disk = self.0.disk.read();
        let names = self.0.names.lock();
        let vocabulary = &self.0.vocabulary;
        let mut page = Page { entries: Vec::new(), next: None };
        for (read, entry) in disk.as_ref()?.room(room).range(from..).enumerate() {
            let (key, value) = entry.into_inner().ok()?;
            if read == PAGE {
                page.next = Some(key.to_vec());
                break;
            }
            let kind = codec::kind_of(&key).and_then(|kind| names.kind_id(kind, vocabulary));
            match (codec::id_of(&key), decode(&value, &names, vocabulary)) {
                (Some(id), Some(read)) => {
                    page.entries.extend(kind.map(|kind| (kind, id.into(), read)));
                }
                _ => tracing::error!(?room, "an entry in the store can't be read; it is left out"),
            }
        }
        Some(page)
    }
}

impl learn::Shelf for Shelf {
    fn find(&mut self, kind: EntityKind, id: &str) -> Option<Kept> {
        self.read(&self.key(kind, id)?)
    }

    fn find_common(&mut self, of: InCommon) -> Option<Kept> {
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

    fn labels(&mut self, from: &[u8]) -> Option<Page<KeptLabel>> {
        self.page(Room::Labels, from, codec::decode_label)
    }

    fn links(&mut self, from: &[u8]) -> Option<Page<Vec<KeptLink>>> {
        self.page(Room::Links, from, codec::decode_links)
    }

    fn restored(&mut self) -> Vec<(EntityKind, Box<str>)> {
        let restored = &mut self.0.waiting.lock().restored;
        let from = restored.len().saturating_sub(AT_ONCE);
        restored.split_off(from)
    }
}
