//! An identity provider: signs tokens, and serves its keys by HTTPS.

use std::path::PathBuf;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use plimsoll::config::{CallerJwtConfig, JwtAlgorithm, JwtConfig};
use serde_json::{Value as Json, json};

use super::idp::{Behaviour, Idp};
use super::support::Authority;

pub struct Signer {
    id: String,
    key: EncodingKey,
}

impl Signer {
    pub fn new(id: &str) -> Self {
        let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
        Signer { id: id.to_owned(), key: EncodingKey::from_ec_pem(pem.as_bytes()).unwrap() }
    }

    /// A good token, with these claims over its own.
    pub fn token(&self, claims: &Json) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let exp = now.as_secs() + 600;
        let mut all = json!({"iss": "https://idp.test", "aud": "plimsoll", "exp": exp});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        encode(&header, &all, &self.key).unwrap()
    }
}

pub struct Provider {
    pub idp: Idp,
    folder: tempfile::TempDir,
}

impl Provider {
    pub fn start(signers: &[&Signer]) -> Self {
        let authority = Authority::new();
        let pair = authority.issue(&["localhost"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &authority.cert).unwrap();
        Provider { idp: Idp::start(&pair.cert, &pair.key, keys(signers)), folder }
    }

    pub fn serve(&self, signers: &[&Signer]) {
        self.idp.behave(keys(signers));
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("ca.pem"))
    }

    /// For tokens of end users.
    pub fn jwt(&self) -> JwtConfig {
        JwtConfig {
            jwks: self.idp.url(),
            ca: self.ca(),
            refresh: "1s".to_owned(),
            issuer: "https://idp.test".to_owned(),
            audience: "plimsoll".to_owned(),
            algorithms: vec![JwtAlgorithm::ES256],
            header: "authorization".to_owned(),
            cookie: None,
            claims: vec!["role".to_owned()],
        }
    }

    /// For tokens of callers.
    pub fn callers(&self) -> CallerJwtConfig {
        CallerJwtConfig {
            jwks: self.idp.url(),
            ca: self.ca(),
            refresh: "1s".to_owned(),
            issuer: "https://idp.test".to_owned(),
            audience: "plimsoll".to_owned(),
            algorithms: vec![JwtAlgorithm::ES256],
            name_claim: "sub".to_owned(),
            permissions_claim: Some("scope".to_owned()),
            rules: Vec::new(),
        }
    }
}

fn keys(signers: &[&Signer]) -> Behaviour {
    let keys = signers.iter().map(|signer| {
        let mut jwk = Jwk::from_encoding_key(&signer.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(signer.id.clone());
        jwk
    });
    let set = JwkSet { keys: keys.collect() };
    Behaviour::Answers(200, serde_json::to_vec(&set).unwrap())
}
