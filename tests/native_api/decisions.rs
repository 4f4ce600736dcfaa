use plimsoll::proto::evaluate_result::Result as ItemResult;
use plimsoll::proto::{
    Action, Basis, Decision, EvaluateBatchRequest, EvaluateRequest, EvaluateResponse, HttpRequest,
    Party, ReportRequest,
};
use prost_types::Struct;
use tonic::Code;

use super::signals::{number, report, string, structure};
use super::support::{House, publish};

pub fn ask(action: &str) -> EvaluateRequest {
    let party = |kind: &str, id: &str| {
        Some(Party { r#type: kind.to_owned(), id: id.to_owned(), properties: None })
    };
    EvaluateRequest {
        subject: party("user", "u1"),
        action: Some(Action { name: action.to_owned(), properties: None }),
        resource: party("account", "a1"),
        context: Some(context([])),
        ..EvaluateRequest::default()
    }
}

fn context<const N: usize>(more: [(&str, prost_types::Value); N]) -> Struct {
    let entities = structure([("device", string("d1")), ("address", string("::ffff:203.0.113.9"))]);
    let fields = [("entities", entities)].into_iter().chain(more);
    Struct { fields: fields.map(|(key, value)| (key.to_owned(), value)).collect() }
}

async fn known(house: &House) {
    let reports = vec![
        report("user", "u1", [("auth_count", number(45.0)), ("note", string("héllo"))]),
        report(
            "device",
            "d1",
            [(
                "managed",
                prost_types::Value { kind: Some(prost_types::value::Kind::BoolValue(true)) },
            )],
        ),
    ];
    let request = ReportRequest { reports, ..ReportRequest::default() };
    let answer = house.signals().await.report(request).await.unwrap().into_inner();
    assert_eq!(answer.accepted, 3);
}

async fn evaluate(house: &House, request: EvaluateRequest) -> EvaluateResponse {
    house.decisions().await.evaluate(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn an_answer_carries_all_that_led_to_it() {
    let house = House::open();
    known(&house).await;
    let answer = evaluate(&house, ask("read")).await;
    assert_eq!(answer.decision(), Decision::Allow);
    assert_eq!(answer.id.len(), 36);
    assert!((answer.score - 70.0).abs() < 1e-6, "{}", answer.score);
    assert_eq!((answer.shown_score, &*answer.level), (70.0, "mid"));
    assert_eq!(answer.confidence, 1.0);
    let policy = answer.policy.clone().unwrap();
    assert_eq!((&*policy.name, policy.revision.len()), ("main", 16));
    let factors: Vec<_> =
        answer.factors.iter().map(|f| (&*f.name, f.value, f.basis(), f.freshness)).collect();
    assert_eq!(
        factors,
        [("habit", Some(0.5), Basis::Live, 1.0), ("managed", Some(1.0), Basis::Live, 1.0)]
    );
    let sum: f64 = answer.factors.iter().map(|f| f.contribution).sum();
    assert!((sum - answer.score).abs() < 1e-6);
    assert_eq!(answer.dimensions.keys().collect::<Vec<_>>(), ["machine", "person"]);
    assert_eq!(answer.reasons, ["habit"]);
    assert_eq!(answer.reason_user, ["Seldom seen"]);
    assert_eq!(answer.reason_admin, ["Seen 45 times"]);
    assert_eq!(answer.rule, "known_actions");
    assert_eq!(answer.unknown, ["address.reports"]);
    let obligations = answer.obligations.clone().unwrap();
    // `x-note` is no text that a header can carry.
    let headers: Vec<_> = obligations.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(headers, [("x-count", "45"), ("x-level", "mid")]);
    let claims = obligations.token_claims.unwrap();
    assert_eq!(claims.fields["lvl"], string("mid"));
    assert_eq!(claims.fields["count"], number(45.0));
    assert!(!obligations.review);
    let [shadow] = &answer.shadows[..] else { panic!("{:?}", answer.shadows) };
    assert_eq!(
        (&*shadow.policy, shadow.decision(), &*shadow.level),
        ("stern", Decision::Deny, "grim")
    );
    assert_eq!(answer.shadow_decision(), Decision::Unspecified);
}

#[tokio::test]
async fn each_decision_has_what_belongs_to_it() {
    let house = House::open();
    known(&house).await;

    let restricted =
        evaluate(&house, EvaluateRequest { enforces_limits: true, ..ask("export") }).await;
    assert_eq!(restricted.decision(), Decision::Restrict);
    assert_eq!(restricted.limits, ["read_only", "watermark"]);
    assert_eq!(restricted.rules, ["known_actions", "exporting"]);
    let denied = evaluate(&house, ask("export")).await;
    assert_eq!(denied.decision(), Decision::Deny);
    assert!(denied.limits_not_enforced && denied.limits.is_empty());

    let step_up = evaluate(&house, ask("pay")).await;
    assert_eq!(step_up.decision(), Decision::StepUp);
    let asked = step_up.step_up.clone().unwrap();
    assert_eq!(
        (asked.acr_values, asked.amr, asked.max_age),
        (vec!["gold".to_owned(), "silver".to_owned()], vec!["hwk".to_owned()], Some(300.0))
    );
    assert_eq!(step_up.reason_user, ["Please confirm", "Seldom seen"]);
    assert_eq!(step_up.shadow_decision(), Decision::Deny);
    assert_eq!(step_up.shadow_rules, ["strict_pay"]);
    // Of 60 points for the habit it has 30; with 20 more there are the 90 that paying takes.
    let other = step_up.counterfactual.clone().unwrap();
    assert_eq!((&*other.factor, other.decision()), ("habit", Decision::Allow));
    assert!((other.value - 50.0 / 60.0).abs() < 1e-6, "{other:?}");
    assert_eq!(other.needs, "at least 75");
    assert_eq!(other.text, "Only this stands in the way: Seldom seen");

    let large =
        EvaluateRequest { context: Some(context([("amount", number(1001.0))])), ..ask("pay") };
    let denied = evaluate(&house, large).await;
    assert_eq!((denied.decision(), &*denied.rule), (Decision::Deny, "large"));
    assert_eq!(denied.reason_admin[0], "Too much at 70");
    let obligations = denied.obligations.unwrap();
    assert!(obligations.review);
    assert_eq!(obligations.incident_severity, "high");
    assert_eq!(denied.step_up, None);
}

#[tokio::test]
async fn an_address_is_known_however_it_is_written() {
    let house = House::open();
    known(&house).await;
    let reports = vec![report("address", "::FFFF:203.0.113.9", [("reports", number(9.0))])];
    let request = ReportRequest { reports, ..ReportRequest::default() };
    house.signals().await.report(request).await.unwrap();
    let answer = evaluate(&house, ask("read")).await;
    assert_eq!((answer.score, &*answer.level), (20.0, "low"));
    let [adjustment] = &answer.adjustments[..] else { panic!("{:?}", answer.adjustments) };
    assert_eq!(&*adjustment.name, "reported");
    assert!((adjustment.contribution + 50.0).abs() < 1e-6, "{}", adjustment.contribution);
    assert_eq!(answer.reasons, ["reported", "habit"]);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let house = House::open();
    let mut client = house.decisions().await;
    let context = |key: &str, value| Some(context([(key, value)]));
    let kind = |kind: &str| structure([(kind, string("x"))]);
    let table = [
        (EvaluateRequest { subject: None, ..ask("read") }, "`subject` is missing"),
        (EvaluateRequest { action: None, ..ask("read") }, "`action` is missing"),
        (
            EvaluateRequest { resource: Some(Party::default()), ..ask("read") },
            "`resource.type` is empty",
        ),
        (ask(""), "`action.name` is empty"),
        (
            EvaluateRequest { context: context("amount", string("5")), ..ask("read") },
            "`context.amount`: expected a number, found a string",
        ),
        (
            EvaluateRequest {
                context: context("deep", structure([("x", number(f64::NAN))])),
                ..ask("read")
            },
            "`context.deep.x`: expected a finite number",
        ),
        (
            EvaluateRequest { context: context("entities", kind("devise")), ..ask("read") },
            "`context.entities.devise`: there is no entity kind of that name: did you mean `device`?",
        ),
        (
            EvaluateRequest {
                http: Some(HttpRequest {
                    path: "/a/%2e%2e/../..".to_owned(),
                    ..HttpRequest::default()
                }),
                ..ask("read")
            },
            "`http.path`: ",
        ),
    ];
    let wrong = table.len() as u64;
    for (request, text) in table {
        let status = client.evaluate(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().starts_with(text), "{status}");
    }
    let other = EvaluateRequest { policy: "mian".to_owned(), ..ask("read") };
    let status = client.evaluate(other).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "unknown policy `mian`: did you mean `main`?");
    let refused = &house.pdp.metrics.refused;
    assert_eq!((refused.malformed.read(), refused.unknown_policy.read()), (wrong, 1));
}

#[tokio::test]
async fn without_a_policy_nothing_is_decided() {
    let house = House::empty();
    let mut client = house.decisions().await;
    assert_eq!(client.evaluate(ask("read")).await.unwrap_err().code(), Code::Unavailable);
    let batch = EvaluateBatchRequest { requests: vec![ask("read")] };
    assert_eq!(client.evaluate_batch(batch).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(house.pdp.metrics.refused.no_policy.read(), 2);
    publish(&house.pdp);
    client.evaluate(ask("read")).await.unwrap();
}

#[tokio::test]
async fn one_bad_item_does_not_cost_the_batch() {
    let house = House::open();
    known(&house).await;
    let mut client = house.decisions().await;
    let mut requests: Vec<_> =
        (0..100).map(|n| ask(if n % 2 == 0 { "read" } else { "wipe" })).collect();
    requests[41] = ask("");
    requests[42].policy = "none".to_owned();
    let answer = client.evaluate_batch(EvaluateBatchRequest { requests }).await.unwrap();
    let results = answer.into_inner().results;
    assert_eq!(results.len(), 100);
    for (n, result) in results.into_iter().enumerate() {
        match (n, result.result.unwrap()) {
            (41, ItemResult::Error(text)) => assert_eq!(text, "`action.name` is empty"),
            (42, ItemResult::Error(text)) => assert_eq!(text, "unknown policy `none`"),
            (_, ItemResult::Response(answer)) => {
                let expected = if n % 2 == 0 { Decision::Allow } else { Decision::Deny };
                assert_eq!(answer.decision(), expected, "{n}");
            }
            (n, other) => panic!("{n}: {other:?}"),
        }
    }
    let many = EvaluateBatchRequest { requests: vec![ask("read"); 1001] };
    let status = client.evaluate_batch(many).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "`requests`: 1001 of them, at most 1000");
}
