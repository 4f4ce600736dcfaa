//! What is not known: in factors, in confidence, in values that are no numbers.

use super::{Asked, policy, sum_of_parts};
use crate::engine::{Basis, reason_texts};
use crate::model::{Reading, Value};

const REST: &str = "levels: {all: {from: 0}}\nmin_confidence: {value: 0.1, decision: deny}";

#[test]
fn missing_is_worst_skipped_or_a_number() {
    for (direction, missing, expected, basis) in [
        ("trust", "worst", 0.25, Basis::Assumed),
        ("risk", "worst", 0.75, Basis::Assumed),
        ("trust", "0.5", 0.5, Basis::Assumed),
        ("trust", "skip", 0.5, Basis::Skipped),
    ] {
        let snapshot = policy(&format!(
            "score:\n  range: [0, 1]\n  direction: {direction}\n  missing: {missing}\n  factors: {{a: {{value: user.a}}, b: {{value: user.b}}}}\n{REST}"
        ));
        let mut asked = Asked::of(&snapshot, &[("user.a", Value::Number(0.5))]);
        let outcome = asked.outcome();
        assert!((outcome.score - expected).abs() < 1e-12, "{direction} {missing}");
        assert_eq!(outcome.factors[1].basis, basis);
        assert!((outcome.confidence - 0.5).abs() < 1e-12, "half of the weight is live");
    }
}

#[test]
fn nothing_known_is_the_prior_with_no_confidence() {
    for (prior, expected) in [("", 0.0), ("  prior: 40\n", 40.0)] {
        let snapshot = policy(&format!(
            "score:\n  range: [0, 100]\n  direction: trust\n  missing: 0.9\n{prior}  factors: {{a: {{value: user.a}}}}\n{REST}"
        ));
        let mut asked = Asked::of(&snapshot, &[]);
        let outcome = asked.outcome();
        assert_eq!((outcome.score, outcome.confidence), (expected, 0.0));
        assert!((sum_of_parts(&snapshot, outcome) - expected).abs() < 1e-9);
    }
}

#[test]
fn reasons_may_say_how_little_is_known() {
    let snapshot = policy(
        "score:\n  range: [0, 1]\n  direction: trust\n  missing: skip\n  factors: {a: {value: user.a, weight: 0.3}, b: {value: user.b, weight: 0.4}, c: {value: user.c, weight: 0.3}}\nlevels: {all: {from: 0}}\nmin_confidence: {value: 0.7, decision: deny, reason: {user: 'known: {confidence} of 0.7'}}\nrules: [{name: r, when: 'true', decision: allow}]",
    );
    let one = Value::Number(1.0);
    for (slots, told) in [
        (vec![("user.a", one)], vec!["known: 0.3 of 0.7"]),
        (vec![("user.a", one), ("user.c", one)], vec!["known: 0.6 of 0.7"]),
        (vec![], vec!["known: 0 of 0.7"]),
        (vec![("user.a", one), ("user.b", one)], vec![]),
    ] {
        let mut asked = Asked::of(&snapshot, &slots);
        asked.outcome();
        let (view, out) = (asked.view.clone(), asked.outcome());
        let policy = snapshot.policy(out.policy.unwrap()).unwrap();
        assert_eq!(reason_texts(&snapshot, policy, &view, out, false), told);
    }
    // A little less than what is asked for is not shown as if it were as much.
    let aged = Reading { value: one, freshness: 0.99 };
    let mut asked = Asked::of(&snapshot, &[("user.b", one)]).with("user.a", aged);
    asked.outcome();
    let (view, out) = (asked.view.clone(), asked.outcome());
    let policy = snapshot.policy(out.policy.unwrap()).unwrap();
    assert_eq!(reason_texts(&snapshot, policy, &view, out, false), ["known: 0.69 of 0.7"]);
}

#[test]
fn confidence_falls_as_signals_age() {
    let snapshot = policy(&format!(
        "score:\n  range: [0, 1]\n  direction: trust\n  missing: worst\n  factors: {{both: {{value: user.a + user.b, weight: 3}}, c: {{value: user.c}}}}\n{REST}"
    ));
    let aged = |freshness| Reading { value: Value::Number(0.1), freshness };
    let mut asked = Asked::of(&snapshot, &[("user.c", Value::Number(1.0))])
        .with("user.a", aged(0.5))
        .with("user.b", aged(0.25));
    let outcome = asked.outcome();
    assert!(
        (outcome.confidence - (0.75 * 0.25 + 0.25)).abs() < 1e-12,
        "the least freshness counts"
    );
    assert_eq!(outcome.factors[0].freshness, 0.25);
}

#[test]
fn what_is_no_number_is_missing() {
    for (expression, values) in [
        ("user.a / user.b", [0.0, 0.0]),
        ("user.a - user.b", [f64::INFINITY, f64::INFINITY]),
        ("user.a % user.b", [1.0, 0.0]),
    ] {
        let snapshot = policy(&format!(
            "score:\n  range: [0, 1]\n  direction: trust\n  missing: worst\n  factors: {{q: {{value: {expression}}}}}\n{REST}"
        ));
        let slots = [("user.a", Value::Number(values[0])), ("user.b", Value::Number(values[1]))];
        let mut asked = Asked::of(&snapshot, &slots);
        let outcome = asked.outcome();
        assert_eq!(outcome.factors[0].basis, Basis::Assumed, "{expression}");
        assert_eq!(outcome.score, 0.0);
    }
}

#[test]
fn infinities_clamp() {
    let snapshot = policy(&format!(
        "score:\n  range: [0, 1]\n  direction: trust\n  missing: worst\n  factors: {{q: {{value: user.a / user.b, curve: {{linear: {{to: 10}}}}}}}}\n{REST}"
    ));
    let slots = [("user.a", Value::Number(1.0)), ("user.b", Value::Number(0.0))];
    let mut asked = Asked::of(&snapshot, &slots);
    assert_eq!(asked.outcome().score, 1.0);
}

#[test]
fn what_was_met_and_not_known_is_listed() {
    let snapshot = policy(&format!(
        "score:\n  range: [0, 1]\n  direction: trust\n  missing: worst\n  factors: {{a: {{value: user.a}}}}\nrules:\n  - {{name: r, when: 'user.b > 0 || known(user.c)', unknown: skip, decision: allow}}\n{REST}"
    ));
    let mut asked = Asked::of(&snapshot, &[]);
    let names: Vec<String> = {
        let outcome = asked.outcome();
        crate::engine::unknown_names(&snapshot, outcome).map(str::to_owned).collect()
    };
    assert_eq!(names, ["user.a", "user.b"], "asking known() is not meeting");
}
