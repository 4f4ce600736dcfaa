//! Counterfactuals against the engine itself, asked again with other values.

use proptest::prelude::*;

use super::{Asked, policy};
use crate::engine::{Counterfactual, Needed, Snapshot, counterfactual, counterfactual_text};
use crate::model::{Decision, Value};

fn of(snapshot: &Snapshot, slots: &[(&str, Value<'_>)]) -> Option<Counterfactual> {
    let mut asked = Asked::of(snapshot, slots);
    asked.outcome();
    let id = snapshot.find("p").unwrap();
    let outcome = asked.evaluation.outcome(id).unwrap();
    counterfactual(snapshot.policy(id).unwrap(), &asked.view, outcome)
}

const SCORED: &str = r#"
score:
  range: [0, 100]
  direction: trust
  missing: worst
  factors:
    age: {value: user.a, curve: {linear: {to: 180}}, weight: 0.5, reason: {user: "Your account is new"}}
    device: {value: user.managed, weight: 0.3, reason: {user: "This device is new", remedy: "Confirm this device"}}
    quiet: {value: user.b, curve: {linear: {to: 10}}, weight: 0.2}
levels: {low: {from: 0}, high: {from: 50}}
rules:
  - {name: open, when: 'score >= 0', decision: allow}
  - {name: known, when: 'score < 60', decision: step_up}
  - {name: most, when: 'score < 30', decision: deny}
"#;

#[test]
fn the_factor_that_moves_least_is_told_with_what_it_takes() {
    let snapshot = policy(SCORED);
    // 25 + 0 + 20: a device is 1 off, an age 0.3.
    let slots = [
        ("user.a", Value::Number(90.0)),
        ("user.managed", Value::Bool(false)),
        ("user.b", Value::Number(10.0)),
    ];
    let found = of(&snapshot, &slots).unwrap();
    assert_eq!((found.factor, found.decision), (0, Decision::Allow));
    assert!((found.c - 0.8).abs() < 1e-6, "{found:?}");
    let Some(Needed::AtLeast(days)) = found.needs else { panic!("{found:?}") };
    assert!((days - 144.0).abs() < 1e-3, "{days}");
    assert_eq!(found.needs.unwrap().to_string(), "at least 144");
}

#[test]
fn the_next_freer_decision_is_promised_and_not_the_freest() {
    let snapshot = policy(SCORED);
    // 10 + 0 + 0: nothing alone brings 60, and 30 needs 20 points.
    let slots = [("user.a", Value::Number(36.0)), ("user.managed", Value::Bool(false))];
    let found = of(&snapshot, &slots).unwrap();
    assert_eq!((found.factor, found.decision), (0, Decision::StepUp));
    assert!((found.c - 0.6).abs() < 1e-6, "{found:?}");
}

#[test]
fn only_what_a_person_is_told_of_is_named_and_an_allow_has_none() {
    let snapshot = policy(SCORED);
    let good = [("user.a", Value::Number(180.0)), ("user.managed", Value::Bool(true))];
    assert_eq!(of(&snapshot, &good), None);
    // Only `quiet` could help, of which nobody is told.
    let full = policy(&SCORED.replace(", reason: {user: \"Your account is new\"}", ""));
    let slots = [("user.a", Value::Number(90.0)), ("user.managed", Value::Bool(true))];
    assert_eq!(of(&full, &slots), None);
}

#[test]
fn a_remedy_is_said_in_the_policy_s_words() {
    let snapshot = policy(SCORED);
    let slots = [("user.a", Value::Number(180.0)), ("user.managed", Value::Bool(false))];
    let mut asked = Asked::of(&snapshot, &slots);
    asked.outcome();
    let id = snapshot.find("p").unwrap();
    let (policy, outcome) = (snapshot.policy(id).unwrap(), asked.evaluation.outcome(id).unwrap());
    let found = counterfactual(policy, &asked.view, outcome).unwrap();
    assert_eq!((found.factor, found.c, &found.needs), (1, 1.0, &Some(Needed::Is(true))));
    let text = counterfactual_text(&snapshot, policy, &asked.view, outcome, &found);
    assert_eq!(text.unwrap(), "Confirm this device");
}

#[test]
fn what_is_not_known_may_be_what_stands_in_the_way() {
    let snapshot = policy(SCORED);
    let slots = [("user.a", Value::Number(180.0))];
    let mut asked = Asked::of(&snapshot, &slots);
    asked.outcome();
    let id = snapshot.find("p").unwrap();
    let (policy, outcome) = (snapshot.policy(id).unwrap(), asked.evaluation.outcome(id).unwrap());
    let found = counterfactual(policy, &asked.view, outcome).unwrap();
    assert_eq!((found.factor, found.decision), (1, Decision::Allow));
    let unsaid = counterfactual_text(
        &snapshot,
        policy,
        &asked.view,
        outcome,
        &Counterfactual { factor: 2, ..found },
    );
    assert_eq!(unsaid.unwrap(), "Only this stands in the way: quiet is not known");
}

#[test]
fn every_curve_says_the_value_that_it_takes() {
    for (curve, signal, now, expected) in [
        ("{linear: {from: 30, to: 0}}", "user.a", Value::Number(30.0), "at most 15"),
        ("{log10: {to: 10000}}", "user.a", Value::Number(0.0), "at least 99"),
        ("{logistic: {mid: 4, slope: 2}}", "user.a", Value::Number(0.0), "at least 4"),
        (
            "{steps: {points: [[0, 0], [5, 0.4], [9, 0.6]], interpolate: true}}",
            "user.a",
            Value::Number(0.0),
            "at least 7",
        ),
        (
            "{steps: {points: [[0, 0], [5, 0.4], [9, 0.6]], interpolate: false}}",
            "user.a",
            Value::Number(0.0),
            "at least 9",
        ),
        (
            "{steps: {points: [[0, 0.9], [5, 0.4], [9, 0]], interpolate: false}}",
            "user.a",
            Value::Number(9.0),
            "at most 5",
        ),
        (
            "{map: {member: 0.1, lead: 0.7, admin: 0.9, else: 0}}",
            "user.role",
            Value::Text("member"),
            "lead or admin",
        ),
        ("{bool: {true: 0, false: 1}}", "user.managed", Value::Bool(true), "false"),
    ] {
        let snapshot = policy(&format!(
            "score:\n  range: [0, 1]\n  direction: trust\n  missing: worst\n  factors:\n    f: {{value: {signal}, curve: {curve}, reason: {{user: said}}}}\nlevels: {{all: {{from: 0}}}}\nrules:\n  - {{name: enough, when: 'score >= 0.5', decision: allow}}\n"
        ));
        let found = of(&snapshot, &[(signal, now)]).unwrap_or_else(|| panic!("{curve}"));
        assert_eq!(found.needs.unwrap().to_string(), expected, "{curve}");
    }
}

const MODES: [&str; 5] = ["weighted_sum", "max", "min", "noisy_or", "ranked"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is promised holds when asked with the other value; and no factor, moved by less,
    /// would do.
    #[test]
    fn what_is_promised_holds_and_nothing_nearer_does(
        values in prop::collection::vec(0.0f64..=1.0, 4),
        weights in prop::collection::vec(0.1f64..=1.0, 4),
        mode in 0usize..5,
        risk in any::<bool>(),
        bounds in prop::collection::vec(0.05f64..=0.95, 2),
        capped in prop::option::of(0.0f64..=1.0),
    ) {
        let (direction, worse) = if risk { ("risk", ">=") } else { ("trust", "<") };
        let weighted = matches!(MODES[mode], "weighted_sum" | "noisy_or");
        let factor = |n: usize, name: &str| {
            let weight = if weighted { format!(", weight: {}", weights[n]) } else { String::new() };
            format!("    f{name}: {{value: user.{name}{weight}, reason: {{user: said}}}}\n")
        };
        let factors: String = ["a", "b", "c", "d"].iter().enumerate().map(|(n, s)| factor(n, s)).collect();
        let adjustments = capped.map_or(String::new(), |cap| {
            format!("  adjustments: [{{name: cap, when: 'user.a < 0.5', unknown: skip, no_better_than: {cap}}}]\n")
        });
        let snapshot = policy(&format!(
            "score:\n  range: [0, 1]\n  direction: {direction}\n  missing: worst\n  combine: {}\n  factors:\n{factors}{adjustments}levels: {{all: {{from: 0}}}}\nrules:\n  - {{name: open, when: 'score >= 0', decision: allow}}\n  - {{name: asks, when: 'score {worse} {}', decision: step_up}}\n  - {{name: never, when: 'score {worse} {}', decision: deny}}\n",
            MODES[mode], bounds[0], bounds[1],
        ));
        let names = ["user.a", "user.b", "user.c", "user.d"];
        let slots: Vec<_> = names.iter().zip(&values).map(|(n, x)| (*n, Value::Number(*x))).collect();
        let decided = |slots: &[(&str, Value<'_>)]| Asked::of(&snapshot, slots).outcome().decision.unwrap();
        let now = decided(&slots);
        // An adjustment that asks about a signal keeps what it was: only c is otherwise.
        let with = |at: usize, c: f64| {
            let mut others = slots.clone();
            others[at].1 = Value::Number(c);
            others
        };
        let is_fixed = |at: usize, c: f64| capped.is_none() || at != 0 || (c < 0.5) == (values[0] < 0.5);
        let best = if risk { 0.0 } else { 1.0 };
        match of(&snapshot, &slots) {
            Some(found) => {
                prop_assert!(now > Decision::Allow && found.decision < now);
                if is_fixed(found.factor, found.c) {
                    prop_assert_eq!(decided(&with(found.factor, found.c)), found.decision);
                }
                let moved = (found.c - values[found.factor]).abs();
                for (at, x) in values.iter().enumerate() {
                    let nearer = x + (best - x).signum() * (moved - 1e-5).max(0.0).min((best - x).abs());
                    if is_fixed(at, nearer) {
                        prop_assert!(decided(&with(at, nearer)) >= now, "{at} to {nearer} would do, {found:?}");
                    }
                }
            }
            None if now > Decision::Allow => {
                for at in 0..4 {
                    if is_fixed(at, best) {
                        prop_assert!(decided(&with(at, best)) >= now, "{at} alone would do");
                    }
                }
            }
            None => {}
        }
    }
}
