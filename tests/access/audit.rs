//! The audit log, as the real binary writes it.

use plimsoll::proto::review_service_client::ReviewServiceClient;
use plimsoll::proto::signal_service_client::SignalServiceClient;
use plimsoll::proto::{AnnounceRequest, Announcement, Entity, ForgetRequest, WithdrawRequest};
use serde_json::{Value as Json, json};
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::processes::plimsoll::Plimsoll;
use super::processes::tokens;

struct House {
    plimsoll: Plimsoll,
    runtime: tokio::runtime::Runtime,
    client: SignalServiceClient<Channel>,
}

impl House {
    fn new(policies: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens::write(
            folder.path(),
            &[("root", "secret", "admin,report,announce"), ("feed", "other", "report")],
        );
        let settings = json!({
            "auth": {"tokens": tokens},
            // The audit log does not depend on how much else is logged.
            "telemetry": {"log_format": "json", "log": "plimsoll=info"},
        });
        let plimsoll = Plimsoll::serve(policies, &settings);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let url = format!("http://{}", plimsoll.grpc);
        let client = runtime.block_on(SignalServiceClient::connect(url)).unwrap();
        House { plimsoll, runtime, client }
    }

    fn forget(&mut self, token: &str, kind: &str, id: &str) -> Option<Code> {
        let entity = Some(Entity { r#type: kind.to_owned(), id: id.to_owned() });
        let mut request = Request::new(ForgetRequest { entity });
        request.metadata_mut().insert("x-plimsoll-token", token.parse().unwrap());
        self.runtime.block_on(self.client.forget(request)).err().map(|status| status.code())
    }

    /// The next line of the audit log, after so many lines of the log.
    fn audited(&self, from: usize) -> Json {
        self.plimsoll.process.wait_for("an audit line", from, |line| {
            let entry: Json = serde_json::from_str(line).ok()?;
            (entry["target"] == "audit").then(|| entry["fields"].clone())
        })
    }
}

#[test]
fn each_administrative_act_is_noted_with_who_what_and_how_it_ended() {
    let mut house = House::new("tests/envoy/policies");
    for (token, kind, id, code, expected) in [
        (
            "secret",
            "user",
            "u1",
            None,
            json!({"act": "forget", "caller": "root", "kind": "user", "id": "u1", "outcome": "nothing_known"}),
        ),
        (
            "secret",
            "usr",
            "u\n1",
            Some(Code::InvalidArgument),
            json!({"act": "forget", "caller": "root", "kind": "usr", "id": "u\n1", "outcome": "malformed"}),
        ),
        (
            "other",
            "user",
            "u1",
            Some(Code::PermissionDenied),
            json!({"act": "/plimsoll.v1.SignalService/Forget", "caller": "feed", "outcome": "refused"}),
        ),
    ] {
        let from = house.plimsoll.process.logged();
        assert_eq!(house.forget(token, kind, id), code);
        let line = house.audited(from);
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&line[field], value, "{field}: {line}");
        }
        assert_eq!(line["address"], "127.0.0.1", "{line}");
        assert!(!line.to_string().contains(token), "{line}");
    }

    // One that there was.
    let mut client = house.client.clone();
    let report = plimsoll::proto::Report {
        entity: Some(Entity { r#type: "user".to_owned(), id: "u2".to_owned() }),
        signals: [("alarms".to_owned(), number(1.0))].into(),
        observed_at: None,
    };
    let mut request = Request::new(plimsoll::proto::ReportRequest {
        reports: vec![report],
        sequence: 0,
        durable: false,
    });
    request.metadata_mut().insert("x-plimsoll-token", "secret".parse().unwrap());
    house.runtime.block_on(client.report(request)).unwrap();
    let from = house.plimsoll.process.logged();
    assert_eq!(house.forget("secret", "user", "u2"), None);
    assert_eq!(house.audited(from)["outcome"], "forgotten");
    // A stranger's try is turned away, and fills no log.
    let from = house.plimsoll.process.logged();
    assert_eq!(house.forget("guessed", "user", "u2"), Some(Code::Unauthenticated));
    assert_eq!(house.forget("secret", "user", "u3"), None);
    assert_eq!(house.audited(from)["id"], "u3");
}

#[test]
fn whoever_announces_is_noted_with_what_and_of_whom() {
    let house = House::new("policies");
    let url = format!("http://{}", house.plimsoll.grpc);
    let mut client = house.runtime.block_on(ReviewServiceClient::connect(url)).unwrap();
    let entity = Some(Entity { r#type: "user".to_owned(), id: "ann".to_owned() });
    let until = Some(prost_types::Timestamp {
        seconds: jiff::Timestamp::now().as_second() + 600,
        nanos: 0,
    });
    for (token, change, code, expected) in [
        (
            "secret",
            "travel",
            None,
            json!({"act": "announce", "caller": "root at 127.0.0.1", "kind": "user", "id": "ann", "announcement": "t", "change": "travel", "values": "[\"JP\"]", "reference": "CHG-1", "by": "root", "outcome": "announced"}),
        ),
        (
            "secret",
            "travl",
            Some(Code::InvalidArgument),
            json!({"act": "announce", "change": "travl", "outcome": "malformed"}),
        ),
        (
            "other",
            "travel",
            Some(Code::PermissionDenied),
            json!({"act": "/plimsoll.v1.ReviewService/Announce", "caller": "feed", "outcome": "refused"}),
        ),
    ] {
        let announcement = Announcement {
            id: "t".to_owned(),
            change: change.to_owned(),
            until,
            values: vec!["JP".to_owned()],
            reference: "CHG-1".to_owned(),
            ..Announcement::default()
        };
        let announcement = Some(announcement);
        let mut request = Request::new(AnnounceRequest { entity: entity.clone(), announcement });
        request.metadata_mut().insert("x-plimsoll-token", token.parse().unwrap());
        let from = house.plimsoll.process.logged();
        let done = house.runtime.block_on(client.announce(request));
        assert_eq!(done.err().map(|status| status.code()), code);
        let line = house.audited(from);
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&line[field], value, "{field}: {line}");
        }
    }
    let mut request = Request::new(WithdrawRequest { entity, id: "t".to_owned() });
    request.metadata_mut().insert("x-plimsoll-token", "secret".parse().unwrap());
    let from = house.plimsoll.process.logged();
    house.runtime.block_on(client.withdraw(request)).unwrap();
    assert_eq!(house.audited(from)["outcome"], "withdrawn");
}

fn number(x: f64) -> prost_types::Value {
    prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(x)) }
}
