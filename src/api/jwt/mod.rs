//! Tokens of end users, verified here.
//!
//! A token that is there and can't be verified ends a proxy's request: who garbles
//! a token must not become nobody by it. Where no keys were had yet, a token says
//! nothing.

mod cache;
mod keys;
mod refusal;
mod remote;
mod verifier;

use std::sync::Arc;

use bumpalo::Bump;
use serde_json::{Map, Value as Json};

use super::renewed::Renew;
use crate::config::{IdentityConfig, IdentitySource, JwtConfig};
use crate::signals::MAX_ID;
use crate::telemetry::DecisionMetrics;

pub use cache::Verified;
pub use refusal::TokenRefusal;
pub use verifier::Verifier;

/// Verifies tokens of end users.
#[derive(Debug)]
pub struct Jwt {
    header: String,
    cookie: Option<String>,
    /// The claims that any source asks for.
    claims: Arc<[String]>,
    verifier: Verifier<Kept>,
}

/// A claim as text, that it is not there, or why it can't be an id.
type Claim = Result<Option<Box<str>>, &'static str>;

/// All that is kept of a token.
#[derive(Debug)]
pub struct Kept {
    /// In the order of the sources' claims.
    ids: Box<[Claim]>,
    /// Those of `jwt.claims` that it has.
    pub(super) properties: Map<String, Json>,
}

impl Jwt {
    /// # Errors
    /// When the file of keys can't be read, or has none of the algorithms that are
    /// taken.
    pub fn new(
        config: &JwtConfig,
        identity: &IdentityConfig,
        metrics: Arc<DecisionMetrics>,
    ) -> Result<Self, String> {
        let mut claims: Vec<String> = Vec::new();
        for source in identity.0.values().flatten() {
            if let IdentitySource::Jwt { claim } = source
                && !claims.contains(claim)
            {
                claims.push(claim.clone());
            }
        }
        let claims: Arc<[String]> = claims.into();
        let (ids, properties) = (Arc::clone(&claims), config.claims.clone());
        let keep = move |claims: &Map<String, Json>| Kept {
            ids: ids.iter().map(|name| text(claims.get(name))).collect(),
            properties: properties
                .iter()
                .filter_map(|name| Some((name.clone(), claims.get(name)?.clone())))
                .collect(),
        };
        Ok(Jwt {
            header: config.header.to_ascii_lowercase(),
            cookie: config.cookie.clone(),
            claims,
            verifier: Verifier::new(config.trust()?, metrics, keep)?,
        })
    }

    /// For the one thread that looks after files.
    pub fn renew(&self) -> &dyn Renew {
        self.verifier.renew()
    }

    /// The header that the token is in, in lower case.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// The cookie that it is in where the header has none.
    pub(super) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// A claim of a token; nothing where the token doesn't have it, or where there
    /// are no keys yet.
    ///
    /// # Errors
    /// Where the token can't be verified, or the claim be no id.
    pub(super) fn claim<'r>(
        &self,
        token: &str,
        claim: &str,
        arena: &'r Bump,
    ) -> Result<Option<&'r str>, &'static str> {
        let verified = match self.verifier.verify(token) {
            Ok(verified) => verified,
            Err(TokenRefusal::NoKeys) => return Ok(None),
            Err(why) => return Err(why.text()),
        };
        let id = self.id(&verified.kept, claim)?;
        Ok(id.map(|id| &*arena.alloc_str(id)))
    }

    /// # Errors
    /// Where the token can't be verified.
    pub(super) fn verify(&self, token: &str) -> Result<Arc<Verified<Kept>>, TokenRefusal> {
        self.verifier.verify(token)
    }

    /// What a claim of a verified token names.
    ///
    /// # Errors
    /// Where it can be no id.
    pub(super) fn id<'k>(
        &self,
        kept: &'k Kept,
        claim: &str,
    ) -> Result<Option<&'k str>, &'static str> {
        let at = self.claims.iter().position(|name| name == claim);
        match at.and_then(|at| kept.ids.get(at)) {
            Some(Ok(id)) => Ok(id.as_deref()),
            Some(Err(why)) => Err(why),
            None => Ok(None),
        }
    }

    /// The token in the header's value. In `authorization` other schemes may stand,
    /// which are no tokens of ours.
    pub(super) fn token<'v>(&self, value: &'v str) -> Option<&'v str> {
        let value = value.trim();
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(rest.trim());
        }
        (self.header != "authorization" && !value.is_empty()).then_some(value)
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

#[cfg(test)]
mod tests;
