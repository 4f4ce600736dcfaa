//! Links and labels after a restart.

use jiff::Timestamp;
use plimsoll::proto::review_service_client::ReviewServiceClient;
use plimsoll::proto::signal_service_client::SignalServiceClient;
use plimsoll::proto::{Entity, EntityLabel, ForgetRequest, LabelRequest, Verdict};
use serde_json::json;
use tempfile::TempDir;

use crate::support::client::{Request, Response};
use crate::support::plimsoll::Plimsoll;
use crate::{by_grpc, end, metric, report_durably, score, until};

pub(crate) const LINKS: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {}, device: {}}
signals:
  user.address_key: {type: string}
links: {user.address_key: {}, device.id: {}}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  precision: 1
  missing: 0
  factors:
    near: {value: "linked_to_flagged(user, 2)", curve: {steps: {points: [[0, 1], [1, 0.5], [3, 0]]}}, weight: 0.5}
    device: {value: 'flag_rate(device, "30d", "1s")', curve: {linear: {to: 0.1}}, weight: 0.5}
levels: {low: {from: 0}, high: {from: 50}}
rules:
  - {name: all, when: 'score >= 0', decision: allow}
"#;

/// A server of these policies that keeps what it knows in `data`.
pub(crate) fn serve_links(data: &TempDir) -> Plimsoll {
    let plimsoll = Plimsoll::serve_text(LINKS, &json!({"data": data.path()}));
    plimsoll.wait_for("ready", 0);
    plimsoll
}

pub(crate) fn label(plimsoll: &Plimsoll, path: &str, id: &str, at: Timestamp) -> Response {
    let entity = json!({"type": "user", "id": id});
    let labels = json!({"labels": [{"entity": entity, "label": "fraud", "at": at.to_string()}]});
    let post = Request::post(path, labels.to_string());
    plimsoll.ask(&post.header("content-type", "application/json"))
}

pub(crate) fn label_as_fraud(plimsoll: &Plimsoll, id: &str, at: Timestamp) {
    let answer = label(plimsoll, "/v1/labels", id, at);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_label_that_was_acknowledged_as_durable_survives_a_kill() {
    let data = TempDir::new().unwrap();
    let mut first = serve_links(&data);
    for n in 0..10 {
        let answer = label(&first, "/v1/labels?durable=true", &format!("u{n}"), Timestamp::now());
        assert_eq!((answer.status, &answer.json()["durable"]), (200, &json!(true)), "{answer:?}");
    }
    let labels = (10..500).map(|n| EntityLabel {
        entity: Some(Entity { r#type: "user".to_owned(), id: format!("u{n}") }),
        label: Verdict::Fraud.into(),
        ..EntityLabel::default()
    });
    let request = LabelRequest { labels: labels.collect(), durable: true };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = format!("http://{}", first.grpc);
    let answer = runtime.block_on(async {
        ReviewServiceClient::connect(address).await.unwrap().label(request).await.unwrap()
    });
    assert!(answer.get_ref().durable && answer.get_ref().accepted == 490, "{answer:?}");
    first.process.kill();

    let second = serve_links(&data);
    until(|| metric(&second, "plimsoll_labels"), |labels| *labels == 500.0);
    for n in [0, 9, 10, 499] {
        until(|| score(&second, &format!("u{n}"), "d"), |score| *score >= 50.0);
    }
}

#[test]
fn links_and_labels_survive_and_a_forgotten_one_does_not() {
    let data = TempDir::new().unwrap();
    let first = serve_links(&data);
    report_durably(&first, "ann", &json!({"address_key": "k1"}));
    report_durably(&first, "mallory", &json!({"address_key": "k1"}));
    score(&first, "mallory", "d1");
    // Ann is one step off, and the device has an event of fraud as soon as it is known.
    let at = Timestamp::now();
    let told = until(
        || {
            label_as_fraud(&first, "mallory", at);
            score(&first, "ann", "d1")
        },
        |score| *score == 75.0,
    );
    end(first);

    let mut second = serve_links(&data);
    assert_eq!(score(&second, "ann", "d1"), told);
    // Who comes to share the address is linked to what was there before.
    report_durably(&second, "bob", &json!({"address_key": "k1"}));
    until(|| score(&second, "bob", "d2"), |score| *score == 25.0);
    // A label that was taken is on disk with the next durable report.
    label_as_fraud(&second, "bob", Timestamp::now());
    until(|| score(&second, "bob", "d9"), |score| *score == 50.0);
    report_durably(&second, "carl", &json!({"address_key": "k2"}));
    second.process.kill();

    let third = serve_links(&data);
    until(|| score(&third, "bob", "d9"), |score| *score == 50.0);
    by_grpc(&third, async |mut client: SignalServiceClient<_>| {
        for id in ["mallory", "bob"] {
            let entity = Some(Entity { r#type: "user".to_owned(), id: id.to_owned() });
            client.forget(ForgetRequest { entity }).await.unwrap();
        }
    });
    // Nobody near is labelled any more.
    until(|| score(&third, "ann", "d5"), |score| *score == 0.0);
    until(|| score(&third, "mallory", "d1"), |score| *score < 50.0);
}

#[test]
fn links_survive_a_kill_once_they_are_written() {
    let data = TempDir::new().unwrap();
    let mut first = serve_links(&data);
    // Nothing else is learned here: the first that is written is this.
    report_durably(&first, "ann", &json!({"address_key": "k1"}));
    until(|| metric(&first, "plimsoll_store_learned_total"), |written| *written >= 1.0);
    first.process.kill();

    let second = serve_links(&data);
    report_durably(&second, "bob", &json!({"address_key": "k1"}));
    let at = Timestamp::now();
    label_as_fraud(&second, "bob", at);
    // Ann is one step off, by what was written before the kill.
    until(|| score(&second, "ann", "d9"), |score| *score == 25.0);
}
