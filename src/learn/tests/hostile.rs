use proptest::prelude::*;

use super::links;
use super::support::{DAY, HOUR, SIGNAL, at, house, house_within};
use crate::learn::{Bounds, LinkBounds, VALUES};
use crate::model::{Baseline, Count, Familiar, Measured, Quantiles, Season, Value};
use crate::signals::{SeenContext, SeenPlace};

const MILLION: i64 = 1_000_000;

fn all() -> [Measured; 10] {
    let familiar = Familiar { keep: 16, forget_after: 86_400.0 };
    let season = Some(Season::HourOfWeek);
    let window = |seconds, count| Measured::Window { signal: SIGNAL, window: seconds, count };
    [
        Measured::Baseline { signal: SIGNAL, baseline: Baseline { half_life: 1e6, season } },
        Measured::Familiar { signal: SIGNAL, familiar },
        Measured::Hours { half_life: 1e6 },
        Measured::Place,
        window(30.0, Count::Occurrences),
        window(7.0 * 86_400.0, Count::Total),
        window(3600.0, Count::Distinct),
        window(3600.0, Count::Increase),
        Measured::Context { half_life: 1e6 },
        Measured::Quantiles { signal: SIGNAL, quantiles: Quantiles { half_life: 1e6 } },
    ]
}

fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e308),
        Just(-1e308),
        Just(0.0),
    ]
}

proptest! {
    /// Clocks that jump, numbers that aren't: time goes on, and what is said is a number.
    #[test]
    fn nothing_that_comes_corrupts_a_profile(
        steps in prop::collection::vec((any::<i64>(), odd(), 0u8..3), 1..80),
    ) {
        let mut house = house(&all());
        for (millis, x, user) in steps {
            let id = format!("u{user}");
            // Years back and forth, and the ends of time.
            let now = millis / 1_000_000;
            if !x.is_nan() {
                house.saw(&id, Value::Number(x), now);
            }
            let place = SeenPlace { latitude: x, longitude: x, radius_km: x };
            house.present(&id, Some(place), now);
            let context = SeenContext(std::array::from_fn(|n| (millis >> (4 * n)) as u32 % 16));
            house.came(&id, context, now);
            let other = SeenContext(std::array::from_fn(|n| (millis >> (5 * n)) as u32 % 16));
            for context in [context, other] {
                if let Some(rarity) = house.rarity_of(&id, 8, &context) {
                    prop_assert!((0.0..=1.0).contains(&rarity.risk), "{rarity:?}");
                    prop_assert!((0.0..=1.0).contains(&rarity.confidence), "{rarity:?}");
                }
            }
            // Each measure by what it is of, in the order of `all`.
            if let Some(usual) = house.usual(&id) {
                prop_assert!(usual.mean.is_finite() && usual.deviation.is_finite(), "{usual:?}");
                prop_assert!(usual.deviation >= 0.0 && usual.weight >= 0.0, "{usual:?}");
            }
            if let Some(grid) = house.grid(&id, 9) {
                prop_assert!(grid.points.iter().all(|point| point.is_finite()), "{grid:?}");
                prop_assert!(grid.points.is_sorted(), "{grid:?}");
                for x in [x, 0.0, f64::INFINITY] {
                    let share = grid.percentile(x);
                    prop_assert!(x.is_nan() || (0.0..=1.0).contains(&share), "{x}: {share}");
                }
                prop_assert!((0.0..=1.0).contains(&grid.confidence()), "{grid:?}");
            }
            for hour in 0..24 {
                let usual = house.usual_hour_of(&id, 2, hour);
                prop_assert!(usual.is_none_or(|usual| (0.0..=1.0).contains(&usual)));
            }
            if let Some(place) = house.last_place_of(&id, 3) {
                prop_assert!(place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0);
                prop_assert!(place.radius_km >= 0.0 && place.radius_km.is_finite());
            }
            for measure in 4..8 {
                let told = house.window_of(&id, measure);
                prop_assert!(told.is_none_or(f64::is_finite));
            }
        }
        house.learner.advance(at(i64::MAX / 4));
        prop_assert_eq!(house.learner.learned().profiles, 0, "all are long unseen");
    }
}

#[test]
fn random_ids_do_not_grow_memory() {
    let bounds = Bounds { max_profiles: 1000, ..Bounds::default() };
    let mut house = house_within(&all(), bounds);
    for n in 0..1000 {
        house.saw(&format!("known-{n}"), Value::Number(1.0), n);
    }
    for n in 0..50_000 {
        house.saw(&format!("random-{n}"), Value::Number(1.0), HOUR + n);
    }
    let learned = house.learner.learned();
    assert_eq!((learned.profiles, learned.evicted), (1000, 50_000));
    assert!(house.learner.bytes() < 4 * 1024 * 1024, "{} bytes", house.learner.bytes());
}

#[test]
fn who_is_unseen_for_long_is_dropped() {
    let bounds = Bounds { retention: 10.0 * 86_400.0, ..Bounds::default() };
    let mut house = house_within(&all(), bounds);
    house.saw("u1", Value::Number(1.0), 0);
    house.saw("u2", Value::Number(1.0), 5 * DAY);
    house.learner.advance(at(10 * DAY + HOUR));
    assert_eq!(house.learner.learned().profiles, 1);
    house.learner.advance(at(15 * DAY + HOUR));
    assert_eq!(house.learner.learned().profiles, 0);
}

#[test]
fn a_user_with_a_million_devices_keeps_sixteen() {
    let familiar = Familiar { keep: 16, forget_after: 86_400.0 };
    let mut house = house(&[Measured::Familiar { signal: SIGNAL, familiar }]);
    let device = |n: i64| format!("device-{n}");
    let mut most = 0;
    for n in 0..=MILLION {
        house.saw("u1", Value::Text(&device(n)), n);
        most = most.max(house.learner.bytes());
    }
    assert_eq!(house.learner.learned().observations, MILLION as u64 + 1);
    assert!(most < 1024, "{most} bytes");
    let is_familiar = |n| house.is_familiar("u1", Value::Text(&device(n))).unwrap();
    assert!((MILLION - 15..=MILLION).all(is_familiar), "the last sixteen");
    assert!(!(0..1000).any(is_familiar), "none of the first");
}

#[test]
fn whatever_is_asked_many_values_are_bounded() {
    let mut house = house(&all());
    for n in 0..20_000 {
        house.saw("u1", Value::Text(&format!("device-{n}")), n * 10);
    }
    assert!(house.learner.bytes() < 8192, "{} bytes", house.learner.bytes());
}

#[test]
fn a_user_with_a_hundred_thousand_devices_is_linked_by_eight() {
    let bounds = LinkBounds { max_values: 1000, ..LinkBounds::default() };
    let mut house = links::house(4, bounds, &[]);
    for n in 0..=100_000 {
        house.device("u1", &format!("device-{n}"), n);
        if n % 100 == 0 {
            house.learner.advance(at(n));
            let held = house.learner.learned().links;
            assert!(held.edges <= VALUES as u64 && held.values <= 1000, "{held:?}");
            assert_eq!(held.entities, 1);
        }
    }
    house.settle(100_000);
    let held = house.learner.learned().links;
    assert_eq!((held.entities, held.values, held.edges), (1, 8, 8), "the others are dropped");
    // Links are forgotten after ten hours here.
    house.settle(100_000 + 11 * HOUR);
    let held = house.learner.learned().links;
    assert_eq!((held.entities, held.values, held.edges), (0, 0, 0));
}
