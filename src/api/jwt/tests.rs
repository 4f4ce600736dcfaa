use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bumpalo::Bump;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value as Json, json};

use std::sync::Arc;

use super::Jwt;
use super::verifier::{MAX_TOKEN, seconds_now};
use crate::config::{IdentityConfig, IdentitySource, JwtAlgorithm, JwtConfig};
use crate::telemetry::DecisionMetrics;

struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    pair: KeyPair,
}

impl Signer {
    fn new(id: &'static str, algorithm: Algorithm) -> Self {
        let kind = match algorithm {
            Algorithm::RS256 => &rcgen::PKCS_RSA_SHA256,
            Algorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            _ => &rcgen::PKCS_ED25519,
        };
        let pair = KeyPair::generate_for(kind).unwrap();
        let pem = pair.serialize_pem();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => Ok(EncodingKey::from_secret(b"not used")),
        };
        Signer { id, algorithm, key: key.unwrap(), pair }
    }

    fn jwk(&self) -> Jwk {
        let mut jwk = match self.algorithm {
            Algorithm::EdDSA => {
                let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(self.pair.public_key_raw())});
                serde_json::from_value(jwk).unwrap()
            }
            algorithm => Jwk::from_encoding_key(&self.key, algorithm).unwrap(),
        };
        jwk.common.key_id = Some(self.id.to_owned());
        jwk
    }

    fn sign(&self, claims: &Json) -> String {
        self.sign_as(claims, |_| {})
    }

    fn sign_as(&self, claims: &Json, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        change(&mut header);
        if self.algorithm == Algorithm::EdDSA {
            let part = |bytes: serde_json::Result<Vec<u8>>| BASE64.encode(bytes.unwrap());
            let message = format!(
                "{}.{}",
                part(serde_json::to_vec(&header)),
                part(serde_json::to_vec(claims))
            );
            let signature = self.pair.sign(message.as_bytes()).unwrap();
            return format!("{message}.{}", BASE64.encode(&signature));
        }
        encode(&header, claims, &self.key).unwrap()
    }
}

fn claims() -> Json {
    json!({"iss": "https://idp.test", "aud": "shop", "sub": "u1", "exp": seconds_now() + 600})
}

fn with(name: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[name] = value;
    claims
}

struct House {
    folder: tempfile::TempDir,
    jwt: Jwt,
    metrics: Arc<DecisionMetrics>,
}

fn house(keys: &[&Signer], algorithms: &[JwtAlgorithm]) -> House {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, keys);
    let config = JwtConfig {
        jwks: folder.path().join("jwks.json").to_str().unwrap().to_owned(),
        ca: None,
        refresh: "5m".to_owned(),
        issuer: "https://idp.test".to_owned(),
        audience: "shop".to_owned(),
        algorithms: algorithms.to_vec(),
        header: "authorization".to_owned(),
        cookie: None,
        claims: Vec::new(),
    };
    let source = |claim: &str| IdentitySource::Jwt { claim: claim.to_owned() };
    let identity = IdentityConfig(
        [("session".to_owned(), vec![source("sid")]), ("user".to_owned(), vec![source("sub")])]
            .into(),
    );
    let metrics = Arc::new(DecisionMetrics::default());
    let jwt = Jwt::new(&config, &identity, Arc::clone(&metrics)).unwrap();
    House { folder, jwt, metrics }
}

fn write(folder: &tempfile::TempDir, keys: &[&Signer]) {
    let set = JwkSet { keys: keys.iter().map(|key| key.jwk()).collect() };
    std::fs::write(folder.path().join("jwks.json"), serde_json::to_vec(&set).unwrap()).unwrap();
}

const ALL: &[JwtAlgorithm] = &[JwtAlgorithm::RS256, JwtAlgorithm::ES256, JwtAlgorithm::EdDSA];

fn sub(jwt: &Jwt, value: &str) -> Result<Option<String>, &'static str> {
    let Some(token) = jwt.token(value) else { return Ok(None) };
    jwt.claim(token, "sub", &Bump::new()).map(|claim| claim.map(str::to_owned))
}

#[test]
fn good_tokens_of_each_algorithm() {
    let signers = [
        Signer::new("r", Algorithm::RS256),
        Signer::new("e", Algorithm::ES256),
        Signer::new("d", Algorithm::EdDSA),
    ];
    let house = house(&signers.each_ref(), ALL);
    for signer in &signers {
        let value = format!("Bearer {}", signer.sign(&claims()));
        // The second time from the cache.
        for _ in 0..2 {
            assert_eq!(sub(&house.jwt, &value), Ok(Some("u1".to_owned())), "{}", signer.id);
        }
    }
    let signer = &signers[1];
    let value = |claims: Json| sub(&house.jwt, &format!("bearer {}", signer.sign(&claims)));
    assert_eq!(value(with("sub", json!(42))), Ok(Some("42".to_owned())));
    assert_eq!(value(with("sub", Json::Null)), Ok(None));
    assert_eq!(value(with("aud", json!(["other", "shop"]))), Ok(Some("u1".to_owned())));
    assert_eq!(value(with("nbf", json!(seconds_now() - 5))), Ok(Some("u1".to_owned())));
    assert!(value(with("sub", json!({"a": 1}))).is_err());
    for none in ["Basic dTE6cHc=", "", "Negotiate x"] {
        assert_eq!(sub(&house.jwt, none), Ok(None), "{none}");
    }
}

#[test]
fn bad_tokens_are_refused_each_for_its_reason() {
    let (rsa, ec) = (Signer::new("r", Algorithm::RS256), Signer::new("e", Algorithm::ES256));
    let stranger = Signer::new("e", Algorithm::ES256);
    let unlisted = Signer::new("d", Algorithm::EdDSA);
    let house = house(&[&rsa, &ec, &unlisted], &[JwtAlgorithm::RS256, JwtAlgorithm::ES256]);
    let good = ec.sign(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let header =
        |json: &str| format!("{}.{}.{}", BASE64.encode(json.as_bytes()), parts[1], parts[2]);
    let other_claims = BASE64.encode(with("sub", json!("root")).to_string().as_bytes());
    // The public key as the secret of an HMAC, which every reader of the set could make.
    let public = serde_json::to_vec(&rsa.jwk()).unwrap();
    let hs256 = |secret: &[u8]| {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("r".to_owned());
        encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap()
    };
    let now = seconds_now();
    let unknown = "no key is known that verifies the token";
    let not_taken = "the token is signed in a way that is not taken";
    let malformed = "the token is malformed";
    let unverified = "the token can't be verified";
    for (name, token, why) in [
        ("alg none", header(r#"{"alg":"none"}"#), malformed),
        ("alg None", header(r#"{"alg":"None","kid":"e"}"#), malformed),
        ("no alg", header(r#"{"kid":"e"}"#), malformed),
        ("wrong alg for the key", header(r#"{"alg":"ES384","kid":"e"}"#), not_taken),
        ("another key's alg", header(r#"{"alg":"RS256","kid":"e"}"#), not_taken),
        ("alg not taken", unlisted.sign(&claims()), unknown),
        ("HS256 with the key set", hs256(&public), not_taken),
        ("HS256 with an empty key", hs256(b""), not_taken),
        ("expired", ec.sign(&with("exp", json!(now - 3600))), "the token has expired"),
        ("not yet valid", ec.sign(&with("nbf", json!(now + 3600))), "the token is not valid yet"),
        (
            "wrong issuer",
            ec.sign(&with("iss", json!("https://evil.test"))),
            "the token is not of the issuer that is trusted",
        ),
        (
            "a list of issuers",
            ec.sign(&with("iss", json!(["https://evil.test", "https://idp.test"]))),
            "the token is not of the issuer that is trusted",
        ),
        ("wrong audience", ec.sign(&with("aud", json!("bank"))), "the token is for somebody else"),
        ("no exp", ec.sign(&with("exp", Json::Null)), "the token lacks `exp`, `iss` or `aud`"),
        ("no aud", ec.sign(&with("aud", Json::Null)), "the token lacks `exp`, `iss` or `aud`"),
        ("no iss", ec.sign(&with("iss", Json::Null)), "the token lacks `exp`, `iss` or `aud`"),
        (
            "exp as text",
            ec.sign(&with("exp", json!("soon"))),
            "the token lacks `exp`, `iss` or `aud`",
        ),
        ("unknown kid", ec.sign_as(&claims(), |h| h.kid = Some("x".to_owned())), unknown),
        ("no kid among several keys", ec.sign_as(&claims(), |h| h.kid = None), unknown),
        (
            "its own key inside",
            stranger.sign_as(&claims(), |h| h.jwk = Some(stranger.jwk())),
            unverified,
        ),
        ("another's signature", stranger.sign(&claims()), unverified),
        ("claims exchanged", format!("{}.{other_claims}.{}", parts[0], parts[2]), unverified),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), unverified),
        ("truncated", good[..good.len() - 4].to_owned(), unverified),
        ("two parts", format!("{}.{}", parts[0], parts[1]), malformed),
        ("empty", String::new(), malformed),
        ("dots", "..".to_owned(), malformed),
        ("huge", "a".repeat(MAX_TOKEN + 1), "the token is too long"),
        (
            "critical extension",
            ec.sign_as(&claims(), |h| h.crit = Some(vec!["exp".to_owned()])),
            "the token demands an extension",
        ),
    ] {
        for _ in 0..2 {
            assert_eq!(sub(&house.jwt, &format!("Bearer {token}")), Err(why), "{name}");
        }
    }
    assert_eq!(sub(&house.jwt, &format!("Bearer {good}")), Ok(Some("u1".to_owned())));
    // Each row was asked twice.
    let refused = &house.metrics.tokens.refused;
    for (cause, counter, count) in [
        ("expired", &refused.expired, 2),
        ("not yet valid", &refused.not_yet_valid, 2),
        ("issuer", &refused.wrong_issuer, 4),
        ("audience", &refused.wrong_audience, 2),
        ("key", &refused.unknown_key, 6),
        ("no keys", &refused.no_keys, 0),
        ("signature", &refused.bad_signature, 10),
        ("malformed", &refused.malformed, 24),
        ("algorithm", &refused.algorithm, 8),
    ] {
        assert_eq!(counter.read(), count, "{cause}");
    }
}

#[test]
fn a_key_that_is_taken_back_verifies_nothing_more() {
    let (old, new) = (Signer::new("a", Algorithm::ES256), Signer::new("b", Algorithm::ES256));
    let house = house(&[&old], ALL);
    let look = || {
        house.jwt.renew().look();
        house.jwt.renew().look();
    };
    let value = format!("Bearer {}", old.sign(&claims()));
    assert!(sub(&house.jwt, &value).is_ok());
    std::fs::write(house.folder.path().join("jwks.json"), "garbage").unwrap();
    look();
    assert!(house.jwt.renew().state().error.is_some());
    assert!(sub(&house.jwt, &value).is_ok(), "garbage takes nothing back");
    write(&house.folder, &[&new]);
    look();
    assert!(sub(&house.jwt, &value).is_err());
    assert!(sub(&house.jwt, &format!("Bearer {}", new.sign(&claims()))).is_ok());
}
