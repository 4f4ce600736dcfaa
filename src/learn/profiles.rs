//! All profiles: found by entity, bounded in number.

use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use super::profile::Profile;
use crate::model::{EntityKind, Timestamp};

/// How many profiles are looked at to find one that may go.
const SAMPLE: usize = 8;

/// The profiles of all entities.
#[derive(Debug)]
pub(super) struct Profiles {
    profiles: Vec<Profile>,
    index: HashTable<u32>,
    key: Keyed,
    most: usize,
    random: fastrand::Rng,
    /// How many were dropped to make room.
    pub(super) evicted: u64,
}

/// SipHash under a key: nobody can aim entities at one place.
#[derive(Clone, Copy, Debug)]
struct Keyed(u64, u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl Keyed {
    fn hash(self, kind: EntityKind, id: &str) -> u64 {
        let mut hasher = self.build_hasher();
        kind.0.hash(&mut hasher);
        id.hash(&mut hasher);
        hasher.finish()
    }
}

impl Profiles {
    /// At most so many profiles. Which ones go when there are more is drawn from `seed`.
    pub(super) fn new(most: usize, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let key = Keyed(random.u64(..), random.u64(..));
        let most = most.clamp(1, u32::MAX as usize);
        Profiles { profiles: Vec::new(), index: HashTable::new(), key, most, random, evicted: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.profiles.len()
    }

    /// Whether one goes for the next one.
    pub(super) fn is_full(&self) -> bool {
        self.profiles.len() >= self.most
    }

    /// What names a profile until it is dropped.
    pub(super) fn hash(&self, kind: EntityKind, id: &str) -> u64 {
        self.key.hash(kind, id)
    }

    pub(super) fn find(&self, kind: EntityKind, id: &str) -> Option<usize> {
        let is = |at: &u32| self.profiles.get(*at as usize).is_some_and(|p| p.is_of(kind, id));
        self.index.find(self.hash(kind, id), is).map(|at| *at as usize)
    }

    /// The profile of that hash which is due at that time.
    pub(super) fn find_due(&self, hash: u64, due: i64) -> Option<usize> {
        let is = |at: &u32| self.profiles.get(*at as usize).is_some_and(|p| p.due == due);
        self.index.find(hash, is).map(|at| *at as usize)
    }

    /// The entity's profile, made on first sight; where there are as many as may be,
    /// the longest unseen of a few goes.
    pub(super) fn find_or_make(&mut self, kind: EntityKind, id: &str, at: Timestamp) -> usize {
        if let Some(place) = self.find(kind, id) {
            return place;
        }
        if self.is_full() {
            let most = self.profiles.len();
            let sample = (0..SAMPLE).map(|_| self.random.usize(..most));
            let oldest = sample.min_by_key(|place| self.profiles.get(*place).map(Profile::seen));
            if let Some(place) = oldest {
                self.remove(place);
                self.evicted += 1;
            }
        }
        self.insert(Profile::new(kind, id, at))
    }

    pub(super) fn insert(&mut self, profile: Profile) -> usize {
        let hash = self.key.hash(profile.kind(), profile.id());
        let place = self.profiles.len();
        self.profiles.push(profile);
        let (key, profiles) = (self.key, &self.profiles);
        self.index.insert_unique(hash, place as u32, |at| {
            profiles.get(*at as usize).map_or(0, |p| key.hash(p.kind(), p.id()))
        });
        place
    }

    pub(super) fn get(&self, place: usize) -> Option<&Profile> {
        self.profiles.get(place)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Profile> {
        self.profiles.get_mut(place)
    }

    /// Drops a profile; the last one takes its place.
    pub(super) fn remove(&mut self, place: usize) {
        let Some(last) = self.profiles.len().checked_sub(1) else { return };
        self.unlink(place);
        if place != last
            && let Some(moved) = self.profiles.get(last)
        {
            let hash = self.key.hash(moved.kind(), moved.id());
            if let Some(at) = self.index.find_mut(hash, |at| *at as usize == last) {
                *at = place as u32;
            }
        }
        self.profiles.swap_remove(place);
    }

    fn unlink(&mut self, place: usize) {
        let Some(profile) = self.profiles.get(place) else { return };
        let hash = self.key.hash(profile.kind(), profile.id());
        if let Ok(entry) = self.index.find_entry(hash, |at| *at as usize == place) {
            entry.remove();
        }
    }

    /// Bytes that all profiles hold, and their index.
    pub(super) fn bytes(&self) -> usize {
        let spare = self.profiles.capacity() - self.profiles.len();
        let profiles: usize = self.profiles.iter().map(Profile::bytes).sum();
        profiles + spare * size_of::<Profile>() + self.index.allocation_size()
    }
}
