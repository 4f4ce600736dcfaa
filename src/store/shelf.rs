//! The learner's shelf: reads profiles from the database, leaves changed ones to the keeper.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Store, codec};
use crate::learn::{self, Kept};
use crate::model::EntityKind;

/// What is usual for all entities together is kept under this key; keys of entities are longer.
const COMMON: &[u8] = b"*";

/// How many restored entities the learner is told at once.
const AT_ONCE: usize = 256;

/// A key and an encoded profile.
pub(super) type Entry = (Vec<u8>, Option<Arc<[u8]>>);

/// Profiles that are to be written, `None` where one is to be removed.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    profiles: HashMap<Vec<u8>, Option<Arc<[u8]>>>,
    restored: Vec<(EntityKind, Box<str>)>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.profiles.len()
    }

    pub(super) fn all(&self) -> Vec<Entry> {
        self.profiles.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// These are on disk; what has changed since stays.
    pub(super) fn written(&mut self, all: &[Entry]) {
        for (key, value) in all {
            let same = |now: &Option<Arc<[u8]>>| match (now, value) {
                (Some(now), Some(then)) => Arc::ptr_eq(now, then),
                (None, None) => true,
                _ => false,
            };
            if self.profiles.get(key).is_some_and(same) {
                self.profiles.remove(key);
            }
        }
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.profiles.insert(key, None);
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
        let waiting = self.0.profiles.lock().profiles.get(key).cloned();
        if let Some(waiting) = waiting {
            return codec::decode_profile(&waiting?, &names.lock(), vocabulary);
        }
        // While the store fails nothing is known, and all is learned anew.
        let found = self.0.disk.read().as_ref()?.profiles.get(key).ok()??;
        let kept = codec::decode_profile(&found, &names.lock(), vocabulary);
        if kept.is_none() {
            tracing::error!("a profile in the store can't be read; it is learned anew");
        }
        kept
    }

    fn write(&self, key: Vec<u8>, kept: &Kept) {
        let encoded = codec::encode_profile(kept, &mut self.0.names.lock(), &self.0.vocabulary);
        if let Some(encoded) = encoded {
            self.0.profiles.lock().profiles.insert(key, Some(encoded.into()));
        }
    }
}

impl learn::Shelf for Shelf {
    fn find(&mut self, kind: EntityKind, id: &str) -> Option<Kept> {
        self.read(&self.key(kind, id)?)
    }

    fn find_common(&mut self) -> Option<Kept> {
        self.read(COMMON)
    }

    fn put(&mut self, kind: EntityKind, id: &str, kept: &Kept) {
        if let Some(key) = self.key(kind, id) {
            self.write(key, kept);
        }
    }

    fn put_common(&mut self, kept: &Kept) {
        self.write(COMMON.to_vec(), kept);
    }

    fn remove(&mut self, kind: EntityKind, id: &str) {
        if let Some(key) = self.key(kind, id) {
            self.0.profiles.lock().remove(key);
        }
    }

    fn restored(&mut self) -> Vec<(EntityKind, Box<str>)> {
        let restored = &mut self.0.profiles.lock().restored;
        let from = restored.len().saturating_sub(AT_ONCE);
        restored.split_off(from)
    }
}
