//! Against a real HTTPS server. Time between fetches is an argument; only what
//! hangs takes its time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Map, Value as Json, json};

use super::super::verifier::{KeySet, MAX_KEY_SET, Verifier};
use super::super::{TokenRefusal, verifier::seconds_now};
use super::{Own, REST};
use crate::config::{JwtAlgorithm, TokenTrust};
use crate::idp::{Behaviour, Idp};
use crate::telemetry::DecisionMetrics;

const REFRESH: Duration = Duration::from_secs(300);

struct Signer {
    id: &'static str,
    key: EncodingKey,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let pem = KeyPair::generate().unwrap().serialize_pem();
        Signer { id, key: EncodingKey::from_ec_pem(pem.as_bytes()).unwrap() }
    }

    fn token(&self) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.to_owned());
        let exp = seconds_now() + 600;
        let claims = json!({"iss": "https://idp.test", "aud": "shop", "sub": "u1", "exp": exp});
        encode(&header, &claims, &self.key).unwrap()
    }
}

fn keys(signers: &[&Signer]) -> Behaviour {
    let keys = signers.iter().map(|signer| {
        let mut jwk = Jwk::from_encoding_key(&signer.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(signer.id.to_owned());
        jwk
    });
    let set = JwkSet { keys: keys.collect() };
    Behaviour::Answers(200, serde_json::to_vec(&set).unwrap())
}

struct House {
    idp: Idp,
    folder: tempfile::TempDir,
    verifier: Verifier<String>,
    metrics: Arc<DecisionMetrics>,
    began: Instant,
}

fn house(behaviour: Behaviour) -> House {
    let (idp, ca) = Idp::vouched_for(behaviour);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
    let trust = TokenTrust {
        key: "jwt.jwks",
        jwks: idp.url(),
        ca: Some(folder.path().join("ca.pem")),
        refresh: REFRESH,
        issuer: "https://idp.test".to_owned(),
        audience: "shop".to_owned(),
        algorithms: vec![JwtAlgorithm::ES256],
    };
    let metrics = Arc::new(DecisionMetrics::default());
    let keep = |claims: &Map<String, Json>| claims["sub"].as_str().unwrap().to_owned();
    let verifier = Verifier::new(trust, Arc::clone(&metrics), keep).unwrap();
    House { idp, folder, verifier, metrics, began: Instant::now() }
}

impl House {
    fn own(&self) -> &Arc<Own> {
        match &self.verifier.keys {
            KeySet::Url(remote) => &remote.0,
            KeySet::File(_) => panic!("a file"),
        }
    }

    /// Looks so long after the beginning; says whether that fetched.
    fn look(&self, after: Duration) -> bool {
        let due = self.own().begin(self.began + after);
        if due {
            self.own().renew();
        }
        due
    }

    fn verify(&self, signer: &Signer) -> Result<String, TokenRefusal> {
        self.verifier.verify(&signer.token()).map(|verified| verified.kept.clone())
    }

    fn error(&self) -> Option<String> {
        self.own().watch.lock().state.error.clone()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn before_the_first_fetch_nothing_is_verified() {
    let signer = Signer::new("a");
    let house = house(keys(&[&signer]));
    assert_eq!(house.verify(&signer), Err(TokenRefusal::NoKeys));
    assert!(house.error().is_some(), "degraded until then");
    assert!(house.look(Duration::ZERO));
    assert_eq!(house.error(), None);
    assert_eq!(house.verify(&signer), Ok("u1".to_owned()));
    let tokens = &house.metrics.tokens;
    assert_eq!((tokens.refused.no_keys.read(), tokens.fetched.applied.read()), (1, 1));
}

#[test]
fn a_rotation_takes_back_what_the_old_key_verified() {
    let (old, new) = (Signer::new("a"), Signer::new("b"));
    let house = house(keys(&[&old]));
    assert!(house.look(Duration::ZERO));
    let verified = house.verifier.verify(&old.token()).unwrap();
    assert!(house.verifier.holds(&verified));

    // The same set again changes nothing: what was verified stays so.
    assert!(house.look(REFRESH));
    assert!(house.verifier.holds(&verified));
    assert_eq!(house.metrics.tokens.fetched.unchanged.read(), 1);

    house.idp.behave(keys(&[&new]));
    assert!(!house.look(REFRESH * 2 - SECOND), "not yet");
    assert!(house.look(REFRESH * 2));
    assert!(!house.verifier.holds(&verified));
    assert_eq!(house.verify(&old), Err(TokenRefusal::UnknownKey));
    assert_eq!(house.verify(&new), Ok("u1".to_owned()));
}

#[test]
fn an_unknown_key_has_the_set_fetched_at_once_but_not_too_often() {
    let (old, new) = (Signer::new("a"), Signer::new("b"));
    let house = house(keys(&[&old]));
    assert!(house.look(Duration::ZERO));
    house.idp.behave(keys(&[&old, &new]));
    assert!(!house.look(REST), "nobody has asked for it");
    assert_eq!(house.verify(&new), Err(TokenRefusal::UnknownKey));
    assert!(!house.look(REST - SECOND), "anybody can ask for unknown keys");
    assert!(house.look(REST));
    assert_eq!(house.verify(&new), Ok("u1".to_owned()));
    assert_eq!(house.verify(&old), Ok("u1".to_owned()));
    // Whoever sends tokens of keys that there are not has it fetched no oftener.
    let stranger = Signer::new("x");
    for second in 0..100 {
        assert_eq!(house.verify(&stranger), Err(TokenRefusal::UnknownKey));
        house.look(REST + second * SECOND);
    }
    assert_eq!(house.idp.connections(), 2 + 9);
}

#[test]
fn what_cannot_be_used_keeps_the_last_good_keys() {
    let signer = Signer::new("a");
    let house = house(keys(&[&signer]));
    assert!(house.look(Duration::ZERO));
    let elsewhere = format!("{}?elsewhere", house.idp.url());
    let json = |text: &str| Behaviour::Answers(200, text.as_bytes().to_vec());
    let mut after = REFRESH;
    for (behaviour, why) in [
        (Behaviour::Answers(503, Vec::new()), "503"),
        (Behaviour::Redirects(elsewhere), "302"),
        (json("garbage"), "expected"),
        (json(""), "EOF"),
        (json("{}"), "keys"),
        (json(r#"{"keys": []}"#), "no key"),
        (json(r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#), "no key"),
        (Behaviour::Answers(200, vec![b' '; MAX_KEY_SET as usize + 1]), "limit"),
    ] {
        house.idp.behave(behaviour.clone());
        assert!(house.look(after), "{why}");
        let error = house.error().unwrap();
        assert!(error.contains(why) && error.contains(&house.idp.url()), "{why}: {error}");
        assert_eq!(house.verify(&signer), Ok("u1".to_owned()), "{why}");
        after += REST;
    }
    assert_eq!(house.metrics.tokens.fetched.failed.read(), 8);
    // It is asked again soon, not only at the next refresh.
    house.idp.behave(keys(&[&signer]));
    assert!(house.look(after));
    assert_eq!(house.error(), None);
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_believed() {
    let signer = Signer::new("a");
    let house = house(keys(&[&signer]));
    let key = KeyPair::generate().unwrap();
    let other = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let path = house.folder.path().join("ca.pem");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, other.pem()).unwrap();
    assert!(house.look(Duration::ZERO));
    assert!(house.error().unwrap().contains("certificate"), "{:?}", house.error());
    assert_eq!(house.verify(&signer), Err(TokenRefusal::NoKeys));
    std::fs::write(&path, "none").unwrap();
    assert!(house.look(REST));
    assert!(house.error().unwrap().contains("nobody is trusted"), "{:?}", house.error());
    // The CA's file is read anew each time.
    std::fs::write(&path, good).unwrap();
    assert!(house.look(REST * 2));
    assert_eq!(house.verify(&signer), Ok("u1".to_owned()));
}

#[test]
fn an_endpoint_that_hangs_is_given_up_and_holds_up_nothing() {
    let signer = Signer::new("a");
    let house = house(keys(&[&signer]));
    assert!(house.look(Duration::ZERO));
    for behaviour in [Behaviour::Hangs, Behaviour::HangsBeforeTls] {
        house.idp.behave(behaviour.clone());
        let before = house.idp.connections();
        house.own().watch.lock().attempted = Some(Instant::now().checked_sub(REFRESH).unwrap());
        assert!(house.own().begin(Instant::now()));
        let own = Arc::clone(house.own());
        let fetching = std::thread::spawn(move || own.renew());
        house.idp.wait_for_more_than(before);
        assert!(!house.own().begin(Instant::now() + 2 * REFRESH), "one at a time");
        assert_eq!(house.verify(&signer), Ok("u1".to_owned()));
        assert!(!fetching.is_finished());
        // Comes to an end by itself.
        fetching.join().unwrap();
        let error = house.error().unwrap();
        assert!(error.contains("timeout"), "{behaviour:?}: {error}");
        assert_eq!(house.verify(&signer), Ok("u1".to_owned()));
        house.idp.behave(keys(&[&signer]));
        house.own().watch.lock().attempted = None;
        assert!(house.own().begin(Instant::now()));
        house.own().renew();
        assert_eq!(house.error(), None);
    }
}
