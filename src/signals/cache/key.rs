//! Keys: who can't see the secret can't aim two entities at one bucket.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::SHARDS;
use crate::model::{EntityKind, MAX_ENTITIES, Value};

/// Where an entity belongs, by SipHash-1-3 over its kind and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) shard: usize,
    pub(super) tag: Tag,
}

/// What a table knows an entity by: 28 bits of its hash and its kind. Two
/// entities may have one tag, and live side by side: the id in the record decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u32);

const _: () = assert!(MAX_ENTITIES <= 16);

impl Tag {
    pub(super) const HASH_BITS: u32 = 28;
    /// Never used.
    pub(super) const EMPTY: u32 = 0;
    /// Used once, and free again.
    pub(super) const GONE: u32 = 1;

    fn new(hash: u32, kind: EntityKind) -> Self {
        // Words without hash bits are the two above.
        Tag((hash >> 4).max(1) << 4 | u32::from(kind.0 & 0xf))
    }

    pub(super) fn of_word(word: u32) -> Option<Self> {
        (word > 0xf).then_some(Tag(word))
    }

    pub(super) fn word(self) -> u32 {
        self.0
    }

    pub(super) fn kind(self) -> EntityKind {
        EntityKind((self.0 & 0xf) as u8)
    }

    /// Its bucket among `1 << bits`.
    pub(super) fn bucket(self, bits: u32) -> usize {
        ((self.0 >> 4) >> (Self::HASH_BITS - bits)) as usize
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

    /// Secrets that aren't: for a replay, which is to be the same each time.
    pub fn of_keys(keys: [u8; 16], values: [u8; 16]) -> Self {
        Secrets { keys, values }
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
        let hash = hasher.finish();
        Key { shard: (hash >> 32) as usize % SHARDS, tag: Tag::new(hash as u32, kind) }
    }

    pub(super) fn value_hash(&self, value: Value<'_>) -> Option<u64> {
        let mut hasher = SipHasher13::new_with_key(&self.values);
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
        Some(hasher.finish())
    }

    /// A hash of one feature of a request's context, unlike that of any other value.
    pub(super) fn feature_hash(&self, feature: u8, of: &[u8]) -> u32 {
        let mut hasher = SipHasher13::new_with_key(&self.values);
        (8u8, feature, of).hash(&mut hasher);
        hasher.finish() as u32
    }
}

/// Secrets don't go to logs.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}
