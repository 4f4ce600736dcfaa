//! A logged decision replays to the same bits.

use super::{Asked, policy};
use crate::engine::reason_texts;
use crate::engine::{Evaluation, RecordedView, evaluate};
use crate::model::{Reading, Value};

#[test]
fn a_recorded_view_replays_bit_for_bit() {
    let snapshot = policy(
        "score:\n  range: [0, 1000]\n  direction: risk\n  missing: 0.4\n  factors:\n    a: {value: user.a, curve: {logistic: {mid: 3, slope: 0.7}}, weight: 0.1}\n    b: {value: user.b / user.c, curve: {log10: {to: 37}}, weight: 0.7}\n    d: {value: days_since(user.ported_at), curve: {linear: {to: 30}}, weight: 0.3}\n    e: {value: user.e}\nlevels: {low: {from: 0}, high: {from: 333.3}}\nrules:\n  - {name: r, when: 'at_or_worse(\"high\") && user.role in [\"lead\"]', unknown: skip, decision: allow}",
    );
    let third = Reading { value: Value::Number(1.0 / 3.0), freshness: 1.0 / 7.0 };
    let mut asked = Asked::of(
        &snapshot,
        &[
            ("user.a", Value::Number(std::f64::consts::PI)),
            ("user.b", Value::Number(f64::INFINITY)),
            ("user.ported_at", Value::None),
            ("user.role", Value::Text("lead")),
        ],
    )
    .with("user.c", third);
    let id = snapshot.find("p").unwrap();
    let recorded = RecordedView::record(&snapshot, id, &asked.view).unwrap();
    let live = {
        let outcome = asked.outcome();
        (outcome.score.to_bits(), outcome.confidence.to_bits(), outcome.decision)
    };

    let log = serde_json::to_string(&recorded).unwrap();
    let read: RecordedView = serde_json::from_str(&log).unwrap();
    assert_eq!(read, recorded);
    let mut view = read.view(&snapshot);
    let mut evaluation = Evaluation::new();
    evaluate(&snapshot, read.policy(&snapshot).unwrap(), &mut view, &mut evaluation);
    let outcome = evaluation.outcome(id).unwrap();
    assert_eq!(live, (outcome.score.to_bits(), outcome.confidence.to_bits(), outcome.decision));
}

#[test]
fn what_was_announced_is_replayed_with_its_end_and_its_reference() {
    let snapshot = policy(
        "score:\n  range: [0, 100]\n  direction: risk\n  missing: 0\n  factors: {a: {value: user.a}}\n  expected: {travel: {soften: [a], by: 0.7}}\nlevels: {all: {from: 0}}",
    );
    let until = Value::Timestamp(crate::model::Timestamp::from_millis(1_781_049_600_000));
    let mut asked = Asked::of(
        &snapshot,
        &[
            ("user.a", Value::Number(1.0 / 3.0)),
            (r#"expected(user, "travel")"#, Value::Bool(true)),
            (r#"expected(user, "travel").until"#, until),
            (r#"expected(user, "travel").reference"#, Value::Text("CHG-123")),
        ],
    );
    let id = snapshot.find("p").unwrap();
    let recorded = RecordedView::record(&snapshot, id, &asked.view).unwrap();
    let live = asked.outcome().score.to_bits();
    let log = serde_json::to_string(&recorded).unwrap();
    let read: RecordedView = serde_json::from_str(&log).unwrap();
    let mut view = read.view(&snapshot);
    let mut evaluation = Evaluation::new();
    evaluate(&snapshot, id, &mut view, &mut evaluation);
    let outcome = evaluation.outcome(id).unwrap();
    assert_eq!(outcome.score.to_bits(), live);
    let texts = reason_texts(&snapshot, snapshot.policy(id).unwrap(), &view, outcome, true);
    assert_eq!(texts, ["Announced: travel until 2026-06-10 (CHG-123)"]);
}
