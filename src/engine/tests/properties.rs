//! Properties that hold for any policy and any values.

use proptest::prelude::*;

use super::{Asked, NOW, policy, sum_of_parts};
use crate::engine::{Curve, Outcome};
use crate::model::{Decision, Value};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug)]
struct Drawn {
    direction: &'static str,
    combine: &'static str,
    total: &'static str,
    missing: &'static str,
    range: (f64, f64),
    weights: Vec<f64>,
    split: usize,
    adjustments: Vec<(&'static str, f64)>,
    values: Vec<Option<f64>>,
    softened: Vec<Softened>,
}

/// An announced change that softens some factors.
#[derive(Clone, Debug)]
struct Softened {
    factors: Vec<&'static str>,
    by: f64,
    in_force: bool,
}

const CHANGES: [&str; 2] = ["travel", "on_call"];
const IN_FORCE: [&str; 2] = ["expected(user, \"travel\")", "expected(user, \"on_call\")"];

fn softened() -> impl Strategy<Value = Softened> {
    let some = prop::sample::subsequence(NAMES.to_vec(), 1..=5);
    let by = prop_oneof![0.01_f64..1.0, Just(1.0)];
    (some, by, any::<bool>()).prop_map(|(factors, by, in_force)| Softened { factors, by, in_force })
}

fn combines() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["weighted_sum", "max", "min", "noisy_or", "ranked"])
}

fn adjustment() -> impl Strategy<Value = (&'static str, f64)> {
    let how = vec!["no_better_than", "no_worse_than", "add", "set", "odds"];
    (prop::sample::select(how), 0.0_f64..1.0)
}

prop_compose! {
    fn drawn()(
        direction in prop::sample::select(vec!["trust", "risk"]),
        combine in combines(),
        total in combines(),
        missing in prop::sample::select(vec!["worst", "skip", "0.3"]),
        range in prop::sample::select(vec![(0.0, 1.0), (0.0, 100.0), (0.0, 1000.0), (-5.0, 7.0)]),
        weights in prop::collection::vec(0.01_f64..1.0, 5),
        split in 1_usize..5,
        adjustments in prop::collection::vec(adjustment(), 0..4),
        values in prop::collection::vec(prop::option::of(-0.5_f64..1.5), 5),
        softened in prop::collection::vec(softened(), 0..=2),
    ) -> Drawn {
        Drawn {
            direction, combine, total, missing, range, weights, split, adjustments, values, softened,
        }
    }
}

impl Drawn {
    fn document(&self) -> String {
        let weighted = |combine: &str| matches!(combine, "weighted_sum" | "noisy_or");
        let factors = |from: usize, to: usize| -> String {
            (from..to)
                .map(|at| {
                    let weight = if weighted(self.combine) {
                        format!(", weight: {}", self.weights[at])
                    } else {
                        String::new()
                    };
                    format!("{}: {{value: user.{}{weight}}}, ", NAMES[at], NAMES[at])
                })
                .collect()
        };
        let share = if weighted(self.total) { "weight: 0.5, " } else { "" };
        let (min, max) = self.range;
        let adjustments: String = self
            .adjustments
            .iter()
            .enumerate()
            .map(|(at, (kind, x))| {
                let amount = match *kind {
                    "odds" => x * 4.0,
                    "add" => (x - 0.5) * (max - min),
                    _ => min + x * (max - min),
                };
                let part = if at % 2 == 1 { ", dimension: one" } else { "" };
                format!("    - {{name: adj{at}, when: 'true', {kind}: {amount}{part}}}\n")
            })
            .collect();
        let announced = self.softened.iter().zip(CHANGES);
        let expected: String = announced
            .map(|(s, change)| format!("{change}: {{soften: {:?}, by: {}}}, ", s.factors, s.by))
            .collect();
        format!(
            "score:\n  range: [{min}, {max}]\n  direction: {}\n  missing: {}\n  combine: {}\n  expected: {{{expected}}}\n  dimensions:\n    one: {{{share}combine: {}, factors: {{{}}}}}\n    two: {{{share}combine: {}, factors: {{{}}}}}\n  adjustments:\n{}\nlevels: {{low: {{from: {min}}}, high: {{from: {}}}}}\nmin_confidence: {{value: 0.2, decision: deny}}\ndefault: {{decision: allow}}",
            self.direction,
            self.missing,
            self.total,
            self.combine,
            factors(0, self.split),
            self.combine,
            factors(self.split, 5),
            if adjustments.is_empty() { "    []\n".to_owned() } else { adjustments },
            min + (max - min) * 0.5,
        )
    }
}

fn bits(outcome: &Outcome) -> Vec<u64> {
    let mut bits = vec![outcome.score.to_bits(), outcome.confidence.to_bits()];
    bits.extend(outcome.factors.iter().map(|f| f.contribution.to_bits()));
    bits.extend(outcome.expected.iter().map(|e| e.contribution.to_bits()));
    bits.extend(outcome.adjustments.iter().map(|a| a.contribution.to_bits()));
    bits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn scores_are_in_range_and_the_sum_of_their_parts(drawn in drawn()) {
        let snapshot = policy(&drawn.document());
        let slots: Vec<(String, Value<'static>)> = NAMES
            .iter()
            .zip(&drawn.values)
            .filter_map(|(name, value)| Some((format!("user.{name}"), Value::Number((*value)?))))
            .collect();
        let mut slots: Vec<(&str, Value<'_>)> =
            slots.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let unannounced = slots.clone();
        for (softened, slot) in drawn.softened.iter().zip(IN_FORCE) {
            slots.push((slot, Value::Bool(softened.in_force)));
        }
        let (min, max) = drawn.range;
        let mut asked = Asked::of(&snapshot, &slots);
        let outcome = asked.outcome();
        prop_assert!((min..=max).contains(&outcome.score), "{}", outcome.score);
        prop_assert!((0.0..=1.0).contains(&outcome.confidence));
        let parts = sum_of_parts(&snapshot, outcome);
        let tolerance = (max - min) * 1.000_001e-9;
        prop_assert!((parts - outcome.score).abs() <= tolerance, "{parts} {}", outcome.score);
        for factor in &outcome.factors {
            prop_assert!(factor.cost >= -tolerance && factor.cost.is_finite());
            prop_assert!(factor.contribution.is_finite());
        }
        for (softened, expected) in drawn.softened.iter().zip(&outcome.expected) {
            prop_assert_eq!(softened.in_force, expected.applies);
            prop_assert!(softened.in_force || expected.contribution == 0.0);
        }
        // Whatever is announced, nobody is the worse for it, and nobody the surer.
        if drawn.adjustments.is_empty() {
            let mut alone = Asked::of(&snapshot, &unannounced);
            let before = alone.outcome();
            let gain = match drawn.direction {
                "trust" => outcome.score - before.score,
                _ => before.score - outcome.score,
            };
            prop_assert!(gain >= -tolerance, "{} became {}", before.score, outcome.score);
            prop_assert_eq!(before.confidence, outcome.confidence);
        }
        let first = bits(outcome);
        // The same once more, on the evaluation that was used already.
        prop_assert_eq!(&first, &bits(asked.outcome()));
        let mut anew = Asked::of(&snapshot, &slots);
        prop_assert_eq!(&first, &bits(anew.outcome()));
    }

    #[test]
    fn the_order_of_rules_does_not_matter(
        decisions in prop::collection::vec((0_usize..4, any::<bool>(), 0.0_f64..1.0), 1..6),
        order in any::<prop::sample::Index>(),
        a in prop::option::of(0.0_f64..1.0),
    ) {
        let rule = |at: usize, (decision, shadow, bound): &(usize, bool, f64)| {
            let name = Decision::ALL[*decision].name();
            let extra = match *decision { 1 => ", limits: [x]", 2 => ", acr: x", _ => "" };
            let mode = if *shadow { ", mode: shadow" } else { "" };
            format!("  - {{name: r{at}, when: 'user.a < {bound}', unknown: match, decision: {name}{extra}{mode}}}\n")
        };
        let rules: Vec<String> = decisions.iter().enumerate().map(|(at, r)| rule(at, r)).collect();
        let mut turned = rules.clone();
        turned.rotate_left(order.index(rules.len()));
        turned.reverse();
        let decide = |rules: &[String]| {
            let snapshot = policy(&format!(
                "score: {{range: [0, 1], direction: trust, missing: worst, factors: {{a: {{value: user.a}}}}}}\nlevels: {{all: {{from: 0}}}}\nrules:\n{}",
                rules.concat(),
            ));
            let slots: Vec<_> = a.map(|a| ("user.a", Value::Number(a))).into_iter().collect();
            let mut asked = Asked::of(&snapshot, &slots).enforcing();
            let outcome = asked.outcome();
            (outcome.decision, outcome.shadow_decision)
        };
        prop_assert_eq!(decide(&rules), decide(&turned));
    }

    #[test]
    fn curves_are_in_range_and_monotone(
        which in 0_usize..5,
        (p, q) in (-100.0_f64..100.0, 0.1_f64..100.0),
        (x, y) in (-1e3_f64..1e3, -1e3_f64..1e3),
    ) {
        let (curve, rising) = match which {
            0 => (Curve::Linear { from: p, to: p + q }, true),
            1 => (Curve::Linear { from: p + q, to: p }, false),
            2 => (Curve::Log10 { scale: 1.0 / libm::log10(1.0 + q) }, true),
            3 => (Curve::Logistic { mid: p, slope: q }, true),
            _ => (Curve::Steps { points: vec![(p, 0.2), (p + q, 0.9)], interpolate: x > y }, true),
        };
        let (low, high) = if x <= y { (x, y) } else { (y, x) };
        let at = |x| curve.apply(Value::Number(x), NOW).unwrap();
        prop_assert!((0.0..=1.0).contains(&at(low)));
        if rising {
            prop_assert!(at(low) <= at(high));
        } else {
            prop_assert!(at(low) >= at(high));
        }
    }
}
