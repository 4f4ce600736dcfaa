use proptest::prelude::*;

use super::*;

fn only(summary: &Summary) -> ArrayVec<u64, MAX_WORDS> {
    let mut words = ArrayVec::new();
    // Neighbours on both sides, to be left alone.
    put(&mut words, MeasureId(1), &Summary::Window(17.0)).unwrap();
    put(&mut words, MeasureId(2), summary).unwrap();
    put(&mut words, MeasureId(3), &Summary::Window(4.5)).unwrap();
    words
}

fn item(words: &[u64]) -> Item<'_> {
    assert_eq!(find(words, MeasureId(1)).unwrap().window(), 17.0);
    assert_eq!(find(words, MeasureId(3)).unwrap().window(), 4.5);
    assert!(find(words, MeasureId(4)).is_none());
    find(words, MeasureId(2)).unwrap()
}

proptest! {
    #[test]
    fn what_is_usual_is_kept_within_the_stated_error(
        mean in -1e30..1e30f64, share in 0.01..100.0f64, weight in 0.0..200.0f64,
    ) {
        let deviation = mean.abs() * share;
        let words = only(&Summary::Usual(Usual { mean, deviation, weight }));
        let usual = item(&words).usual();
        prop_assert!((usual.mean - mean).abs() <= mean.abs() * 1.6e-5);
        prop_assert!((usual.deviation - deviation).abs() <= deviation * 0.002);
        prop_assert!((usual.weight - weight).abs() <= (1.0 + weight) * 0.1);
    }

    #[test]
    fn familiar_values_are_found_and_hardly_any_other(
        hashes in proptest::collection::hash_set(any::<u32>(), 0..=16),
        others in proptest::collection::vec(any::<u32>(), 64),
    ) {
        let words = only(&Summary::Familiar(hashes.iter().copied().collect()));
        let item = item(&words);
        for hash in &hashes {
            prop_assert!(item.is_familiar(*hash));
        }
        let bits = if hashes.len() <= 8 { 28 } else { 18 };
        for other in others {
            let same = hashes.iter().any(|hash| (hash ^ other) & mask(bits) == 0);
            prop_assert!(same || !item.is_familiar(other));
        }
    }

    #[test]
    fn hours_places_and_counts_come_back(
        levels in proptest::array::uniform24(0u8..16),
        latitude in -90.0..=90.0f64, longitude in -180.0..=180.0f64,
        radius in 0u16..5000, millis in ERA_MILLIS..4_000_000_000_000i64,
        count in 0u64..1 << 34,
    ) {
        let words = only(&Summary::Hours(levels));
        for (hour, level) in levels.iter().enumerate() {
            prop_assert_eq!(item(&words).hour(hour), f64::from(*level) / 15.0);
        }
        let at = Timestamp::from_millis(millis);
        let place = LastPlace { at, latitude, longitude, radius_km: f64::from(radius) };
        let words = only(&Summary::Place(place));
        let kept = item(&words).place();
        prop_assert_eq!(kept.at, at);
        prop_assert!((kept.latitude - latitude).abs() < 1e-5);
        prop_assert!((kept.longitude - longitude).abs() < 2e-5);
        prop_assert_eq!(kept.radius_km, f64::from(radius));
        let words = only(&Summary::Window(count as f64));
        prop_assert_eq!(item(&words).window(), count as f64);
    }
}

/// Points in order, as they are learned.
fn grids() -> impl Strategy<Value = Grid> {
    let value = prop_oneof![-1e30..1e30f64, -10.0..10.0f64, Just(0.0), Just(49.99)];
    (proptest::array::uniform15(value), 0.0..200.0f64).prop_map(|(mut points, weight)| {
        points.sort_by(f64::total_cmp);
        Grid { points, weight }
    })
}

proptest! {
    #[test]
    fn points_come_back_within_the_stated_error(grid in grids()) {
        let words = only(&Summary::Grid(grid));
        prop_assert_eq!(words.len(), 8);
        let kept = item(&words).grid();
        for (kept, point) in kept.points.iter().zip(grid.points) {
            prop_assert!((kept - point).abs() <= point.abs() * 1.6e-5, "{kept} for {point}");
        }
        prop_assert!((kept.weight - grid.weight).abs() <= (1.0 + grid.weight) * 0.1);
    }

    #[test]
    fn who_is_larger_has_no_smaller_percentile(
        grid in grids(), mut asked in proptest::collection::vec(-20.0..20.0f64, 50),
    ) {
        let grid = item(&only(&Summary::Grid(grid))).grid();
        asked.extend(grid.points);
        asked.extend([f64::NEG_INFINITY, f64::INFINITY]);
        asked.sort_by(f64::total_cmp);
        let shares: Vec<f64> = asked.iter().map(|x| grid.percentile(*x)).collect();
        prop_assert!(shares.is_sorted(), "{shares:?}");
        prop_assert_eq!((shares[0], *shares.last().unwrap()), (0.0, 1.0));
        let values: Vec<f64> = (1..100).map(|n| grid.quantile(f64::from(n) / 100.0)).collect();
        prop_assert!(values.is_sorted(), "{values:?}");
    }
}

#[test]
fn percentile_and_quantile_are_each_others_inverse() {
    let points = SHARES.map(|share| 1000.0 * share * share);
    let grid = item(&only(&Summary::Grid(Grid { points, weight: 9.0 }))).grid();
    for n in 1..1000 {
        let share = f64::from(n) / 1000.0;
        let back = grid.percentile(grid.quantile(share));
        assert!((back - share).abs() < 1e-3, "{share}: {back}");
    }
    // What was asked about a value that many have: half of them are not below.
    let same = Grid { points: [49.99; SHARES.len()], weight: 9.0 };
    let same = item(&only(&Summary::Grid(same))).grid();
    assert_eq!([49.9, 49.99, 50.1].map(|x| same.percentile(x)), [0.0, 0.5, 1.0]);
    assert!((same.quantile(0.25) - 49.99).abs() < 1e-3);
}

#[test]
fn infinity_comes_back() {
    let words = only(&Summary::Window(f64::INFINITY));
    assert_eq!(item(&words).window(), f64::INFINITY);
}

#[test]
fn the_summaries_of_six_measures_are_at_most_128_bytes() {
    let usual = Summary::Usual(Usual { mean: 1.0, deviation: 1.0, weight: 1.0 });
    let familiar = Summary::Familiar((0..16).collect());
    let six = [
        usual.clone(),
        usual,
        familiar.clone(),
        familiar,
        Summary::Hours([1; 24]),
        Summary::Window(1.0),
    ];
    let mut words = ArrayVec::new();
    for (n, summary) in six.iter().enumerate() {
        put(&mut words, MeasureId(n as u16), summary).unwrap();
    }
    assert!(size_of_val(&*words) <= 128, "{} bytes", size_of_val(&*words));
}

#[test]
fn a_summary_takes_the_place_of_the_last_one_and_none_is_cut_short() {
    let mut words = only(&Summary::Familiar((0..3).collect()));
    assert_eq!(put(&mut words, MeasureId(2), &Summary::Familiar((0..3).collect())), Some(false));
    assert_eq!(put(&mut words, MeasureId(2), &Summary::Familiar((0..16).collect())), Some(true));
    assert!(item(&words).is_familiar(15));
    let full = (10..)
        .find(|n| put(&mut words, MeasureId(*n), &Summary::Familiar((0..16).collect())).is_none());
    assert!(full.is_some());
    assert!(item(&words).is_familiar(15));
}

proptest! {
    #[test]
    fn lifts_come_back_within_the_stated_error(
        weights in proptest::array::uniform7(0.0..230.0f64),
        values in proptest::collection::hash_map(0u32..1 << 18, -12.0..12.0f64, 0..=MAX_LIFTS),
        others in proptest::collection::vec(0u32..1 << 18, 32),
    ) {
        let lifts = values.iter().map(|(hash, lift)| (*hash, lift.exp2())).collect();
        let words = only(&Summary::Context(Lifts { weights, values: lifts }.into()));
        for (level, weight) in weights.iter().enumerate() {
            prop_assert!((item(&words).seen(level) - weight).abs() <= (1.0 + weight) * 0.045);
        }
        for (hash, lift) in &values {
            let kept = item(&words).lift(*hash).unwrap();
            prop_assert!((kept / lift.exp2() - 1.0).abs() <= 0.045, "{kept}");
        }
        for other in others {
            prop_assert_eq!(item(&words).lift(other).is_some(), values.contains_key(&other));
        }
    }
}

#[test]
fn lifts_beyond_what_can_be_said_are_the_most_that_can() {
    let values = [(1, 0.0), (2, f64::INFINITY), (3, f64::NAN)].into_iter().collect();
    let words = only(&Summary::Context(Lifts { weights: [f64::MAX; 7], values }.into()));
    for hash in 1..=3 {
        let lift = item(&words).lift(hash).unwrap();
        assert!(lift > 1e-5 && lift < 1e5, "{lift}");
    }
    assert!(item(&words).seen(0) < 250.0);
}
