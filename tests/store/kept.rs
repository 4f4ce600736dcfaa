//! What is there again after a restart, and what is not.

use jiff::Timestamp;
use plimsoll::proto::{Entity, ForgetRequest, GetRequest, Report, ReportRequest};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::links::label;
use crate::support::plimsoll::Plimsoll;
use crate::{by_grpc, end, metric, report, report_durably, score, serve, status, until};

fn user(id: &str) -> Option<Entity> {
    Some(Entity { r#type: "user".to_owned(), id: id.to_owned() })
}

fn known(plimsoll: &Plimsoll, id: &str) -> Result<Vec<(String, String)>, Code> {
    by_grpc(plimsoll, async |mut client| {
        let got = client.get(GetRequest { entity: user(id) }).await.map_err(|why| why.code())?;
        let signals = got.into_inner().signals.into_iter();
        Ok(signals.map(|s| (s.name, format!("{:?} {:?}", s.value, s.observed_at))).collect())
    })
}

#[test]
fn what_was_acknowledged_as_durable_survives_a_kill() {
    let data = TempDir::new().unwrap();
    let mut first = serve(data.path());
    let signals = json!({
        "standing": 10, "note": "schön", "groups": ["a", "b"], "absent": null,
        "seen_at": "2026-06-01T09:00:00Z", "home": {"latitude": 52.5, "longitude": 13.4},
    });
    report_durably(&first, "ann", &signals);
    let before = known(&first, "ann").unwrap();
    assert_eq!(before.len(), 6, "{before:?}");
    assert_eq!(score(&first, "ann", "d1"), 30.0);
    first.process.kill();

    let second = serve(data.path());
    assert_eq!(known(&second, "ann").unwrap(), before);
    assert_eq!(score(&second, "ann", "d2"), 30.0);
    assert_eq!(status(&second)["store"]["loaded"], 1);
}

#[test]
fn each_message_of_a_durable_stream_survives_a_kill() {
    let data = TempDir::new().unwrap();
    let mut first = serve(data.path());
    let message = |n: u64| ReportRequest {
        reports: (0..50)
            .map(|m| Report {
                entity: user(&format!("u{n}-{m}")),
                signals: [("standing".to_owned(), prost_types::Value::from(n as f64))].into(),
                observed_at: None,
            })
            .collect(),
        sequence: n,
        durable: true,
    };
    let acknowledged = by_grpc(&first, async |mut client| {
        let messages = tokio_stream::iter((1..=20).map(message));
        let mut answers = client.report_stream(messages).await.unwrap().into_inner();
        let mut last = 0;
        while let Some(answer) = answers.message().await.unwrap() {
            assert!(answer.durable && answer.accepted == 50, "{answer:?}");
            last = answer.sequence;
            if last == 12 {
                break;
            }
        }
        last
    });
    first.process.kill();
    let second = serve(data.path());
    for n in 1..=acknowledged {
        assert!(known(&second, &format!("u{n}-49")).is_ok(), "{n} of {acknowledged}");
    }
    assert!(status(&second)["store"]["loaded"].as_u64().unwrap() >= 600);
}

#[test]
fn a_familiar_device_and_a_window_survive_a_restart() {
    let data = TempDir::new().unwrap();
    let first = serve(data.path());
    for _ in 0..2 {
        assert_eq!(report(&first, "/v1/signals", "ann", &json!({"login_failed": 1})).status, 200);
    }
    until(|| score(&first, "ann", "d1"), |score| *score == 70.0);
    assert_eq!(score(&first, "ann", "other"), 20.0);
    end(first);

    let second = serve(data.path());
    assert_eq!(score(&second, "ann", "d1"), 70.0);
    assert_eq!(score(&second, "ann", "another"), 20.0);
    // Learning goes on from there: the third device is known, and so are the first ones.
    until(|| score(&second, "ann", "another"), |score| *score == 70.0);
    assert_eq!(score(&second, "ann", "d1"), 70.0);
}

#[test]
fn a_profile_survives_a_kill_once_it_is_written() {
    let data = TempDir::new().unwrap();
    let mut first = serve(data.path());
    until(|| score(&first, "ann", "d1"), |score| *score == 50.0);
    // Nobody else is learned of here: the first that is written is her profile.
    until(|| metric(&first, "plimsoll_store_learned_total"), |written| *written >= 1.0);
    first.process.kill();

    let second = serve(data.path());
    // A profile that begins anew would know the second device, and not the first.
    until(|| score(&second, "ann", "another"), |score| *score == 50.0);
    assert_eq!(score(&second, "ann", "d1"), 50.0);
}

#[test]
fn what_is_forgotten_stays_forgotten() {
    let data = TempDir::new().unwrap();
    let first = serve(data.path());
    report_durably(&first, "ann", &json!({"standing": 10}));
    report_durably(&first, "bob", &json!({"standing": 10}));
    until(|| score(&first, "ann", "d1"), |score| *score == 80.0);
    end(first);

    // The profile is on disk, and not in memory.
    let mut second = serve(data.path());
    let forget =
        async |mut client: plimsoll::proto::signal_service_client::SignalServiceClient<_>| {
            client.forget(ForgetRequest { entity: user("ann") }).await.unwrap().into_inner().found
        };
    assert!(by_grpc(&second, forget));
    second.process.kill();

    let third = serve(data.path());
    assert_eq!(known(&third, "ann"), Err(Code::NotFound));
    assert!(known(&third, "bob").is_ok());
    // As of somebody new, of whom no risk is known: this device is learned.
    assert_eq!(score(&third, "ann", "other"), 0.0);
    report_durably(&third, "ann", &json!({"login_failed": 1}));
    until(|| score(&third, "ann", "other"), |score| *score == 60.0);
    // What she was known with does not come back with her.
    assert_eq!(score(&third, "ann", "d1"), 10.0);
}

#[test]
fn what_the_catalog_does_not_name_stays_with_its_entity() {
    let data = TempDir::new().unwrap();
    let mut first = serve(data.path());
    report_durably(&first, "ann", &json!({"standing": 10, "note": "kept"}));
    first.process.kill();
    // A catalog without the note, and with signals in another order.
    let text = std::fs::read_to_string("tests/store/policies/policy.yaml").unwrap();
    let second = serve(data.path());
    let without = text.replace("  user.note: {type: string}\n", "").replace(
        "signals:\n",
        "signals:\n  device.managed: {type: bool}\n  user.first: {type: bool}\n",
    );
    let mut second = {
        drop(second);
        Plimsoll::serve_text(&without, &json!({"data": data.path()}))
    };
    second.wait_for("ready", 0);
    assert_eq!(score(&second, "ann", "d1"), 30.0);
    report_durably(&second, "ann", &json!({"standing": 5, "first": true}));
    second.process.kill();
    let third = serve(data.path());
    let known = known(&third, "ann").unwrap();
    assert!(
        known.iter().any(|(name, value)| name == "note" && value.contains("kept")),
        "{known:?}"
    );
    // Whether the device was written before the kill is chance; this one was never seen.
    assert_eq!(score(&third, "ann", "d2"), 15.0);
}

#[test]
fn in_memory_nothing_is_written_and_nothing_is_durable() {
    let server = Plimsoll::serve("tests/store/policies", &json!({}));
    server.wait_for("ready", 0);
    let answer = report(&server, "/v1/signals?durable=true", "ann", &json!({"standing": 10}));
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.body.contains("`data` is `memory`"), "{answer:?}");
    let labelled = label(&server, "/v1/labels?durable=true", "ann", Timestamp::now());
    assert_eq!(labelled.status, 409, "{labelled:?}");
    let refused = by_grpc(&server, async |mut client| {
        let request = ReportRequest { durable: true, ..ReportRequest::default() };
        client.report(request).await.unwrap_err().code()
    });
    assert_eq!(refused, Code::FailedPrecondition);
    assert_eq!(known(&server, "ann"), Err(Code::NotFound), "nothing of it was taken");
    assert_eq!(report(&server, "/v1/signals", "ann", &json!({"standing": 10})).status, 200);
    let folder = server.policies().parent().unwrap().to_owned();
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["plimsoll.yaml", "policies"]);
    assert!(status(&server).get("store").is_none());
}
