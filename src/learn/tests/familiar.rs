use std::collections::BTreeMap;

use proptest::prelude::*;

use super::support::{DAY, HOUR, SIGNAL, USER, at, house};
use crate::model::{Familiar, Measured, Value};

const FAMILIAR: Measured = Measured::Familiar {
    signal: SIGNAL,
    familiar: Familiar { keep: 4, forget_after: 30.0 * 86_400.0 },
};

proptest! {
    /// The last four values that were seen within thirty days, and no others.
    #[test]
    fn the_latest_values_are_familiar(
        steps in prop::collection::vec((1i64..10 * 24, 0u8..8), 1..40), wait in 0i64..40 * 24,
    ) {
        let mut house = house(&[FAMILIAR]);
        let mut seen: BTreeMap<u8, i64> = BTreeMap::new();
        let mut now = 0;
        for (hours, value) in steps {
            now += hours * HOUR;
            house.saw("u1", Value::Number(f64::from(value)), now);
            seen.retain(|_, at| now - *at < 30 * DAY);
            seen.insert(value, now);
            while seen.len() > 4 {
                let oldest = *seen.iter().min_by_key(|(_, at)| **at).unwrap().0;
                seen.remove(&oldest);
            }
        }
        now += wait * HOUR;
        house.learner.advance(at(now));
        seen.retain(|_, at| now - *at < 30 * DAY);
        for value in 0..8 {
            prop_assert_eq!(
                house.is_familiar("u1", Value::Number(f64::from(value))),
                Some(seen.contains_key(&value)),
                "{} of {:?} at {}", value, seen, now
            );
        }
    }
}

#[test]
fn of_whom_nothing_is_learned_nothing_is_said() {
    let mut house = house(&[FAMILIAR]);
    assert_eq!(house.is_familiar("u1", Value::Text("DE")), None);
    house.saw("u1", Value::Text("DE"), 0);
    assert_eq!(house.is_familiar("u1", Value::Text("DE")), Some(true));
    assert_eq!(house.is_familiar("u1", Value::Text("FR")), Some(false));
    assert_eq!(house.is_familiar("u2", Value::Text("DE")), None);
}

#[test]
fn a_record_that_was_lost_is_told_all_again() {
    let mut house = house(&[FAMILIAR]);
    house.saw("u1", Value::Text("DE"), 0);
    assert!(house.cache.forget(USER, "u1"));
    house.saw("u1", Value::Text("FR"), HOUR);
    assert_eq!(house.is_familiar("u1", Value::Text("DE")), Some(true));
}
