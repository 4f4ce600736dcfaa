//! Links, whole: addresses are reported, one user is labelled as fraud, and what is
//! decided about those who share with them changes, with its reason.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/tokens.rs"]
mod tokens;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plimsoll::app::App;
use plimsoll::config::{AuthConfig, Config, DataConfig};
use plimsoll::proto::review_service_client::ReviewServiceClient;
use plimsoll::proto::{Entity, EntityLabel, LabelRequest, Verdict};
use serde_json::{Value, json};
use tonic::{Code, Request};

const PATIENCE: Duration = Duration::from_secs(30);

struct House {
    app: App,
    agent: ureq::Agent,
    base: String,
}

fn house(auth: Option<AuthConfig>) -> House {
    let policies = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policies");
    let data = DataConfig::Memory;
    let mut config = Config { policies, auth, data, ..Config::default() };
    config.default_policy = "identity".to_owned();
    config.listen.grpc = "127.0.0.1:0".to_owned();
    config.listen.http = "127.0.0.1:0".to_owned();
    config.server.workers = 1;
    let app = App::start(&config).unwrap();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let base = format!("http://{}", app.http_address().unwrap());
    House { app, agent, base }
}

impl House {
    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request =
            self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.send(body.to_string()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap())
    }

    fn report(&self, user: &str, signals: &Value) {
        let report = json!({"entity": {"type": "user", "id": user}, "signals": signals});
        let (status, told) = self.post("/v1/signals", None, &json!({"reports": [report]}));
        assert_eq!((status, &told["rejected"]), (200, &json!([])), "{told}");
    }

    fn asked(&self, user: &str) -> Value {
        let question = json!({"subject": {"type": "user", "id": user},
            "action": {"name": "check"}, "resource": {"type": "account", "id": "a"}});
        self.post("/access/v1/evaluation", None, &question).1
    }

    /// Asks until it is as wanted: learning is a moment behind.
    fn asked_until(&self, user: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.asked(user).to_string();
            if wanted(&told) {
                return told;
            }
            assert!(Instant::now() < deadline, "{told}");
            std::thread::yield_now();
        }
    }
}

/// Records confirm the person; nobody knows how they behave.
fn settled(address: &str) -> Value {
    json!({
        "phone_service": "active", "phone_line": "mobile", "phone_active_since": "2015-01-01T00:00:00Z",
        "phone_ported_at": null, "email_domain_created_at": "2001-01-01T00:00:00Z",
        "email_provider": "organisation", "email_breaches": 0, "name_match": 1, "address_match": 1,
        "address_since": "2015-01-01T00:00:00Z", "public_records": 3, "address_key": address,
        "automation_score": 0.1, "chargebacks": 0,
    })
}

#[test]
fn who_shares_an_address_with_fraud_is_decided_otherwise() {
    let house = house(None);
    for user in ["mallory", "trudy"] {
        house.report(user, &settled("ak-1"));
    }
    house.report("alice", &settled("ak-2"));
    let told = house.asked_until("trudy", |told| told.contains("\"decision\":true"));
    assert!(!told.contains("Shares a device"), "{told}");

    let label = |name: &str, label: &str| {
        json!({"labels": [
            {"entity": {"type": "user", "id": name}, "label": label, "note": "case 7"},
        ]})
    };
    let (status, told) = house.post("/v1/labels", None, &label("mallory", "fraud"));
    assert_eq!((status, told), (200, json!({"accepted": 1, "rejected": []})));
    house.asked_until("trudy", |told| {
        told.contains("\"decision\":false") && told.contains("next_to_fraud")
    });
    assert!(house.asked("alice").to_string().contains("\"decision\":true"));

    let (status, _) = house.post("/v1/labels", None, &label("mallory", "legitimate"));
    assert_eq!(status, 200);
    house.asked_until("trudy", |told| told.contains("\"decision\":true"));
    house.app.shutdown();
}

#[test]
fn dozens_at_one_address_count_against_each() {
    let house = house(None);
    for n in 0..30 {
        house.report(&format!("new-{n}"), &settled("ak-drop"));
    }
    house.asked_until("new-3", |told| told.contains("crowded_address"));
    house.app.shutdown();
}

#[test]
fn what_is_no_label_is_refused_and_named() {
    let house = house(None);
    let of = |kind: &str, id: &str| json!({"entity": {"type": kind, "id": id}, "label": "fraud"});
    let mut ahead = of("user", "u");
    ahead["at"] = json!("2999-01-01T00:00:00Z");
    let body = json!({"labels": [of("usr", "u"), of("user", ""), ahead, of("user", "u")]});
    let (status, told) = house.post("/v1/labels", None, &body);
    assert_eq!((status, &told["accepted"]), (200, &json!(1)));
    let reasons: Vec<_> = told["rejected"].as_array().unwrap().iter().collect();
    assert_eq!(reasons.len(), 3, "{told}");
    assert!(reasons[0]["reason"].as_str().unwrap().contains("did you mean `user`?"), "{told}");
    let unknown = json!({"labels": [{"entity": {"type": "user", "id": "u"}, "label": "bad"}]});
    let (status, told) = house.post("/v1/labels", None, &unknown);
    assert_eq!((status, &told["place"]), (400, &json!("labels[0].label")), "{told}");
    let many = json!({"labels": vec![of("user", "u"); 1001]});
    assert_eq!(house.post("/v1/labels", None, &many).0, 413);
    house.app.shutdown();
}

#[test]
fn labels_are_for_reviewers_over_grpc_and_http() {
    let folder = tempfile::tempdir().unwrap();
    let tokens =
        tokens::write(folder.path(), &[("feed", "secret", "report"), ("case", "other", "review")]);
    let house = house(Some(AuthConfig { tokens: Some(tokens), ..AuthConfig::default() }));
    let none = json!({"labels": []});
    for (token, status) in [(None, 401), (Some("secret"), 403), (Some("other"), 200)] {
        assert_eq!(house.post("/v1/labels", token, &none).0, status, "{token:?}");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("http://{}", house.app.grpc_address().unwrap());
    let label = |token: &'static str, verdict: Verdict| {
        let url = url.clone();
        runtime.block_on(async move {
            let entity = Some(Entity { r#type: "user".to_owned(), id: "u".to_owned() });
            let label = EntityLabel { entity, label: verdict.into(), ..EntityLabel::default() };
            let mut request = Request::new(LabelRequest { durable: false, labels: vec![label] });
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
            ReviewServiceClient::connect(url).await.unwrap().label(request).await
        })
    };
    assert_eq!(label("secret", Verdict::Fraud).unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(label("other", Verdict::Fraud).unwrap().into_inner().accepted, 1);
    let told = label("other", Verdict::Unspecified).unwrap().into_inner();
    assert_eq!((told.accepted, told.rejected.len()), (0, 1));
    house.app.shutdown();
}
