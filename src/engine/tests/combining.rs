//! Scores: combinations, adjustments, dimensions, composition.

use super::{Asked, compiled, policy, sum_of_parts};
use crate::engine::{Snapshot, Subject};
use crate::model::Value;

const LEVELS: &str = "levels: {all: {from: 0}}";

fn score_of(
    combine: &str,
    direction: &str,
    weights: [f64; 5],
    values: [f64; 5],
) -> (Snapshot, f64) {
    let weighted = matches!(combine, "weighted_sum" | "noisy_or");
    let names = ["a", "b", "c", "d", "e"];
    let factors: String = names
        .iter()
        .zip(weights)
        .map(|(name, weight)| {
            let weight = if weighted { format!(", weight: {weight}") } else { String::new() };
            format!("    {name}: {{value: user.{name}{weight}}}\n")
        })
        .collect();
    let snapshot = policy(&format!(
        "score:\n  range: [0, 1]\n  direction: {direction}\n  missing: worst\n  combine: {combine}\n  factors:\n{factors}{LEVELS}"
    ));
    let slots: Vec<(String, Value<'static>)> = names
        .iter()
        .zip(values)
        .map(|(name, value)| (format!("user.{name}"), Value::Number(value)))
        .collect();
    let slots: Vec<(&str, Value<'_>)> = slots.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    let mut asked = Asked::of(&snapshot, &slots);
    let outcome = asked.outcome();
    let parts = sum_of_parts(&snapshot, outcome);
    let score = outcome.score;
    assert!((parts - score).abs() <= 1e-9, "{combine}: {parts} is not {score}");
    (snapshot, score)
}

#[test]
fn combinations_are_as_published() {
    let weights = [0.3, 0.2, 0.25, 0.1, 0.15];
    let values = [0.70, 0.45, 0.21, 0.21, 0.21];
    let near = |combine, expected: f64| {
        for direction in ["trust", "risk"] {
            let (_, score) = score_of(combine, direction, weights, values);
            assert!((score - expected).abs() < 5e-6, "{combine}: {score} is not {expected}");
        }
    };
    near("ranked", 0.36157);
    near("max", 0.70);
    near("min", 0.21);
    near("weighted_sum", 0.3 * 0.7 + 0.2 * 0.45 + 0.5 * 0.21);
    near(
        "noisy_or",
        1.0 - (1.0 - 0.21) * (1.0 - 0.09) * (1.0 - 0.0525) * (1.0 - 0.021) * (1.0 - 0.0315),
    );
}

#[test]
fn odds_multiply_the_odds_of_the_share() {
    let snapshot = policy(
        "score:\n  range: [0, 1]\n  direction: risk\n  missing: worst\n  factors:\n    a: {value: user.a}\n  adjustments:\n    - {name: doubled, when: 'true', odds: 2}\nlevels: {all: {from: 0}}",
    );
    let mut asked = Asked::of(&snapshot, &[("user.a", Value::Number(0.36157))]);
    assert!((asked.outcome().score - 0.53110).abs() < 1e-5);
    for (at, score) in [(0.0, 0.0), (1.0, 1.0)] {
        let mut asked = Asked::of(&snapshot, &[("user.a", Value::Number(at))]);
        assert_eq!(asked.outcome().score, score, "certainty stays");
    }
}

#[test]
fn bounds_read_the_same_in_both_directions() {
    for (direction, adjust, expected) in [
        ("trust", "no_better_than: 20", 20.0),
        ("trust", "no_worse_than: 90", 90.0),
        ("risk", "no_better_than: 90", 90.0),
        ("risk", "no_worse_than: 20", 20.0),
        ("risk", "no_better_than: high", 80.0),
        ("trust", "no_better_than: low", 49.999_999_9),
        ("trust", "no_worse_than: high", 80.0),
        ("risk", "no_worse_than: low", 49.999_999_9),
        ("risk", "add: 500", 100.0),
        ("risk", "add: -500", 0.0),
        ("risk", "set: 33", 33.0),
    ] {
        let snapshot = policy(&format!(
            "score:\n  range: [0, 100]\n  direction: {direction}\n  missing: worst\n  factors:\n    a: {{value: user.a}}\n  adjustments:\n    - {{name: bound, when: 'true', {adjust}}}\nlevels: {{low: {{from: 0}}, mid: {{from: 50}}, high: {{from: 80}}}}"
        ));
        let mut asked = Asked::of(&snapshot, &[("user.a", Value::Number(0.6))]);
        let outcome = asked.outcome();
        assert!((outcome.score - expected).abs() < 1e-7, "{direction} {adjust}: {}", outcome.score);
        assert!((sum_of_parts(&snapshot, outcome) - outcome.score).abs() < 1e-7);
    }
}

#[test]
fn dimensions_have_sub_scores_that_adjust_apart() {
    let snapshot = policy(concat!(
        "score:\n  range: [0, 100]\n  direction: trust\n  missing: worst\n  dimensions:\n",
        "    first: {weight: 3, factors: {a: {value: user.a, weight: 2}, b: {value: user.b}}}\n",
        "    second: {weight: 1, combine: min, factors: {c: {value: user.c}, d: {value: user.d}}}\n",
        "  adjustments:\n",
        "    - {name: capped, when: 'factors.a > 0.5', unknown: skip, dimension: first, no_better_than: 40}\n",
        "    - {name: lifted, when: 'dimensions.second < 50', unknown: skip, add: 5}\n",
        "levels: {all: {from: 0}}",
    ));
    let values = [("user.a", 0.9), ("user.b", 0.3), ("user.c", 0.4), ("user.d", 0.2)];
    let slots = values.map(|(name, value)| (name, Value::Number(value)));
    let mut asked = Asked::of(&snapshot, &slots);
    let outcome = asked.outcome();
    // first: (2 * 90 + 30) / 3 = 70, capped at 40; second: min(40, 20) = 20
    let expected = (3.0 * 40.0 + 20.0) / 4.0 + 5.0;
    assert!((outcome.score - expected).abs() < 1e-9, "{}", outcome.score);
    assert!((outcome.dimensions[0].score - 40.0).abs() < 1e-9);
    assert!((outcome.dimensions[1].score - 20.0).abs() < 1e-9);
    assert!((sum_of_parts(&snapshot, outcome) - outcome.score).abs() < 1e-7);
    assert!((outcome.adjustments[0].contribution + 22.5).abs() < 1e-9);
}

#[test]
fn reasons_are_ranked_by_what_they_cost() {
    let snapshot = policy(
        "score:\n  range: [0, 1]\n  direction: trust\n  missing: worst\n  factors:\n    a: {value: user.a, weight: 1}\n    b: {value: user.b, weight: 2}\n    c: {value: user.c, weight: 3}\n    d: {value: user.d, weight: 4}\n    e: {value: user.e, weight: 5}\nlevels: {all: {from: 0}}",
    );
    let values = [0.0, 0.9, 0.5, 1.0, 0.9];
    let names = ["user.a", "user.b", "user.c", "user.d", "user.e"];
    let slots: Vec<_> = names.iter().zip(values).map(|(n, v)| (*n, Value::Number(v))).collect();
    let mut asked = Asked::of(&snapshot, &slots);
    let ranked: Vec<usize> = asked
        .outcome()
        .reasons
        .iter()
        .map(|r| match r.subject {
            Subject::Factor(at) => at,
            Subject::Adjustment(_) => usize::MAX,
        })
        .collect();
    // c costs 1.5, a 1.0, e 0.5, b 0.2; d is at its best.
    assert_eq!(ranked, [2, 0, 4, 1]);
}

#[test]
fn scores_compose_and_shadows_never_answer() {
    let snapshot = compiled(concat!(
        "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {name: p}\n",
        "score: {range: [0, 1], direction: trust, missing: worst, factors: {inner: {value: 'policy(\"inner\").score / 100'}}}\n",
        "levels: {all: {from: 0}}\ndefault: {decision: allow}\n---\n",
        "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {name: inner}\n",
        "score: {range: [0, 100], direction: risk, missing: worst, factors: {a: {value: user.a, weight: 3}, b: {value: user.b}}}\n",
        "levels: {low: {from: 0}, high: {from: 50}}\n---\n",
        "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {name: candidate}\nshadow_of: p\n",
        "score: {range: [0, 1], direction: trust, missing: worst, factors: {same: {value: 'policy(\"p\").score'}, risk: {value: '1 - policy(\"inner\").risk'}}}\n",
        "levels: {all: {from: 0}}\n",
    ));
    let mut asked = Asked::of(&snapshot, &[("user.a", Value::Number(0.8))]);
    let outcome = asked.outcome();
    // inner: (3 * 0.8 + worst 1) / 4 = 0.85
    assert!((outcome.score - 0.85).abs() < 1e-9, "{}", outcome.score);
    assert!((outcome.confidence - 0.75).abs() < 1e-12, "composing costs the inner's confidence");
    let mut asked = Asked::of(&snapshot, &[("user.a", Value::Number(0.8))]);
    let shadow = asked.outcome_of("candidate");
    assert!((shadow.score - (0.85 + 0.15) / 2.0).abs() < 1e-9, "{}", shadow.score);
    assert_eq!(shadow.decision.unwrap().name(), "deny");
}

#[test]
fn shown_scores_are_rounded_down() {
    let snapshot = policy(
        "score: {range: [0, 100], direction: risk, missing: worst, factors: {a: {value: user.a}}}\nlevels: {low: {from: 0}, moderate: {from: 26}}",
    );
    let policy = &snapshot.policies[0];
    for (score, shown, level) in
        [(25.7, 25.0, "low"), (26.0, 26.0, "moderate"), (99.999, 99.0, "moderate")]
    {
        assert_eq!(policy.shown(score), shown);
        assert_eq!(policy.level_name(policy.level_of(score)), level);
    }
    // 0.29 / 0.01 is 28.999999999999996 in binary.
    assert_eq!(crate::engine::Policy::shown(&fine(), 0.29), 0.29);
}

fn fine() -> crate::engine::Policy {
    let mut snapshot = policy(
        "score: {range: [0, 1], precision: 0.01, direction: trust, missing: worst, factors: {a: {value: user.a}}}\nlevels: {all: {from: 0}}",
    );
    snapshot.policies.remove(0)
}

#[test]
fn rounding_keeps_a_score_on_its_level() {
    // 0.7 * 0.7 + 0.3 * (1 / 30) and the like come out a hair below a level.
    let snapshot = policy(
        "score: {range: [0, 1], direction: trust, missing: worst, factors: {a: {value: user.a, weight: 0.1}, b: {value: user.b, weight: 0.2}, c: {value: user.c, weight: 0.7}}}\nlevels: {low: {from: 0}, high: {from: 0.3}}",
    );
    let slots = [
        ("user.a", Value::Number(1.0)),
        ("user.b", Value::Number(1.0)),
        ("user.c", Value::Number(0.0)),
    ];
    let mut asked = Asked::of(&snapshot, &slots);
    let outcome = asked.outcome();
    assert_eq!(outcome.score, 0.3);
    assert_eq!(outcome.level, 1);
}
