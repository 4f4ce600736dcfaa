use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::links::{DEVICE, house};
use super::support::{DAY, HOUR, SIGNAL, USER, at};
use crate::learn::LinkBounds;
use crate::model::{Baseline, Linked, Measure, MeasureId, Measured, Plan, Value};
use crate::signals::{Label, Observation, Seen};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The share of fraud among the labelled users of a device, drawn towards that of all.
    #[test]
    fn the_flag_rate_is_that_of_all_labels(
        labels in prop::collection::vec((0u8..12, any::<bool>(), 0i64..40), 1..60),
        now in 40i64..80,
    ) {
        let rate = Linked::FlagRate { window: 30.0 * 86_400.0, delay: 10.0 * 86_400.0 };
        let mut house = house(8, LinkBounds::default(), &[(DEVICE, rate), (USER, rate)]);
        let mut latest: BTreeMap<u8, (i64, bool)> = BTreeMap::new();
        for user in 0..12u8 {
            house.device(&format!("u{user}"), &format!("d{}", user % 3), 0);
        }
        for (user, bad, day) in labels {
            house.label(&format!("u{user}"), bad, day * DAY);
            if latest.get(&user).is_none_or(|(at, _)| *at <= day) {
                latest.insert(user, (day, bad));
            }
        }
        // The prior is that of the time when the rate last changed: all labels are in by then.
        house.settle(40 * DAY);
        house.settle(now * DAY);
        let share = |bad: usize| (bad as f64 + 1.0) / (latest.len() as f64 + 100.0);
        let share = share(latest.values().filter(|(_, bad)| *bad).count());
        for device in 0..3u8 {
            let of = |(user, _): &(&u8, &(i64, bool))| **user % 3 == device;
            let any = latest.iter().any(|one| of(&one));
            let counted: Vec<bool> = latest.iter().filter(of).map(|(_, label)| label)
                .filter(|(day, _)| day + 30 > now && day + 10 <= now).map(|(_, bad)| *bad).collect();
            let bad = counted.iter().filter(|bad| **bad).count() as f64;
            let expected = (bad + 4.0 * share) / (counted.len() as f64 + 4.0);
            match house.told(DEVICE, &format!("d{device}"), 0) {
                Some(told) => prop_assert!((told - expected).abs() < 1e-6, "{} {}", told, expected),
                None => prop_assert!(!any),
            }
        }
    }
}

/// Links that change say nothing of labels, and must not say that there are none.
#[test]
fn a_flag_rate_stays_when_the_entity_is_seen_again() {
    let rate = Linked::FlagRate { window: 30.0 * 86_400.0, delay: 3600.0 };
    let mut house = house(8, LinkBounds::default(), &[(USER, rate), (USER, Linked::Cluster)]);
    house.key("ada", "k1", 0);
    house.label("ada", false, 0);
    house.settle(2 * HOUR);
    // One event that is legitimate: nobody of one is bad.
    let expected = 4.0 * (1.0 / 101.0) / 5.0;
    let told = |house: &super::links::House| house.told(USER, "ada", 0).unwrap();
    assert!((told(&house) - expected).abs() < 1e-6, "{}", told(&house));
    house.key("ada", "k2", 3 * HOUR);
    house.key("bob", "k2", 3 * HOUR);
    house.settle(4 * HOUR);
    assert_eq!(house.told(USER, "ada", 1), Some(2.0), "its links were told anew");
    assert!((told(&house) - expected).abs() < 1e-6, "{}", told(&house));
}

#[test]
fn who_is_labelled_as_fraud_teaches_no_more_and_what_waited_is_dropped() {
    let mut house = house(8, LinkBounds::default(), &[]);
    let baseline = Baseline { half_life: 1e9, season: None };
    let of = Measured::Baseline { signal: SIGNAL, baseline };
    let measure = Measure { id: MeasureId(0), kind: USER, name: "m".into(), of };
    let mut plan = Plan::new(vec![measure]);
    plan.delays.push((SIGNAL, 86_400.0));
    house.learner.follow(Arc::new(plan));
    let cache = Arc::clone(&house.cache);
    let see = |house: &mut super::links::House, id: &str, x: f64, millis| {
        house.learner.advance(at(millis));
        let value = cache.seen_value(Value::Number(x)).unwrap();
        let seen = Seen::Value { signal: SIGNAL, value };
        house.learner.observe(&Observation { kind: USER, id: id.into(), at: at(millis), seen });
    };
    let mean = |id: &str| {
        let held = cache.read(USER, id)?;
        held.record()?.summary(MeasureId(0)).map(|item| item.usual().mean)
    };
    // So many that something is said of them.
    const SOME: u64 = 6;
    let some = |house: &mut super::links::House, id: &str, x: f64, millis| {
        (0..SOME).for_each(|_| see(house, id, x, millis));
    };
    some(&mut house, "honest", 10.0, 0);
    some(&mut house, "thief", 10.0, 0);
    house.learner.advance(at(DAY - 1));
    assert_eq!((mean("honest"), mean("thief")), (None, None), "both wait");
    house.learner.label(&Label { kind: USER, id: "thief".into(), bad: true, at: at(HOUR) });
    house.learner.advance(at(DAY));
    assert_eq!((mean("honest"), mean("thief")), (Some(10.0), None));
    assert_eq!(house.learner.learned().mistrusted, SOME);
    // A later verdict lets them teach again; an earlier one that comes late doesn't.
    house.learner.label(&Label { kind: USER, id: "thief".into(), bad: false, at: at(0) });
    some(&mut house, "thief", 20.0, 2 * DAY);
    house.learner.advance(at(3 * DAY));
    assert_eq!(mean("thief"), None);
    house.learner.label(&Label { kind: USER, id: "thief".into(), bad: false, at: at(3 * DAY) });
    some(&mut house, "thief", 30.0, 3 * DAY);
    house.learner.advance(at(4 * DAY));
    assert_eq!(mean("thief"), Some(30.0));
}
