//! Announced changes, whole: a journey is announced to a real server, what is decided
//! about the traveller changes until it is over, a restart loses nothing of it, and only
//! who may announce can.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/tokens.rs"]
mod tokens;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plimsoll::app::App;
use plimsoll::config::{AuthConfig, Config, DataConfig};
use plimsoll::proto::decision_service_client::DecisionServiceClient;
use plimsoll::proto::review_service_client::ReviewServiceClient;
use plimsoll::proto::{
    AnnounceRequest, Announcement, Decision, Entity, EvaluateRequest, EvaluateResponse,
    ListAnnouncedRequest, Party, WithdrawRequest,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{Code, Request};

const PATIENCE: Duration = Duration::from_secs(30);

const POLICIES: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
signals:
  user.new_country: {type: bool}
context: {country: string}
expected:
  travel:     {entity: user, at_most: 30d}
  deployment: {entity: device, at_most: 1d}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  factors:
    new_country: {value: user.new_country, reason: {user: A new country}}
  expected:
    travel: {soften: [new_country], by: 0.8, value: context.country}
levels: {low: {from: 0}, high: {from: 50}}
rules:
  - {name: known, when: score < 50, decision: allow}
"#;

struct House {
    app: App,
    agent: ureq::Agent,
    base: String,
    runtime: tokio::runtime::Runtime,
}

fn house(data: Option<&Path>, auth: Option<AuthConfig>) -> (House, TempDir) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), POLICIES).unwrap();
    let data = data.map_or(DataConfig::Memory, |data| DataConfig::Folder(PathBuf::from(data)));
    let policies = folder.path().to_owned();
    let mut config = Config { policies, auth, data, ..Config::default() };
    config.listen.grpc = "127.0.0.1:0".to_owned();
    config.listen.http = "127.0.0.1:0".to_owned();
    config.server.workers = 1;
    let app = App::start(&config).unwrap();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let base = format!("http://{}", app.http_address().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    (House { app, agent, base, runtime }, folder)
}

impl House {
    fn url(&self) -> String {
        format!("http://{}", self.app.grpc_address().unwrap())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request =
            self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        answer(request.send(body.to_string()).unwrap())
    }

    fn get(&self, query: &str) -> (u16, Value) {
        answer(self.agent.get(format!("{}/v1/expected?{query}", self.base)).call().unwrap())
    }

    fn delete(&self, query: &str) -> (u16, Value) {
        answer(self.agent.delete(format!("{}/v1/expected?{query}", self.base)).call().unwrap())
    }

    fn abroad(&self, user: &str) {
        let report =
            json!({"entity": {"type": "user", "id": user}, "signals": {"new_country": true}});
        let (status, told) = self.post("/v1/signals", &json!({"reports": [report]}));
        assert_eq!((status, &told["rejected"]), (200, &json!([])), "{told}");
    }

    fn asked(&self, user: &str, country: &str) -> EvaluateResponse {
        let subject = Party { r#type: "user".to_owned(), id: user.to_owned(), properties: None };
        let resource = Party { r#type: "page".to_owned(), id: "p".to_owned(), properties: None };
        let action = plimsoll::proto::Action { name: "read".to_owned(), properties: None };
        let context = [("country".to_owned(), prost_types::Value::from(country))];
        let request = EvaluateRequest {
            subject: Some(subject),
            action: Some(action),
            resource: Some(resource),
            context: Some(prost_types::Struct { fields: context.into() }),
            ..EvaluateRequest::default()
        };
        let url = self.url();
        self.runtime.block_on(async move {
            let mut client = DecisionServiceClient::connect(url).await.unwrap();
            client.evaluate(request).await.unwrap().into_inner()
        })
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap())
}

/// Seconds from now, as RFC 3339.
fn after(seconds: i64) -> String {
    let now = jiff::Timestamp::now();
    (now + jiff::SignedDuration::from_secs(seconds)).to_string()
}

fn travel(user: &str, until: &str) -> Value {
    json!({
        "entity": {"type": "user", "id": user}, "id": "trip-1", "change": "travel",
        "until": until, "values": ["JP"], "reference": "CHG-123", "by": "travel desk",
    })
}

#[test]
fn an_announced_journey_changes_what_is_decided_until_it_is_over() {
    let (house, _policies) = house(None, None);
    house.abroad("ann");
    let before = house.asked("ann", "JP");
    assert_eq!((before.decision(), before.score), (Decision::Deny, 100.0));
    assert_eq!(before.factors.len(), 1, "{:?}", before.factors);

    // It is over soon, so that this can be seen.
    let until = after(2);
    let (status, told) = house.post("/v1/expected", &travel("ann", &until));
    assert_eq!((status, &told), (200, &json!({"id": "trip-1", "durable": false})));
    let during = house.asked("ann", "JP");
    assert_eq!((during.decision(), during.score), (Decision::Allow, 20.0));
    let shown: Vec<_> = during.factors.iter().map(|f| (f.name.as_str(), f.contribution)).collect();
    assert_eq!(shown, [("new_country", 100.0), ("expected_travel", -80.0)]);
    let announced = during.reason_admin.iter().find(|text| text.starts_with("Announced: travel"));
    assert!(announced.unwrap().ends_with("(CHG-123)"), "{during:?}");
    assert!(!during.reason_user.iter().any(|text| text.contains("Announced")), "{during:?}");
    for (user, country) in [("ann", "RU"), ("ann", "")] {
        assert_eq!(house.asked(user, country).score, 100.0, "{country}");
    }

    let deadline = Instant::now() + PATIENCE;
    let over = loop {
        let asked = house.asked("ann", "JP");
        if asked.score != 20.0 {
            break asked;
        }
        assert!(Instant::now() < deadline, "{asked:?}");
    };
    assert!(jiff::Timestamp::now() >= until.parse().unwrap(), "not before its end");
    assert_eq!((over.decision(), over.score), (before.decision(), before.score));
    assert_eq!(over.factors, before.factors);
    assert_eq!(house.get("kind=user&id=ann"), (200, json!({"expected": []})));
    house.app.shutdown();
}

#[test]
fn what_is_announced_and_what_is_withdrawn_stays_so_after_a_restart() {
    let data = TempDir::new().unwrap();
    let data = data.path().join("data");
    let (first, _policies) = house(Some(&data), None);
    first.abroad("ann");
    for id in ["trip-1", "trip-2"] {
        let mut trip = travel("ann", &after(86_400));
        trip["id"] = json!(id);
        let (status, told) = first.post("/v1/expected", &trip);
        assert_eq!((status, &told["durable"]), (200, &json!(true)), "{told}");
    }
    let listed = first.get("kind=user&id=ann").1;
    assert_eq!(listed["expected"][0]["reference"], "CHG-123", "{listed}");
    assert_eq!(first.asked("ann", "JP").score, 20.0);
    first.app.shutdown();

    let (second, _policies) = house(Some(&data), None);
    assert_eq!(second.get("kind=user&id=ann").1, listed);
    assert_eq!(second.asked("ann", "JP").score, 20.0);
    for id in ["trip-1", "trip-2"] {
        let (status, told) = second.delete(&format!("kind=user&id=ann&announcement={id}"));
        assert_eq!((status, &told), (200, &json!({"found": true, "durable": true})));
    }
    assert_eq!(second.asked("ann", "JP").score, 100.0);
    second.app.shutdown();

    let (third, _policies) = house(Some(&data), None);
    assert_eq!(third.get("kind=user&id=ann"), (200, json!({"expected": []})));
    assert_eq!(third.asked("ann", "JP").score, 100.0);
    third.app.shutdown();
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let (house, _policies) = house(None, None);
    let with = |key: &str, value: Value| {
        let mut body = travel("ann", &after(600));
        body[key] = value;
        body
    };
    for (body, place, detail) in [
        (with("until", json!(after(-600))), "until", "not after `from`"),
        (with("until", json!(after(31 * 86_400))), "until", "at most 30 days"),
        (with("until", json!("tomorrow")), "until", "RFC 3339"),
        (with("until", json!(null)), "until", "null"),
        (with("from", json!(after(700))), "until", "not after `from`"),
        (with("change", json!("holiday")), "change", "unknown kind of change"),
        (with("change", json!("deployment")), "entity.type", "of kind `device`"),
        (
            with("entity", json!({"type": "usr", "id": "ann"})),
            "entity.type",
            "did you mean `user`?",
        ),
        (with("entity", json!({"type": "user", "id": ""})), "entity.id", "1 to 1024 bytes"),
        (with("values", json!(["JP", 7])), "values[1]", "invalid type"),
        (with("countries", json!(["JP"])), "countries", "unknown field"),
        (with("id", json!("")), "id", "1 to 64 bytes"),
    ] {
        let (status, told) = house.post("/v1/expected", &body);
        assert_eq!((status, &told["place"]), (400, &json!(place)), "{told}");
        assert!(told["detail"].as_str().unwrap().contains(detail), "{told}");
    }
    for n in 0..8 {
        let (status, told) = house.post("/v1/expected", &with("id", json!(format!("trip-{n}"))));
        assert_eq!(status, 200, "{told}");
    }
    let (status, told) = house.post("/v1/expected", &with("id", json!("trip-9")));
    assert!(told["detail"].as_str().unwrap().contains("withdraw one"), "{told}");
    assert_eq!(status, 409);
    for query in ["kind=user", "kind=user&id=a&x=1", "id=a"] {
        assert_eq!(house.get(query).0, 400, "{query}");
        assert_eq!(house.delete(query).0, 400, "{query}");
    }
    assert_eq!(house.get("kind=usr&id=ann").1["place"], "entity.type");
    // Not of somebody else, and nothing of it remains.
    assert_eq!(house.get("kind=user&id=bob"), (200, json!({"expected": []})));
    house.app.shutdown();
}

#[test]
fn only_who_may_announce_can() {
    let folder = TempDir::new().unwrap();
    let tokens = tokens::write(
        folder.path(),
        &[("feed", "secret", "report,review,decide"), ("desk", "other", "announce")],
    );
    let auth = AuthConfig { tokens: Some(tokens), ..AuthConfig::default() };
    let (house, _policies) = house(None, Some(auth));
    let (url, entity) =
        (house.url(), Some(Entity { r#type: "user".to_owned(), id: "ann".to_owned() }));
    fn shown<T>(token: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }
    house.runtime.block_on(async {
        let mut client = ReviewServiceClient::connect(url).await.unwrap();
        let until = jiff::Timestamp::now().as_second() + 600;
        let announcement = Announcement {
            id: "trip-1".to_owned(),
            change: "travel".to_owned(),
            until: Some(prost_types::Timestamp { seconds: until, nanos: 0 }),
            ..Announcement::default()
        };
        let announce =
            AnnounceRequest { entity: entity.clone(), announcement: Some(announcement.clone()) };
        let list = ListAnnouncedRequest { entity: entity.clone() };
        let withdraw = WithdrawRequest { entity: entity.clone(), id: "trip-1".to_owned() };
        for token in ["secret", "guessed"] {
            let wanted =
                if token == "secret" { Code::PermissionDenied } else { Code::Unauthenticated };
            let refused = client.announce(shown(token, announce.clone())).await.unwrap_err();
            assert_eq!(refused.code(), wanted, "{refused}");
            let refused = client.withdraw(shown(token, withdraw.clone())).await.unwrap_err();
            assert_eq!(refused.code(), wanted, "{refused}");
            let refused = client.list_announced(shown(token, list.clone())).await.unwrap_err();
            assert_eq!(refused.code(), wanted, "{refused}");
        }
        client.announce(shown("other", announce)).await.unwrap();
        let listed = client.list_announced(shown("other", list)).await.unwrap().into_inner();
        assert_eq!(listed.announcements.len(), 1, "{listed:?}");
        assert_eq!(listed.announcements[0].by, "desk", "whose token it was");

        let bad = Announcement { until: None, ..announcement.clone() };
        let bad = AnnounceRequest { entity: entity.clone(), announcement: Some(bad) };
        let refused = client.announce(shown("other", bad)).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::InvalidArgument, "`until` is missing")
        );
        for n in 2..=8 {
            let announcement = Announcement { id: format!("trip-{n}"), ..announcement.clone() };
            let announce =
                AnnounceRequest { entity: entity.clone(), announcement: Some(announcement) };
            client.announce(shown("other", announce)).await.unwrap();
        }
        let ninth = Announcement { id: "trip-9".to_owned(), ..announcement };
        let ninth = AnnounceRequest { entity, announcement: Some(ninth) };
        let refused = client.announce(shown("other", ninth)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(client.withdraw(shown("other", withdraw)).await.unwrap().into_inner().found);
    });
    house.app.shutdown();
}
