//! Tokens of end users, verified here.
//!
//! A token that is there and can't be verified ends the request: who garbles a
//! token must not become nobody by it. Nothing that the token says chooses how it
//! is verified: each key has one algorithm, and the configuration says which are
//! taken.

mod cache;
mod keys;

use std::sync::Arc;

use bumpalo::Bump;
use jsonwebtoken::{decode, decode_header};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::renewed::{Renew, Renewed, read_file};
use crate::config::{IdentityConfig, IdentitySource, JwtConfig};
use crate::model::Timestamp;
use crate::signals::MAX_ID;
use cache::{Cache, Claim, Verified};
use keys::Keys;

/// No key set is longer (bytes).
const MAX_FILE: u64 = 1024 * 1024;

/// A longer token is not looked at (bytes).
const MAX_TOKEN: usize = 16 * 1024;

/// How far clocks may be apart (seconds).
const LEEWAY: u64 = 30;

/// Verifies tokens.
#[derive(Debug)]
pub struct Jwt {
    header: String,
    keys: Renewed<Keys>,
    /// The claims that any source asks for: all that is kept of a token.
    claims: Vec<String>,
    cache: Cache,
}

impl Jwt {
    /// # Errors
    /// When the key set can't be read, or has no key of the algorithms that are taken.
    pub fn new(config: &JwtConfig, identity: &IdentityConfig) -> Result<Self, String> {
        let mut claims: Vec<String> = Vec::new();
        for source in identity.0.values().flatten() {
            if let IdentitySource::Jwt { claim } = source
                && !claims.contains(claim)
            {
                claims.push(claim.clone());
            }
        }
        let header = config.header.to_ascii_lowercase();
        let config = config.clone();
        let keys = Renewed::new("jwt.jwks", vec![config.jwks.clone()], move || {
            let text = read_file(&config.jwks, MAX_FILE)?;
            let wrong = |why| format!("`{}`: {why}", config.jwks.display());
            Keys::parse(&text, &config).map_err(wrong)
        })?;
        Ok(Jwt { header, keys, claims, cache: Cache::default() })
    }

    /// For the one thread that looks after files.
    pub fn renew(&self) -> &dyn Renew {
        &self.keys
    }

    /// The header that the token is in, in lower case.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// A claim of the token in a header's value; nothing where there is no token
    /// or the token doesn't have the claim.
    ///
    /// # Errors
    /// Where there is a token that can't be verified.
    pub(super) fn claim<'r>(
        &self,
        value: &str,
        claim: &str,
        arena: &'r Bump,
    ) -> Result<Option<&'r str>, &'static str> {
        let Some(token) = self.token(value) else { return Ok(None) };
        let verified = self.verify(token)?;
        let at = self.claims.iter().position(|name| name == claim);
        match at.and_then(|at| verified.claims.get(at)) {
            Some(Ok(Some(text))) => Ok(Some(arena.alloc_str(text))),
            Some(Err(why)) => Err(why),
            Some(Ok(None)) | None => Ok(None),
        }
    }

    /// In `authorization` other schemes may stand, which are no tokens of ours.
    fn token<'v>(&self, value: &'v str) -> Option<&'v str> {
        let value = value.trim();
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(rest.trim());
        }
        (self.header != "authorization" && !value.is_empty()).then_some(value)
    }

    fn verify(&self, token: &str) -> Result<Arc<Verified>, &'static str> {
        if token.len() > MAX_TOKEN {
            return Err("the token is too long");
        }
        let hash = Sha256::digest(token.as_bytes()).into();
        let (keys, now) = (self.keys.now(), seconds_now());
        // A key that is no longer in the set has verified nothing.
        let is_good = |v: &Verified| v.generation == keys.generation && now <= v.until;
        if let Some(verified) = self.cache.find(&hash).filter(|v| is_good(v)) {
            return Ok(verified);
        }
        let header = decode_header(token).map_err(|_| "the token is malformed")?;
        if header.crit.is_some() {
            return Err("the token demands an extension");
        }
        let key = keys.find(header.kid.as_deref(), header.alg);
        let key = key.ok_or("no key is known that verifies the token")?;
        let claims = decode::<Map<String, Json>>(token, &key.decoding, &key.validation)
            .map_err(|why| keys::explain(&why))?
            .claims;
        // RFC 7519 has one issuer; a list with ours in it is nobody's.
        if !claims.get("iss").is_some_and(Json::is_string) {
            return Err("the token is not of the issuer that is trusted");
        }
        let until = claims.get("exp").and_then(Json::as_f64).unwrap_or_default() as u64;
        let verified = Arc::new(Verified {
            claims: self.claims.iter().map(|name| text(claims.get(name))).collect(),
            until: until.saturating_add(LEEWAY),
            generation: keys.generation,
        });
        self.cache.keep(hash, Arc::clone(&verified), now);
        Ok(verified)
    }
}

fn text(claim: Option<&Json>) -> Claim {
    match claim {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if text.len() <= MAX_ID => Ok(Some(text.as_str().into())),
        Some(Json::String(_)) => Err("the claim is too long"),
        Some(Json::Number(number)) => Ok(Some(number.to_string().into())),
        Some(_) => Err("the claim is neither a string nor a number"),
    }
}

fn seconds_now() -> u64 {
    u64::try_from(Timestamp::now().millis() / 1000).unwrap_or_default()
}

#[cfg(test)]
mod tests;
