//! Keys: who can't see the secret can't aim two entities at one bucket.

use std::hash::{BuildHasher, Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::model::{EntityKind, Value};

/// 128 bits of SipHash-1-3 over an entity's kind and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u64; 2]);

/// What the index holds: a key and where its entity is, side by side so that one
/// cache line has both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) slot: u32,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl scc::Equivalent<Place> for Key {
    fn equivalent(&self, place: &Place) -> bool {
        *self == place.key
    }
}

/// The keys of the cache's hashes.
#[derive(Clone)]
pub struct Secrets {
    keys: [u8; 16],
    values: [u8; 16],
}

impl Secrets {
    /// Fresh secrets from the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secrets = Secrets { keys: [0; 16], values: [0; 16] };
        getrandom::fill(&mut secrets.keys)?;
        getrandom::fill(&mut secrets.values)?;
        Ok(secrets)
    }

    /// Takes the key of value hashes from outside: a store that keeps learned
    /// summaries over a restart keeps this beside them. (The key of entity keys
    /// is always the process's own: stores key on raw ids.)
    pub fn with_value_key(mut self, key: [u8; 16]) -> Self {
        self.values = key;
        self
    }

    pub(super) fn key(&self, kind: EntityKind, id: &str) -> Key {
        let mut hasher = SipHasher13::new_with_key(&self.keys);
        hasher.write(id.as_bytes());
        hasher.write_u8(kind.0);
        let hash = hasher.finish128();
        Key([hash.h1, hash.h2])
    }

    pub(super) fn value_hash(&self, value: Value<'_>) -> Option<u32> {
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.values);
        match value {
            Value::Missing | Value::None => return None,
            Value::Bool(x) => (1u8, x).hash(&mut hasher),
            // 0.0 and -0.0 are one number.
            Value::Number(x) | Value::Duration(x) => (2u8, (x + 0.0).to_bits()).hash(&mut hasher),
            Value::Text(text) => (3u8, text).hash(&mut hasher),
            Value::Timestamp(at) => (4u8, at.millis()).hash(&mut hasher),
            Value::Address(ip) => (5u8, ip).hash(&mut hasher),
            Value::Location { latitude, longitude } => {
                (6u8, latitude.to_bits(), longitude.to_bits()).hash(&mut hasher);
            }
            Value::Set(set) => (7u8, set.as_packed()).hash(&mut hasher),
        }
        Some(hasher.finish() as u32)
    }
}

/// Secrets don't go to logs.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Key {
    /// Out of bits that the index doesn't look at.
    pub(super) fn shard(self, shards: usize) -> u8 {
        let Key([_, high]) = self;
        (high as usize & (shards - 1)) as u8
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Key([low, _]) = *self;
        state.write_u64(low);
    }
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PassThrough;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed(u64);

impl BuildHasher for PassThrough {
    type Hasher = Passed;

    fn build_hasher(&self) -> Passed {
        Passed(0)
    }
}

impl Hasher for Passed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
