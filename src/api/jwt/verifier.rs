//! Verifying tokens, of end users and of callers alike.
//!
//! Nothing that a token says chooses how it is verified: each key has one
//! algorithm, and the configuration says which are taken.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jsonwebtoken::{decode, decode_header};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::cache::{Cache, Verified};
use super::keys::Keys;
use super::refusal::TokenRefusal;
use super::remote::Remote;
use crate::api::renewed::{Renew, Renewed, read_file};
use crate::config::TokenTrust;
use crate::model::Timestamp;
use crate::telemetry::DecisionMetrics;

/// No key set is longer (bytes).
pub(super) const MAX_KEY_SET: u64 = 1024 * 1024;

/// A longer token is not looked at (bytes).
pub(super) const MAX_TOKEN: usize = 16 * 1024;

/// How far clocks may be apart (seconds).
pub(super) const LEEWAY: u64 = 30;

type Claims = Map<String, Json>;

/// Verifies tokens and keeps a `T` of each.
pub struct Verifier<T> {
    pub(super) keys: KeySet,
    keep: Box<dyn Fn(&Claims) -> T + Send + Sync>,
    cache: Cache<T>,
    metrics: Arc<DecisionMetrics>,
}

/// Where keys come from.
pub(super) enum KeySet {
    File(Renewed<Keys>),
    Url(Remote),
}

impl<T> fmt::Debug for Verifier<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl<T> Verifier<T> {
    /// # Errors
    /// When the file of keys can't be read, or has none of the algorithms that are
    /// taken. A URL is fetched later.
    pub fn new(
        trust: TokenTrust,
        metrics: Arc<DecisionMetrics>,
        keep: impl Fn(&Claims) -> T + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let keys = if trust.url().is_some() {
            KeySet::Url(Remote::new(trust, Arc::clone(&metrics)))
        } else {
            let path = PathBuf::from(&trust.jwks);
            KeySet::File(Renewed::new(trust.key, vec![path.clone()], move || {
                let text = read_file(&path, MAX_KEY_SET)?;
                Keys::parse(&text, &trust).map_err(|why| format!("`{}`: {why}", path.display()))
            })?)
        };
        Ok(Verifier { keys, keep: Box::new(keep), cache: Cache::default(), metrics })
    }

    /// For the one thread that looks after files.
    pub fn renew(&self) -> &dyn Renew {
        match &self.keys {
            KeySet::File(keys) => keys,
            KeySet::Url(keys) => keys,
        }
    }

    fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        match &self.keys {
            KeySet::File(keys) => keys.now(),
            KeySet::Url(keys) => keys.now(),
        }
    }

    /// What is known of a token. A refusal is counted.
    ///
    /// # Errors
    /// When it is not believed.
    pub fn verify(&self, token: &str) -> Result<Arc<Verified<T>>, TokenRefusal> {
        self.look_up_or_verify(token).inspect_err(|why| {
            why.count(&self.metrics.tokens);
            if let (TokenRefusal::UnknownKey, KeySet::Url(keys)) = (why, &self.keys) {
                keys.want();
            }
        })
    }

    /// Whether a token is still what it was when it was verified: it has not
    /// expired, and its key was not taken back.
    pub fn holds(&self, verified: &Verified<T>) -> bool {
        verified.generation == self.keys().generation && seconds_now() <= verified.until
    }

    fn look_up_or_verify(&self, token: &str) -> Result<Arc<Verified<T>>, TokenRefusal> {
        if token.len() > MAX_TOKEN {
            return Err(TokenRefusal::TooLong);
        }
        let hash = Sha256::digest(token.as_bytes()).into();
        let (keys, now) = (self.keys(), seconds_now());
        // A key that is no longer in the set has verified nothing.
        let is_good = |v: &Verified<T>| v.generation == keys.generation && now <= v.until;
        if let Some(verified) = self.cache.find(&hash).filter(|v| is_good(v)) {
            return Ok(verified);
        }
        let header = decode_header(token).map_err(|_| TokenRefusal::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenRefusal::Extension);
        }
        let key = keys.find(header.kid.as_deref(), header.alg)?;
        let claims = decode::<Claims>(token, &key.decoding, &key.validation)
            .map_err(|why| TokenRefusal::from(&why))?
            .claims;
        // RFC 7519 has one issuer; a list with ours in it is nobody's.
        if !claims.get("iss").is_some_and(Json::is_string) {
            return Err(TokenRefusal::Issuer);
        }
        let until = claims.get("exp").and_then(Json::as_f64).unwrap_or_default() as u64;
        let verified = Arc::new(Verified {
            kept: (self.keep)(&claims),
            until: until.saturating_add(LEEWAY),
            generation: keys.generation,
        });
        self.cache.keep(hash, Arc::clone(&verified), now);
        Ok(verified)
    }
}

pub(super) fn seconds_now() -> u64 {
    u64::try_from(Timestamp::now().millis() / 1000).unwrap_or_default()
}
