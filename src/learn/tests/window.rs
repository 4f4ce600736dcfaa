use std::collections::BTreeMap;

use proptest::prelude::*;

use super::support::{DAY, HOUR, SIGNAL, USER, at, house, house_of_key};
use crate::learn::Bounds;
use crate::learn::window::{EXACT, MOST_DISTINCT, PARTS};
use crate::model::{Count, Measured, Value};

fn window(seconds: f64, count: Count) -> Measured {
    Measured::Window { signal: SIGNAL, window: seconds, count }
}

fn hourly(count: Count) -> Measured {
    window(3600.0, count)
}

proptest! {
    /// Up to 32 observations in the window: exactly what is in it, at each moment.
    #[test]
    fn few_observations_are_counted_exactly(
        steps in prop::collection::vec((100_000i64..400_000, 1u32..100), 1..80),
        wait in 0i64..2 * HOUR,
    ) {
        let counts = [Count::Occurrences, Count::Total, Count::Distinct, Count::Increase];
        let mut house = house(&counts.map(hourly));
        let (mut now, mut seen) = (0, Vec::new());
        let mut counter = 0.0;
        for (millis, x) in steps {
            now += millis;
            counter += f64::from(x % 7);
            // Distinct values and totals of a few numbers.
            house.saw("u1", Value::Number(f64::from(x % 7)), now);
            seen.push((now, f64::from(x % 7)));
        }
        now += wait;
        house.learner.advance(at(now));
        let inside: Vec<f64> =
            seen.iter().filter(|(at, _)| *at > now - HOUR).map(|(_, x)| *x).collect();
        prop_assert!(inside.len() <= EXACT + 4);
        prop_assume!(inside.len() <= EXACT);
        let distinct: BTreeMap<u64, ()> = inside.iter().map(|x| (x.to_bits(), ())).collect();
        prop_assert_eq!(house.window(0), Some(inside.len() as f64));
        prop_assert_eq!(house.window(1), Some(inside.iter().sum::<f64>()));
        prop_assert_eq!(house.window(2), Some(distinct.len() as f64));
        prop_assert!(counter >= 0.0);
    }

    /// More: never too little, and too much by at most what one part holds.
    #[test]
    fn many_observations_are_counted_within_a_part(
        gaps in prop::collection::vec(500i64..20_000, 200..600), wait in 0i64..2 * HOUR,
    ) {
        let mut house = house(&[hourly(Count::Occurrences)]);
        let (mut now, mut seen) = (0, Vec::new());
        for millis in gaps {
            now += millis;
            house.saw("u1", Value::Bool(true), now);
            seen.push(now);
        }
        now += wait;
        house.learner.advance(at(now));
        let part = HOUR / PARTS as i64;
        let inside = |from: i64| seen.iter().filter(|at| **at > from).count() as f64;
        let counted = house.window(0).unwrap();
        prop_assert!(counted >= inside(now - HOUR), "{counted} < {}", inside(now - HOUR));
        prop_assert!(counted <= inside(now - HOUR - part), "{counted}");
    }
}

#[test]
fn a_counter_counts_what_it_rose_by_also_when_it_starts_anew() {
    let mut house = house(&[hourly(Count::Increase)]);
    for (minute, x) in [(0, 1000.0), (10, 1005.0), (20, 1012.0), (30, 3.0), (40, 3.0)] {
        house.saw("u1", Value::Number(x), minute * 60_000);
    }
    assert_eq!(house.window(0), Some(15.0));
    house.learner.advance(at(71 * 60_000));
    assert_eq!(house.window(0), Some(10.0));
    house.learner.advance(at(DAY));
    assert_eq!(house.window(0), Some(0.0), "known, and nothing");
}

/// The estimate is as good as its formula says, over many keys: for one key it may be off
/// by several standard errors.
#[test]
fn different_values_are_estimated_within_the_stated_error() {
    const KEYS: u8 = 32;
    for (values, standard_error) in [(100, 0.035), (500, 0.04), (2000, 0.09)] {
        let off: Vec<f64> = (0..KEYS)
            .map(|key| {
                let measures = [window(86_400.0, Count::Distinct)];
                let mut house = house_of_key(&measures, Bounds::default(), key);
                for n in 0..values + values / 4 {
                    let value = format!("device-{}", n % values);
                    house.saw("u1", Value::Text(&value), i64::from(n));
                }
                let counted = house.window(0).unwrap();
                house.learner.advance(at(DAY + DAY / PARTS as i64 * 2));
                assert_eq!(house.window(0), Some(0.0));
                counted / f64::from(values) - 1.0
            })
            .collect();
        let square: f64 = off.iter().map(|off| off * off).sum::<f64>() / f64::from(KEYS);
        assert!(square.sqrt() < standard_error * 1.2, "{values}: {} of {off:?}", square.sqrt());
    }
}

#[test]
fn a_million_different_values_are_bounded() {
    let mut house = house(&[window(86_400.0, Count::Distinct)]);
    for n in 0..100_000 {
        house.saw("u1", Value::Number(f64::from(n)), 0);
    }
    assert_eq!(house.window(0), Some(MOST_DISTINCT));
    assert!(house.learner.bytes() < 2048, "{} bytes", house.learner.bytes());
}

#[test]
fn an_event_that_comes_late_counts_where_it_belongs() {
    let mut house = house(&[hourly(Count::Total)]);
    house.saw("u1", Value::Number(5.0), 2 * HOUR);
    house.saw("u1", Value::Number(7.0), 2 * HOUR - HOUR / 2);
    house.saw("u1", Value::Number(100.0), HOUR / 2);
    assert_eq!(house.window(0), Some(12.0));
    house.learner.advance(at(2 * HOUR + HOUR / 2));
    assert_eq!(house.window(0), Some(5.0));
}

#[test]
fn a_signal_teaches_however_many_windows_are_asked_of_it() {
    let windows: Vec<Measured> =
        (1..=20).map(|n| window(f64::from(n) * 60.0, Count::Occurrences)).collect();
    let mut house = house(&windows);
    house.saw("u1", Value::Number(1.0), 0);
    assert!((0..20).all(|n| house.window(n) == Some(1.0)));
}

#[test]
fn time_alone_brings_no_dropped_entity_back() {
    let mut house = house(&[hourly(Count::Occurrences)]);
    house.saw("u1", Value::Number(1.0), 0);
    assert!(house.cache.forget(USER, "u1"));
    house.learner.advance(at(2 * HOUR));
    assert!(house.cache.read(USER, "u1").is_none());
    house.saw("u1", Value::Number(1.0), 3 * HOUR);
    assert_eq!(house.window(0), Some(1.0));
}
