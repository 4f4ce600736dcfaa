//! Announced changes: softened factors, and a factor of their own.

use super::{Asked, NOW, policy, sum_of_parts};
use crate::engine::{Snapshot, Subject, reason_texts};
use crate::model::{Timestamp, Value};

const TRAVEL: &str = r#"expected(user, "travel")"#;

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// Contributions of factors, then of what was announced, and the score.
fn parts(snapshot: &Snapshot, slots: &[(&str, Value<'_>)]) -> (Vec<f64>, f64) {
    let mut asked = Asked::of(snapshot, slots);
    let outcome = asked.outcome();
    assert!(near(sum_of_parts(snapshot, outcome), outcome.score));
    let factors = outcome.factors.iter().map(|f| f.contribution);
    let parts = factors.chain(outcome.expected.iter().map(|e| e.contribution));
    (parts.map(|part| (part * 1e6).round() / 1e6).collect(), outcome.score)
}

#[test]
fn factors_show_what_they_would_be_and_the_announced_change_what_it_took() {
    let snapshot = policy(
        "score:\n  range: [0, 100]\n  direction: risk\n  missing: 0\n  factors: {a: {value: user.a}, b: {value: user.b}}\n  expected: {travel: {soften: [a], by: 0.8}}\nlevels: {all: {from: 0}}",
    );
    let slots = [("user.a", Value::Number(1.0)), ("user.b", Value::Number(0.5))];
    assert_eq!(parts(&snapshot, &slots), (vec![50.0, 25.0, 0.0], 75.0));
    let softened = [slots[0], slots[1], (TRAVEL, Value::Bool(true))];
    assert_eq!(parts(&snapshot, &softened), (vec![50.0, 25.0, -40.0], 35.0));
}

#[test]
fn on_a_trust_scale_it_gives() {
    let snapshot = policy(
        "score:\n  range: [0, 100]\n  direction: trust\n  missing: worst\n  factors: {a: {value: user.a}, b: {value: user.b}}\n  expected: {travel: {soften: [a], by: 0.5}}\nlevels: {all: {from: 0}}",
    );
    let slots = [
        ("user.a", Value::Number(0.2)),
        ("user.b", Value::Number(1.0)),
        (TRAVEL, Value::Bool(true)),
    ];
    // 0.2 moves by half of the way to 1.
    assert_eq!(parts(&snapshot, &slots), (vec![10.0, 50.0, 20.0], 80.0));
}

#[test]
fn several_changes_soften_what_the_others_left_each_with_its_own_part() {
    let snapshot = policy(
        "score:\n  range: [0, 100]\n  direction: risk\n  missing: 0\n  factors: {a: {value: user.a}}\n  expected:\n    travel: {soften: [a], by: 0.5}\n    on_call: {soften: [a], by: 0.5}\nlevels: {all: {from: 0}}",
    );
    let slots = [
        ("user.a", Value::Number(0.8)),
        (TRAVEL, Value::Bool(true)),
        (r#"expected(user, "on_call")"#, Value::Bool(true)),
    ];
    assert_eq!(parts(&snapshot, &slots), (vec![80.0, -40.0, -20.0], 20.0));
}

#[test]
fn softened_to_nothing_it_still_shows_what_there_was() {
    let snapshot = policy(
        "score:\n  range: [0, 100]\n  direction: risk\n  missing: skip\n  combine: noisy_or\n  dimensions:\n    one: {weight: 0.5, combine: noisy_or, factors: {a: {value: user.a}}}\n    two: {weight: 0.5, factors: {b: {value: user.b}}}\n  expected: {travel: {soften: [a], by: 1}}\nlevels: {all: {from: 0}}\nmin_confidence: {value: 0.1, decision: deny}",
    );
    let slots = [
        ("user.a", Value::Number(1.0)),
        ("user.b", Value::Number(0.4)),
        (TRAVEL, Value::Bool(true)),
    ];
    // 0.5 of what 0.5 * 0.4 leaves over.
    assert_eq!(parts(&snapshot, &slots), (vec![40.0, 20.0, -40.0], 20.0));
}

#[test]
fn a_condition_that_is_not_known_softens_nothing_and_is_told() {
    let snapshot = policy(
        "score:\n  range: [0, 100]\n  direction: risk\n  missing: 0\n  factors: {a: {value: user.a}}\n  expected: {travel: {soften: [a], by: 0.5, when: user.managed}}\nlevels: {all: {from: 0}}",
    );
    let slots = [("user.a", Value::Number(1.0)), (TRAVEL, Value::Bool(true))];
    assert_eq!(parts(&snapshot, &slots).1, 100.0);
    let mut asked = Asked::of(&snapshot, &slots);
    let outcome = asked.outcome();
    let unknown: Vec<&str> = crate::engine::unknown_names(&snapshot, outcome).collect();
    assert_eq!((unknown, outcome.expected[0].applies), (vec!["user.managed"], false));
    for (managed, score) in [(true, 50.0), (false, 100.0)] {
        let slots = [slots[0], slots[1], ("user.managed", Value::Bool(managed))];
        assert_eq!(parts(&snapshot, &slots).1, score);
    }
}

#[test]
fn rules_and_reasons_go_by_what_is_left_and_admins_read_why() {
    let snapshot = policy(
        "score:\n  range: [0, 100]\n  direction: risk\n  missing: 0\n  factors:\n    a: {value: user.a, reason: {user: far, admin: far}}\n    b: {value: user.b, reason: {user: late, admin: late}}\n  expected: {travel: {soften: [a], by: 0.8}}\nlevels: {all: {from: 0}}\nrules:\n  - {name: far, when: 'factors.a > 0.5', unknown: skip, decision: deny}\ndefault: {decision: allow}",
    );
    let until = Timestamp::from_millis(1_781_049_600_000);
    let slots = [("user.a", Value::Number(1.0)), ("user.b", Value::Number(0.5))];
    let announced = [
        slots[0],
        slots[1],
        (TRAVEL, Value::Bool(true)),
        ("expected(user, \"travel\").until", Value::Timestamp(until)),
        ("expected(user, \"travel\").reference", Value::Text("CHG-123")),
    ];
    for (slots, first, denied, admin) in [
        (&slots[..], 0, true, vec!["far", "late"]),
        (
            &announced[..],
            1,
            false,
            vec!["late", "far", "Announced: travel until 2026-06-10 (CHG-123)"],
        ),
    ] {
        let mut asked = Asked::of(&snapshot, slots);
        asked.outcome();
        let (view, out) = (asked.view.clone(), asked.outcome());
        let policy = snapshot.policy(out.policy.unwrap()).unwrap();
        assert_eq!(out.reasons[0].subject, Subject::Factor(first));
        assert_eq!(out.decision == Some(crate::model::Decision::Deny), denied);
        assert_eq!(reason_texts(&snapshot, policy, &view, out, true), admin);
        let user: Vec<&str> = admin.into_iter().filter(|text| !text.contains(':')).collect();
        assert_eq!(reason_texts(&snapshot, policy, &view, out, false), user);
    }
    assert!(until > NOW);
}
