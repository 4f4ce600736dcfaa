//! What is measured, held against the definitions.

use proptest::prelude::*;

use crate::replay::{Decided, Truth, Verdicts};

fn decided(at: i64, decision: &'static str, risk: f64) -> Decided {
    Decided {
        at,
        subject: String::new(),
        policy: String::new(),
        decision,
        score: risk,
        level: String::new(),
        confidence: 1.0,
        reasons: Vec::new(),
        risk,
    }
}

#[test]
fn areas_are_those_worked_out_by_hand() {
    let scored = [
        (0.9, true),
        (0.8, false),
        (0.8, true),
        (0.7, true),
        (0.5, false),
        (0.5, false),
        (0.4, true),
        (0.1, false),
    ];
    let mut verdicts = Verdicts::default();
    for (risk, attack) in scored {
        verdicts.add(&decided(0, "allow", risk), &Truth::Attack(attack));
    }
    let measured = verdicts.measure().unwrap();
    // Of the 16 pairs: all four, three and a half, three, and one.
    assert!((measured.roc_auc - 11.5 / 16.0).abs() < 1e-12, "{measured:?}");
    let average = (1.0 + 2.0 / 3.0 + 3.0 / 4.0 + 4.0 / 7.0) / 4.0;
    assert!((measured.average_precision - average).abs() < 1e-12, "{measured:?}");
    let half = measured.detections[0];
    assert_eq!((half.detected, half.risk, half.reauthenticated), (0.5, 0.8, 0.25));
}

/// Each pair of an attack and another request, one by one.
fn naive_auc(scored: &[(f64, bool)]) -> f64 {
    let of = |attack| scored.iter().filter(move |s| s.1 == attack).map(|s| s.0);
    let (mut wins, mut pairs) = (0.0, 0.0);
    for attack in of(true) {
        for other in of(false) {
            pairs += 1.0;
            wins += match attack.total_cmp(&other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    wins / pairs
}

/// At each threshold that there is: what it adds in recall, times its precision.
fn naive_average_precision(scored: &[(f64, bool)]) -> f64 {
    let mut thresholds: Vec<f64> = scored.iter().map(|s| s.0).collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let attacks = scored.iter().filter(|s| s.1).count() as f64;
    let (mut sum, mut before) = (0.0, 0.0);
    for threshold in thresholds {
        let above = || scored.iter().filter(|s| s.0 >= threshold);
        let caught = above().filter(|s| s.1).count() as f64;
        sum += (caught - before) / attacks * caught / above().count() as f64;
        before = caught;
    }
    sum
}

proptest! {
    /// Of all attacks, and of one kind against all that are none.
    #[test]
    fn areas_are_those_of_the_definitions(
        scored in prop::collection::vec((0u8..12, 0u8..4), 2..200),
    ) {
        let risk = |x: u8| f64::from(x) / 12.0;
        let mut verdicts = Verdicts::default();
        for (at, (x, kind)) in scored.iter().enumerate() {
            let truth = match kind {
                0 => Truth::Episode(format!("one-{}", at % 5)),
                1 => Truth::Episode(format!("two-{}", at % 5)),
                _ => Truth::Attack(false),
            };
            verdicts.add(&decided(0, "allow", risk(*x)), &truth);
        }
        let all: Vec<(f64, bool)> = scored.iter().map(|(x, kind)| (risk(*x), *kind < 2)).collect();
        let both = all.iter().any(|s| s.1) && all.iter().any(|s| !s.1);
        let Some(measured) = verdicts.measure() else {
            prop_assert!(!both);
            return Ok(());
        };
        prop_assert!((measured.roc_auc - naive_auc(&all)).abs() < 1e-9);
        prop_assert!((measured.average_precision - naive_average_precision(&all)).abs() < 1e-9);
        for (kind, name) in [(0, "one"), (1, "two")] {
            let those = scored.iter().filter(|(_, of)| *of == kind || *of > 1);
            let those: Vec<(f64, bool)> = those.map(|(x, of)| (risk(*x), *of < 2)).collect();
            match measured.kinds.get(name) {
                Some(told) => {
                    prop_assert_eq!(told.requests, those.iter().filter(|s| s.1).count());
                    prop_assert!((told.roc_auc - naive_auc(&those)).abs() < 1e-9);
                    let average = naive_average_precision(&those);
                    prop_assert!((told.average_precision - average).abs() < 1e-9);
                }
                None => prop_assert!(those.iter().all(|s| !s.1)),
            }
        }
    }
}

#[test]
fn an_attack_lasts_until_the_first_answer_other_than_allow() {
    let mut verdicts = Verdicts::default();
    let mut add = |at, decision, name: &str| {
        verdicts.add(&decided(at, decision, 0.5), &Truth::Episode(name.to_owned()));
    };
    // Stopped by its third request, after 9 s; what comes later counts no more.
    add(1000, "allow", "slow-1");
    add(4000, "restrict", "slow-1");
    add(10_000, "step_up", "slow-1");
    add(20_000, "deny", "slow-1");
    // Stopped at once.
    add(5000, "deny", "slow-2");
    // Never stopped.
    add(6000, "allow", "slow-3");
    // Of another kind, by its second request.
    add(6000, "allow", "quick-1");
    add(8000, "deny", "quick-1");
    let others = [("allow", 7), ("step_up", 1)];
    for (decision, times) in others {
        for _ in 0..times {
            verdicts.add(&decided(0, decision, 0.1), &Truth::Attack(false));
        }
    }
    let measured = verdicts.measure().unwrap();
    assert_eq!((measured.episodes, measured.episodes_stopped), (4, 3));
    assert_eq!((measured.stopped_attacks, measured.stopped_others), (4.0 / 8.0, 1.0 / 8.0));
    let slow = &measured.kinds["slow"];
    assert_eq!((slow.episodes, slow.stopped, slow.stopped_requests), (3, 2, 3.0 / 6.0));
    let delay = slow.delay.unwrap();
    assert_eq!((delay.requests_median, delay.seconds_median), (1.0, 0.0));
    assert_eq!((delay.requests_90, delay.seconds_90), (3.0, 9.0));
    let quick = measured.kinds["quick"].delay.unwrap();
    assert_eq!((quick.requests_median, quick.seconds_median), (2.0, 2.0));
    let all = measured.delay.unwrap();
    assert_eq!((all.requests_median, all.seconds_90), (2.0, 9.0));
}
