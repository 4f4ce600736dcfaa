//! The keys that tokens are verified with.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::refusal::TokenRefusal;
use super::verifier::LEEWAY;
use crate::config::{JwtAlgorithm, TokenTrust};

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
    pub(super) fn parse(text: &[u8], trust: &TokenTrust) -> Result<Self, String> {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let set: JwkSet = serde_json::from_slice(text).map_err(|why| why.to_string())?;
        let mut keys = Vec::new();
        for jwk in &set.keys {
            // Keys for other uses, and secrets, which would let readers of the set sign.
            let Some(algorithm) = algorithm(jwk).filter(|a| takes(trust, *a)) else { continue };
            let decoding = DecodingKey::from_jwk(jwk).map_err(|why| why.to_string())?;
            let mut validation = Validation::new(algorithm);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            validation.set_issuer(&[&trust.issuer]);
            validation.set_audience(&[&trust.audience]);
            validation.validate_nbf = true;
            validation.leeway = LEEWAY;
            keys.push(Key { id: jwk.common.key_id.clone(), algorithm, decoding, validation });
        }
        if keys.is_empty() {
            return Err("no key of the set is of an algorithm that is taken".to_owned());
        }
        Ok(Keys { generation: GENERATION.fetch_add(1, Relaxed), keys })
    }

    /// Those that there are before a set was had.
    pub(super) fn none() -> Self {
        Keys { generation: 0, keys: Vec::new() }
    }

    /// A token that names no key is taken only where there is one key.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&Key, TokenRefusal> {
        if self.keys.is_empty() {
            return Err(TokenRefusal::NoKeys);
        }
        let only = self.keys.len() == 1;
        let mut named = self.keys.iter().filter(|key| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => only,
        });
        let mut known = false;
        let found = named.find(|key| {
            known = true;
            key.algorithm == algorithm
        });
        // A key of that name, for another algorithm: no newer set would help.
        found.ok_or(if known { TokenRefusal::Algorithm } else { TokenRefusal::UnknownKey })
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

fn takes(trust: &TokenTrust, algorithm: Algorithm) -> bool {
    trust.algorithms.iter().any(|one| {
        algorithm
            == match one {
                JwtAlgorithm::RS256 => Algorithm::RS256,
                JwtAlgorithm::ES256 => Algorithm::ES256,
                JwtAlgorithm::EdDSA => Algorithm::EdDSA,
            }
    })
}
