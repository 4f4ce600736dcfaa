use plimsoll::proto::{Entity, ForgetRequest, GetRequest, Report, ReportRequest, ReportResponse};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::support::{House, PATIENCE};

pub fn number(x: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(x)) }
}

pub fn string(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

pub fn structure<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Value { kind: Some(Kind::StructValue(Struct { fields })) }
}

fn list(items: &[Value]) -> Value {
    Value { kind: Some(Kind::ListValue(ListValue { values: items.to_vec() })) }
}

pub fn report<const N: usize>(kind: &str, id: &str, signals: [(&str, Value); N]) -> Report {
    let signals = signals.into_iter().map(|(name, value)| (name.to_owned(), value));
    Report { entity: entity(kind, id), signals: signals.collect(), observed_at: None }
}

fn entity(kind: &str, id: &str) -> Option<Entity> {
    Some(Entity { r#type: kind.to_owned(), id: id.to_owned() })
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 250_000_000 })
}

async fn send(house: &House, reports: Vec<Report>) -> ReportResponse {
    let request = ReportRequest { reports, sequence: 7, durable: false };
    house.signals().await.report(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn what_is_reported_is_known_until_it_is_forgotten() {
    let house = House::open();
    let signals = [
        ("auth_count", number(10.0)),
        ("role", string("admin")),
        ("seen_at", string("2026-06-01T09:00:00Z")),
        ("home", structure([("latitude", number(52.5)), ("longitude", number(13.4))])),
        ("groups", list(&[string("a"), string("b")])),
        ("span", string("24h")),
        ("note", Value { kind: Some(Kind::NullValue(0)) }),
    ];
    let answer = send(
        &house,
        vec![Report { observed_at: at(1_700_000_000), ..report("user", "u1", signals.clone()) }],
    )
    .await;
    assert_eq!((answer.accepted, answer.sequence), (7, 7));

    let mut client = house.signals().await;
    let ask = || GetRequest { entity: entity("user", "u1") };
    let known = client.get(ask()).await.unwrap().into_inner();
    assert_eq!(known.entity, entity("user", "u1"));
    let names: Vec<_> = known.signals.iter().map(|signal| &*signal.name).collect();
    assert_eq!(names, ["auth_count", "groups", "home", "note", "role", "seen_at", "span"]);
    for signal in &known.signals {
        let sent = signals.iter().find(|(name, _)| *name == signal.name).unwrap().1.clone();
        // A duration is read as seconds.
        let expected = if signal.name == "span" { number(86_400.0) } else { sent };
        assert_eq!(signal.value.as_ref(), Some(&expected), "{}", signal.name);
        assert_eq!(signal.observed_at, at(1_700_000_000));
    }

    let forget = || ForgetRequest { entity: entity("user", "u1") };
    assert!(client.forget(forget()).await.unwrap().into_inner().found);
    assert!(!client.forget(forget()).await.unwrap().into_inner().found);
    assert_eq!(client.get(ask()).await.unwrap_err().code(), Code::NotFound);
    let status = client.get(GetRequest { entity: entity("usr", "u1") }).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "`entity.type`: unknown entity kind `usr`: did you mean `user`?");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_the_rest_is_taken() {
    let house = House::open();
    let answer = send(
        &house,
        vec![
            report("user", "u1", [("auth_cout", number(1.0)), ("role", string("admin"))]),
            report("usr", "u1", [("role", string("admin"))]),
            Report { entity: None, ..report("user", "", []) },
            Report {
                observed_at: at(i64::MAX),
                ..report("user", "u1", [("role", string("admin"))])
            },
            Report {
                observed_at: at(9_999_999_999),
                ..report("user", "u1", [("role", string("admin"))])
            },
            report("user", "u2", [("auth_count", list(&[number(1.0)])), ("home", structure([]))]),
            Report { observed_at: at(1), ..report("user", "u1", [("role", string("member"))]) },
            report("device", "d1", [("managed", Value { kind: None })]),
        ],
    )
    .await;
    assert_eq!((answer.accepted, answer.ignored, answer.unlisted), (1, 1, 0));
    let ignored: Vec<_> = answer.ignored_signals.iter().map(|i| (i.report, &*i.signal)).collect();
    assert_eq!(ignored, [(6, "role")]);
    let rejected: Vec<_> =
        answer.rejected.iter().map(|r| (r.report, &*r.signal, &*r.reason)).collect();
    let expected = [
        (0, "auth_cout", "unknown signal `user.auth_cout`; did you mean `auth_count`?"),
        (1, "", "unknown entity kind `usr`; did you mean `user`?"),
        (2, "", "`entity` is missing"),
        (3, "", "`observed_at` is no valid time"),
        (4, "", "`observed_at` is "),
        (5, "auth_count", "`auth_count`: expected number, got list of other than strings"),
        (5, "home", "`home`: expected location (latitude and longitude in degrees), got object"),
        (7, "managed", "`managed`: expected bool, got an empty value"),
    ];
    assert_eq!(rejected.len(), expected.len(), "{rejected:#?}");
    for (found, expected) in rejected.iter().zip(expected) {
        assert_eq!((found.0, found.1), (expected.0, expected.1));
        assert!(found.2.starts_with(expected.2), "{found:?}");
    }
}

#[tokio::test]
async fn an_answer_lists_no_more_than_clients_read() {
    let house = House::open();
    let reports = vec![report("nobody", "x", []); 10_001];
    let answer = send(&house, reports).await;
    assert_eq!((answer.rejected.len(), answer.unlisted), (10_000, 1));
    let mut wide = report("user", "u1", []);
    wide.signals = (0..1025).map(|n| (format!("s{n}"), number(1.0))).collect();
    let answer = send(&house, vec![wide]).await;
    assert_eq!(answer.rejected[0].reason, "1025 signals in one report; at most 1024");
}

#[tokio::test]
async fn each_message_of_a_stream_is_acknowledged() {
    let house = House::open();
    let (sender, messages) = tokio::sync::mpsc::channel(4);
    let mut client = house.signals().await;
    let stream = ReceiverStream::new(messages);
    let mut answers = client.report_stream(stream).await.unwrap().into_inner();
    for sequence in 1..=5 {
        let reports = (0..600)
            .map(|n| report("user", &format!("u{n}"), [("auth_count", number(sequence as f64))]))
            .collect();
        sender.send(ReportRequest { reports, sequence, durable: false }).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.sequence, answer.accepted), (sequence, 600));
    }
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());
    assert_eq!(house.pdp.cache.stats().entities, 600);
}

/// An open stream doesn't hold up a drain.
#[tokio::test]
async fn a_stream_ends_when_the_server_drains() {
    let house = House::open();
    let (sender, messages) = tokio::sync::mpsc::channel(4);
    let mut client = house.signals().await;
    let stream = ReceiverStream::new(messages);
    let mut answers = client.report_stream(stream).await.unwrap().into_inner();
    sender.send(ReportRequest { sequence: 1, ..ReportRequest::default() }).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    let began = std::time::Instant::now();
    assert_eq!(house.drain().await, 0);
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn without_a_policy_no_signal_is_known() {
    let house = House::empty();
    let mut client = house.signals().await;
    let request =
        ReportRequest { reports: vec![report("user", "u", [])], ..ReportRequest::default() };
    assert_eq!(client.report(request).await.unwrap_err().code(), Code::Unavailable);
    let status = client.get(GetRequest { entity: entity("user", "u") }).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}
