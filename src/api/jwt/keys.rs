//! The keys that tokens are verified with.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::LEEWAY;
use crate::config::{JwtAlgorithm, JwtConfig};

#[derive(Debug)]
pub(super) struct Keys {
    /// Differs from one reading of the set to the next.
    pub(super) generation: u64,
    keys: Vec<Key>,
}

#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    pub(super) validation: Validation,
}

impl Keys {
    pub(super) fn parse(text: &[u8], config: &JwtConfig) -> Result<Self, String> {
        static GENERATION: AtomicU64 = AtomicU64::new(0);
        let set: JwkSet = serde_json::from_slice(text).map_err(|why| why.to_string())?;
        let mut keys = Vec::new();
        for jwk in &set.keys {
            // Keys for other uses, and secrets, which would let readers of the set sign.
            let Some(algorithm) = algorithm(jwk).filter(|a| takes(config, *a)) else { continue };
            let decoding = DecodingKey::from_jwk(jwk).map_err(|why| why.to_string())?;
            let mut validation = Validation::new(algorithm);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            validation.set_issuer(&[&config.issuer]);
            validation.set_audience(&[&config.audience]);
            validation.validate_nbf = true;
            validation.leeway = LEEWAY;
            keys.push(Key { id: jwk.common.key_id.clone(), algorithm, decoding, validation });
        }
        if keys.is_empty() {
            return Err("no key of the set is of an algorithm that is taken".to_owned());
        }
        Ok(Keys { generation: GENERATION.fetch_add(1, Relaxed), keys })
    }

    /// A token that names no key is taken only where there is one key.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let only = self.keys.len() == 1;
        let named = |key: &&Key| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => only,
        };
        self.keys.iter().filter(named).find(|key| key.algorithm == algorithm)
    }
}

/// The one algorithm of a key.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if matches!(jwk.common.public_key_use, Some(ref of) if *of != PublicKeyUse::Signature) {
        return None;
    }
    let (of, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|it| it == named).then_some(of)
}

fn takes(config: &JwtConfig, algorithm: Algorithm) -> bool {
    config.algorithms.iter().any(|one| {
        algorithm
            == match one {
                JwtAlgorithm::RS256 => Algorithm::RS256,
                JwtAlgorithm::ES256 => Algorithm::ES256,
                JwtAlgorithm::EdDSA => Algorithm::EdDSA,
            }
    })
}

/// What the person concerned may read.
pub(super) fn explain(why: &Error) -> &'static str {
    match why.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is not of the issuer that is trusted",
        ErrorKind::InvalidAudience => "the token is for somebody else",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks `exp`, `iss` or `aud`",
        _ => "the token can't be verified",
    }
}
