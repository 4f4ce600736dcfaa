use proptest::prelude::*;

use super::support::{DAY, HOUR, SIGNAL, at, house};
use crate::learn::baseline::BaselineState;
use crate::model::{Baseline, Measured, Season, Value};
use crate::signals::{Usual, share_of_prior};

const PLAIN: Baseline = Baseline { half_life: 14.0 * 86_400.0, season: None };

/// The weighted mean and variance of all observations, computed from scratch.
fn oracle(observations: &[(i64, f64)], now: i64, half_life: f64) -> (f64, f64) {
    let weight = |seen: i64| ((seen - now) as f64 / 1e3 / half_life).exp2();
    let all: f64 = observations.iter().map(|(seen, _)| weight(*seen)).sum();
    let mean = observations.iter().map(|(seen, x)| weight(*seen) * x).sum::<f64>() / all;
    let variance =
        observations.iter().map(|(seen, x)| weight(*seen) * (x - mean).powi(2)).sum::<f64>() / all;
    (mean, variance.sqrt())
}

proptest! {
    /// Values that nothing clips: mean and deviation are those of all observations.
    #[test]
    fn a_baseline_is_the_weighted_mean_and_deviation(
        steps in prop::collection::vec((0i64..4 * DAY / 1000, 90.0..110.0f64), 1..40),
    ) {
        let mut state = BaselineState::default();
        let (mut now, mut seen) = (0, Vec::new());
        for (seconds, x) in steps {
            now += seconds * 1000;
            let usual = state.own(at(now), None);
            let clipped = usual.weight >= 5.0
                && (x - usual.mean).abs() > 3.0 * usual.deviation.max(usual.mean.abs() / 20.0);
            prop_assume!(!clipped);
            state.observe(x, 1.0, at(now), &PLAIN);
            seen.push((now, x));
        }
        let (mean, deviation) = oracle(&seen, now, PLAIN.half_life);
        let usual = state.own(at(now), None);
        prop_assert!((usual.mean - mean).abs() < 1e-9 * mean.abs());
        prop_assert!((usual.deviation - deviation).abs() < 1e-6 * deviation.max(1.0));
    }

    #[test]
    fn whatever_comes_a_baseline_stays_finite(
        steps in prop::collection::vec((any::<i64>(), any::<f64>()), 1..60),
    ) {
        let mut state = BaselineState::default();
        for (millis, x) in steps {
            let seasonal = Baseline { season: Some(Season::HourOfDay), ..PLAIN };
            state.observe(x, 1.0, at(millis / 4), &seasonal);
            let usual = state.usual(at(millis / 4), seasonal.season, None);
            prop_assert!(usual.mean.is_finite() && usual.deviation.is_finite(), "{usual:?}");
        }
    }
}

#[test]
fn one_huge_value_does_not_make_the_next_one_usual() {
    let mut state = BaselineState::default();
    for day in 0..30 {
        state.observe(100.0 + f64::from(day % 5), 1.0, at(i64::from(day) * DAY), &PLAIN);
    }
    let before = state.own(at(30 * DAY), None);
    state.observe(1e9, 1.0, at(30 * DAY), &PLAIN);
    let after = state.own(at(30 * DAY), None);
    assert!((1e9 - after.mean) / after.deviation > 1e6);
    assert!(after.mean - before.mean < before.deviation, "{before:?} {after:?}");
}

#[test]
fn a_lasting_change_becomes_usual() {
    let mut state = BaselineState::default();
    for day in 0..200i64 {
        let x = if day < 40 { 100.0 } else { 1000.0 };
        state.observe(x + (day % 7) as f64, 1.0, at(day * DAY), &PLAIN);
    }
    let usual = state.own(at(200 * DAY), None);
    assert!((usual.mean - 1003.0).abs() < 50.0, "{usual:?}");
}

#[test]
fn who_is_hardly_known_is_taken_for_one_of_many() {
    let prior = Usual { mean: 50.0, deviation: 20.0, weight: 1000.0 };
    let mut state = BaselineState::default();
    assert_eq!(share_of_prior(0.0), 1.0);
    state.observe(500.0, 1.0, at(0), &PLAIN);
    let once = state.usual(at(0), None, Some(prior));
    // One observation has a share of 1 - (4/5)^2.
    assert!((once.mean - (50.0 + 0.36 * 450.0)).abs() < 1e-9, "{once:?}");
    assert!(once.confidence() < 0.25);
    for n in 1..100 {
        state.observe(500.0, 1.0, at(n * HOUR), &PLAIN);
    }
    let known = state.usual(at(100 * HOUR), None, Some(prior));
    assert!((known.mean - 500.0).abs() < 1.0 && known.deviation < 2.0, "{known:?}");
    assert!(known.confidence() > 0.9);
}

#[test]
fn what_is_usual_follows_the_hours_of_the_day() {
    let seasonal = Baseline { season: Some(Season::HourOfDay), ..PLAIN };
    let mut state = BaselineState::default();
    for hour in 0..60 * 24i64 {
        let busy = (9..17).contains(&(hour % 24));
        let x = if busy { 100.0 } else { 10.0 };
        state.observe(x + (hour % 3) as f64, 1.0, at(hour * HOUR), &seasonal);
    }
    let noon = state.own(at(60 * DAY + 12 * HOUR), seasonal.season);
    let night = state.own(at(60 * DAY + 3 * HOUR), seasonal.season);
    assert!((noon.mean - 101.0).abs() < 5.0, "{noon:?}");
    assert!((night.mean - 11.0).abs() < 5.0, "{night:?}");
    // A hundred at night is far off; the deviation is that within the hours.
    assert!((100.0 - night.mean) / night.deviation.max(1.0) > 5.0, "{night:?}");
}

#[test]
fn who_is_new_is_unknown_until_a_little_was_seen_or_others_are_known() {
    let measure = Measured::Baseline { signal: SIGNAL, baseline: PLAIN };
    let mut house = house(&[measure]);
    for n in 0..4 {
        house.saw("u1", Value::Number(100.0), n * HOUR);
        assert_eq!(house.usual("u1"), None);
    }
    house.saw("u1", Value::Number(100.0), 4 * HOUR);
    house.saw("u1", Value::Number(100.0), 5 * HOUR);
    assert!(house.usual("u1").is_some());
    for n in 0..200 {
        house.saw(&format!("other-{n}"), Value::Number(90.0 + n as f64 / 10.0), 6 * HOUR);
    }
    house.saw("u2", Value::Number(100.0), 7 * HOUR);
    let usual = house.usual("u2").unwrap();
    assert!(usual.deviation > 3.0 && usual.confidence() < 0.25, "as wide as all: {usual:?}");
}
