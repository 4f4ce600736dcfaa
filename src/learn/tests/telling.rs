use super::support::{DAY, HOUR, SIGNAL, USER, at, house, house_within};
use crate::learn::Bounds;
use crate::model::{Count, Familiar, Measured, SignalId, Value};
use crate::signals::{Observation, Seen};

fn measures() -> [Measured; 3] {
    let window =
        |seconds| Measured::Window { signal: SIGNAL, window: seconds, count: Count::Occurrences };
    let familiar = Familiar { keep: 4, forget_after: 86_400.0 };
    let other = SignalId(SIGNAL.0 + 1);
    [window(3600.0), window(86_400.0), Measured::Familiar { signal: other, familiar }]
}

#[test]
fn what_comes_of_an_entity_in_a_row_is_one_write() {
    let mut house = house(&measures());
    let value = house.cache.seen_value(Value::Number(1.0)).unwrap();
    let seen = |signal| Seen::Value { signal, value };
    for signal in [SIGNAL, SignalId(SIGNAL.0 + 1), SIGNAL] {
        let (id, at) = ("u1".into(), at(0));
        house.learner.observe(&Observation { kind: USER, id, at, seen: seen(signal) });
    }
    assert!(house.cache.read(USER, "u1").is_none());
    house.learner.advance(at(0));
    let held = house.cache.read(USER, "u1").unwrap();
    assert_eq!(held.record().unwrap().seq(), 1);
    assert_eq!((house.window(0), house.window(1)), (Some(2.0), Some(2.0)));
    assert_eq!(held.record().unwrap().summaries().count(), 3);
}

/// Where there is room for one profile, each goes for the next, and was told before.
#[test]
fn who_goes_was_told() {
    let bounds = Bounds { max_profiles: 1, ..Bounds::default() };
    let mut house = house_within(&measures(), bounds);
    let value = house.cache.seen_value(Value::Number(1.0)).unwrap();
    for n in 0..6 {
        let (id, seen) = (format!("u{}", n % 3).into(), Seen::Value { signal: SIGNAL, value });
        house.learner.observe(&Observation { kind: USER, id, at: at(n), seen });
    }
    house.learner.advance(at(6));
    for user in ["u0", "u1", "u2"] {
        assert_eq!(house.window_of(user, 1), Some(1.0), "{user}");
    }
    assert_eq!(house.learner.learned().evicted, 5);
}

/// Of what time changes, only what is due is read; the rest stays as it was told.
#[test]
fn what_is_due_leaves_and_the_rest_stays() {
    let mut house = house(&measures());
    house.saw("u1", Value::Number(1.0), 0);
    house.saw("u1", Value::Number(1.0), HOUR / 2);
    house.saw_of(SignalId(SIGNAL.0 + 1), "u1", Value::Text("a"), HOUR / 2);
    house.learner.advance(at(HOUR));
    assert_eq!((house.window(0), house.window(1)), (Some(1.0), Some(2.0)));
    house.learner.advance(at(HOUR + HOUR / 2));
    assert_eq!((house.window(0), house.window(1)), (Some(0.0), Some(2.0)));
    house.learner.advance(at(DAY));
    assert_eq!((house.window(0), house.window(1)), (Some(0.0), Some(1.0)));
    house.learner.advance(at(DAY + HOUR));
    assert_eq!((house.window(0), house.window(1)), (Some(0.0), Some(0.0)));
}
