//! Callers that show a signed token of an identity provider.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{Permissions, named};
use crate::api::jwt::{TokenRefusal, Verified, Verifier};
use crate::api::renewed::Renew;
use crate::config::{CallerJwtConfig, CallerRule, ClaimValue, Permission};
use crate::telemetry::DecisionMetrics;

/// A longer name is cut off (characters).
const MAX_NAME: usize = 200;

#[derive(Debug)]
pub(super) struct Signed(Verifier<SignedCaller>);

/// What is kept of a caller's token.
#[derive(Debug)]
pub(super) struct SignedCaller {
    pub(super) name: Arc<str>,
    pub(super) permissions: Permissions,
}

impl Signed {
    /// # Errors
    /// When the file of keys can't be read.
    pub(super) fn new(
        config: &CallerJwtConfig,
        metrics: Arc<DecisionMetrics>,
    ) -> Result<Self, String> {
        let rules = config.clone();
        let keep = move |claims: &Map<String, Json>| SignedCaller {
            name: name(&rules, claims),
            permissions: permissions(&rules, claims),
        };
        Verifier::new(config.trust()?, metrics, keep).map(Signed)
    }

    pub(super) fn renew(&self) -> &dyn Renew {
        self.0.renew()
    }

    pub(super) fn verify(&self, token: &[u8]) -> Result<Arc<Verified<SignedCaller>>, TokenRefusal> {
        let token = std::str::from_utf8(token).map_err(|_| TokenRefusal::Malformed)?;
        self.0.verify(token)
    }

    pub(super) fn holds(&self, verified: &Verified<SignedCaller>) -> bool {
        self.0.holds(verified)
    }
}

fn name(config: &CallerJwtConfig, claims: &Map<String, Json>) -> Arc<str> {
    let name = match claims.get(&config.name_claim) {
        Some(Json::String(name)) => {
            name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
        }
        Some(Json::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if name.is_empty() { "someone with a token".into() } else { name.into() }
}

fn permissions(config: &CallerJwtConfig, claims: &Map<String, Json>) -> Permissions {
    let listed = config.permissions_claim.as_ref().and_then(|claim| claims.get(claim));
    let mut all: Vec<Permission> = match listed {
        Some(Json::String(words)) => words.split_whitespace().filter_map(named).collect(),
        Some(Json::Array(words)) => {
            words.iter().filter_map(Json::as_str).filter_map(named).collect()
        }
        _ => Vec::new(),
    };
    let met = config.rules.iter().filter(|rule| is_met(rule, claims));
    all.extend(met.flat_map(|rule| &rule.permissions));
    Permissions::of(&all)
}

fn is_met(rule: &CallerRule, claims: &Map<String, Json>) -> bool {
    let is = |claim: &Json| match &rule.value {
        ClaimValue::Text(text) => claim.as_str() == Some(text),
        ClaimValue::Number(number) => claim.as_i64() == Some(*number),
        ClaimValue::Bool(flag) => claim.as_bool() == Some(*flag),
    };
    match claims.get(&rule.claim) {
        Some(Json::Array(all)) => all.iter().any(is),
        Some(claim) => is(claim),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::{name, permissions};
    use crate::api::access::Permissions;
    use crate::config::CallerJwtConfig;
    use crate::config::Permission::{Admin, Decide, Report, Review};

    fn config() -> CallerJwtConfig {
        serde_json::from_value(json!({
            "jwks": "keys", "issuer": "i", "audience": "a", "algorithms": ["ES256"],
            "permissions_claim": "plimsoll",
            "rules": [
                {"claim": "sub", "value": "feed", "permissions": ["report"]},
                {"claim": "roles", "value": "analyst", "permissions": ["review", "decide"]},
                {"claim": "level", "value": 3, "permissions": ["admin"]},
            ],
        }))
        .unwrap()
    }

    #[test]
    fn claims_give_permissions_and_nothing_else_does() {
        for (claims, expected) in [
            (json!({}), &[][..]),
            (json!({"sub": "feed"}), &[Report]),
            (json!({"sub": "feeder", "roles": "analysts"}), &[]),
            (json!({"sub": ["x", "feed"]}), &[Report]),
            (json!({"roles": ["analyst"], "sub": "feed"}), &[Review, Decide, Report]),
            (json!({"level": 3}), &[Admin]),
            (json!({"level": "3"}), &[]),
            (json!({"level": {"3": 3}}), &[]),
            (json!({"plimsoll": "decide rule  report"}), &[Decide, Report]),
            (json!({"plimsoll": ["admin", 3, "Review"]}), &[Admin]),
            (json!({"plimsoll": {"admin": true}}), &[]),
        ] {
            let claims: Json = claims;
            let found = permissions(&config(), claims.as_object().unwrap());
            assert_eq!(found, Permissions::of(expected), "{claims}");
        }
    }

    #[test]
    fn a_name_is_one_line_and_short() {
        let of = |claims: Json| name(&config(), claims.as_object().unwrap()).to_string();
        assert_eq!(of(json!({"sub": "a\nb"})), "ab");
        assert_eq!(of(json!({"sub": "x".repeat(1000)})).len(), 200);
        assert_eq!(of(json!({"sub": 7})), "7");
        assert_eq!(of(json!({})), "someone with a token");
    }
}
