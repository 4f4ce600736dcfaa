use proptest::prelude::*;

use super::support::{DAY, HOUR, SIGNAL, at, house};
use crate::learn::quantiles::{MARKS, QuantilesState};
use crate::learn::words::Head;
use crate::model::{Measured, Quantiles, Value};
use crate::signals::{Grid, SHARES, share_of_prior};

const HALF_LIFE: f64 = 14.0 * 86_400.0;
const QUANTILES: Measured =
    Measured::Quantiles { signal: SIGNAL, quantiles: Quantiles { half_life: HALF_LIFE } };

/// All observations, kept: when they came, and what they were.
#[derive(Debug, Default)]
struct Kept(Vec<(i64, f64)>);

impl Kept {
    /// The shares of what is below `x` and of what is not above it, from scratch.
    fn shares(&self, x: f64, half_life: f64) -> (f64, f64) {
        let now = self.0.iter().map(|(at, _)| *at).max().unwrap();
        let weight = |at: i64| ((at - now) as f64 / 1e3 / half_life).exp2();
        let sum = |of: &dyn Fn(f64) -> bool| -> f64 {
            self.0.iter().filter(|(_, seen)| of(*seen)).map(|(at, _)| weight(*at)).sum()
        };
        let all = sum(&|_| true);
        (sum(&|seen| seen < x) / all, sum(&|seen| seen <= x) / all)
    }

    fn state(&self, half_life: f64) -> QuantilesState {
        let mut state = QuantilesState::default();
        for (millis, x) in &self.0 {
            state.observe(*x, 1.0, at(*millis), half_life, MARKS);
        }
        state
    }
}

fn middle((below, upto): (f64, f64)) -> f64 {
    f64::midpoint(below, upto)
}

proptest! {
    /// In whatever order, and however old: as many values as there are marks.
    #[test]
    fn few_different_values_are_exact(
        values in prop::collection::vec(-1e6..1e6f64, 1..=MARKS),
        steps in prop::collection::vec((0i64..40 * 3600, any::<prop::sample::Index>()), 1..200),
    ) {
        let mut kept = Kept::default();
        let mut now = 0;
        for (seconds, index) in steps {
            now += seconds * 1000;
            kept.0.push((now, f64::from(*index.get(&values) as f32)));
        }
        let state = kept.state(HALF_LIFE);
        for x in values.iter().map(|x| f64::from(*x as f32)).flat_map(|x| [x, x + 0.5]) {
            let (below, upto) = state.shares(x);
            let (exact_below, exact_upto) = kept.shares(x, HALF_LIFE);
            // An end that is older than twelve half-lives is forgotten.
            prop_assert!((below - exact_below).abs() < 1e-3, "{x}: {below} for {exact_below}");
            prop_assert!((upto - exact_upto).abs() < 1e-3, "{x}: {upto} for {exact_upto}");
        }
    }

    /// Clocks that jump, half-lives that change, numbers that aren't.
    #[test]
    fn whatever_comes_shares_are_shares(
        steps in prop::collection::vec((any::<i64>(), any::<f64>(), 1e-3..1e10f64), 1..100),
    ) {
        let mut state = QuantilesState::default();
        for (millis, x, half_life) in steps {
            state.observe(x, 1.0, at(millis / 4), half_life, MARKS);
            let (below, upto) = state.shares(if x.is_nan() { 0.0 } else { x });
            prop_assert!(0.0 <= below && below <= upto && upto <= 1.0 + 1e-6, "{below} {upto}");
            if let Some(grid) = state.grid(None, half_life) {
                prop_assert!(grid.points.is_sorted() && grid.points[0].is_finite(), "{grid:?}");
                prop_assert!(grid.weight.is_finite() && grid.weight >= 0.0, "{grid:?}");
            }
        }
        let mut words = Vec::new();
        state.write(&mut words);
        prop_assert!(words.len() <= 1 + MARKS * 3 / 2, "{}", words.len());
        let head = Head { measure: 0, words: words.len() as u16, time: state.at };
        prop_assert_eq!(QuantilesState::read(head, &words), state);
    }
}

/// Numbers as they come in different trades, always the same ones.
fn trades(count: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut draw = |of: fn(f64, f64) -> f64| -> Vec<f64> {
        (0..count).map(|_| of(random.f64().max(1e-12), random.f64())).collect()
    };
    let normal: fn(f64, f64) -> f64 =
        |u, v| (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    let wide: fn(f64, f64) -> f64 =
        |u, v| (3.0 * (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()).exp();
    vec![
        ("uniform", draw(|u, _| u)),
        ("normal", draw(normal)),
        ("log-normal", draw(wide)),
        ("heavy tail", draw(|u, _| 1.0 / u)),
        ("heavier tail", draw(|u, _| u.powi(-3))),
        ("two clusters", draw(|u, v| if u < 0.5 { 10.0 + v / 10.0 } else { 1000.0 + v })),
        ("a rare cluster", draw(|u, v| if u < 0.97 { 10.0 + v } else { 1e6 * (1.0 + v) })),
        ("mostly nothing", draw(|u, v| if u < 0.6 { 0.0 } else { 50.0 / v.max(1e-9) })),
        ("whole numbers", draw(|u, _| (-10.0 * u.ln()).floor())),
        ("one value", draw(|_, _| 49.99)),
    ]
}

/// The same numbers in orders that make it hard.
fn orders(values: &[f64]) -> Vec<(&'static str, Vec<f64>)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let reversed: Vec<f64> = sorted.iter().rev().copied().collect();
    let half = values.len() / 2;
    let inwards: Vec<f64> =
        (0..half).flat_map(|n| [sorted[n], sorted[values.len() - 1 - n]]).collect();
    let outwards = inwards.iter().rev().copied().collect();
    vec![("rising", sorted), ("falling", reversed), ("inwards", inwards), ("outwards", outwards)]
}

/// By how much a share is off at most, of all values that were seen.
fn worst(values: &[f64], half_life: f64, share: impl Fn(&QuantilesState, f64) -> f64) -> f64 {
    let values = values.iter().map(|x| f64::from(*x as f32));
    let kept = Kept(values.enumerate().map(|(n, x)| (n as i64 * HOUR, x)).collect());
    let state = kept.state(half_life);
    // Each hundredth of them: what is compared with takes long.
    let mut asked: Vec<f64> = kept.0.iter().map(|(_, x)| *x).collect();
    asked.sort_by(f64::total_cmp);
    let asked = asked.iter().step_by(asked.len().div_ceil(100));
    let off = asked.map(|x| (share(&state, *x) - middle(kept.shares(*x, half_life))).abs());
    off.fold(0.0, f64::max)
}

/// What docs/learning.md says of the error.
#[test]
fn ranks_are_within_the_stated_error_of_all_observations() {
    let marks = |state: &QuantilesState, x: f64| middle(state.shares(x));
    let (mut usual, mut hard) = (0f64, 0f64);
    let mut all = Vec::new();
    for count in [40, 300, 1500] {
        for half_life in [50.0 * 3600.0, 300.0 * 3600.0, 1e9] {
            for (trade, values) in trades(count) {
                let off = worst(&values, half_life, marks);
                all.push(off);
                usual = usual.max(off);
                assert!(off <= 0.05, "{trade} of {count}, {half_life} s: {off}");
                for (order, values) in orders(&values) {
                    let off = worst(&values, half_life, marks);
                    hard = hard.max(off);
                    assert!(off <= 0.12, "{trade} {order} of {count}, {half_life} s: {off}");
                }
            }
        }
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    println!("{usual:.3} as they come, {mean:.3} in the mean; {hard:.3} in hard orders");
}

/// An order that a digest of means gets wrong by half of all.
#[test]
fn closing_in_on_a_value_changes_nothing() {
    let (mut low, mut high) = (0.0, 1.0);
    let mut values = vec![low, high];
    for n in 0..40 {
        let next = f64::midpoint(low, high);
        values.push(next);
        if n % 2 == 0 { low = next } else { high = next }
    }
    let off = worst(&values, 1e9, |state, x| middle(state.shares(x)));
    assert!(off < 0.05, "{off}");
}

/// With what a record has of it.
#[test]
fn percentiles_of_a_record_are_within_the_stated_error() {
    let mut all = Vec::new();
    for count in [40, 200, 1000] {
        for (trade, values) in trades(count) {
            let values: Vec<f64> = values.iter().map(|x| f64::from(*x as f32)).collect();
            let mut house = house(&[QUANTILES]);
            let mut kept = Kept::default();
            for (n, x) in values.iter().enumerate() {
                let millis = n as i64 * HOUR;
                house.saw("u1", Value::Number(*x), millis);
                kept.0.push((millis, *x));
            }
            let grid = house.grid("u1", 0).unwrap();
            for x in values.iter().step_by(count.div_ceil(100)) {
                let exact = middle(kept.shares(*x, HALF_LIFE));
                let off = (grid.percentile(*x) - exact).abs();
                all.push(off);
                // Between two groups of values, the record's points are so far apart.
                let apart = if (0.1..0.9).contains(&exact) { 0.1 } else { 0.05 };
                assert!(off <= 0.02 + apart, "{trade} of {count}: {x}: {off} off {exact}");
            }
            for share in [0.05, 0.5, 0.9, 0.95, 0.99] {
                let value = grid.quantile(share);
                let nearly = value.abs() * 2e-5;
                let below = kept.shares(value - nearly, HALF_LIFE).0;
                let upto = kept.shares(value + nearly, HALF_LIFE).1;
                let off = (below - share).max(share - upto);
                assert!(off <= 0.05, "{trade} of {count}: {share}: {below} to {upto}");
            }
        }
    }
    let most = all.iter().copied().fold(0.0, f64::max);
    println!("{most:.3}, {:.3} in the mean", all.iter().sum::<f64>() / all.len() as f64);
}

#[test]
fn who_is_hardly_known_is_taken_for_one_of_many() {
    let of = |values: &[f64]| {
        let kept = Kept(values.iter().map(|x| (0, *x)).collect());
        (kept.state(HALF_LIFE), kept)
    };
    let (own, own_kept) = of(&[50.0, 50.0, 55.0]);
    let everybody: Vec<f64> = (1..=20).map(|n| f64::from(n) * 10.0).collect();
    let (all, all_kept) = of(&everybody);
    let grid = own.grid(Some(&all), HALF_LIFE).unwrap();
    // Three of the own weigh 1 - (4/7)^2.
    let share = share_of_prior(3.0);
    assert!((share - 0.3265).abs() < 1e-4);
    let mut values = [everybody.as_slice(), &[55.0]].concat();
    values.sort_by(f64::total_cmp);
    for (point, wanted) in grid.points.iter().zip(SHARES) {
        let reaches = |x: &f64| {
            let (own, all) = (own_kept.shares(*x, HALF_LIFE).1, all_kept.shares(*x, HALF_LIFE).1);
            (1.0 - share) * own + share * all >= wanted
        };
        let exact = values.iter().copied().find(reaches).unwrap();
        assert_eq!(*point, exact, "{wanted}");
    }
    assert_eq!(grid.weight, 3.0);
    // Nothing of the own: as all are.
    let nobody = QuantilesState::default().grid(Some(&all), HALF_LIFE).unwrap();
    assert_eq!(nobody, Grid { weight: 0.0, ..all.grid(None, HALF_LIFE).unwrap() });
    assert_eq!(QuantilesState::default().grid(None, HALF_LIFE), None);
}

#[test]
fn who_is_new_is_unknown_until_a_little_was_seen_or_others_are_known() {
    let mut house = house(&[QUANTILES]);
    for n in 0..5 {
        house.saw("u1", Value::Number(100.0), n * HOUR);
        assert_eq!(house.grid("u1", 0), None);
    }
    house.saw("u1", Value::Number(100.0), 5 * HOUR);
    assert_eq!(house.grid("u1", 0).unwrap().percentile(100.0), 0.5);
    for n in 0..200 {
        house.saw(&format!("other-{n}"), Value::Number(n as f64), 6 * HOUR);
    }
    house.saw("u2", Value::Duration(1000.0), 7 * HOUR);
    let grid = house.grid("u2", 0).unwrap();
    // Its one observation weighs 1 - (4/5)^2.
    assert!((grid.percentile(500.0) - 0.64).abs() < 0.05, "{grid:?}");
    assert!(grid.confidence() < 0.25, "{grid:?}");
}

#[test]
fn what_was_long_ago_is_forgotten_and_late_comers_count() {
    let mut state = QuantilesState::default();
    let mut see = |x: f64, millis: i64| state.observe(x, 1.0, at(millis), HALF_LIFE, MARKS);
    see(1e12, 0);
    for day in 1..400i64 {
        see(100.0 + (day * 37 % 50) as f64, day * DAY);
    }
    // Late, by a year: as if it came now.
    see(1.0, 30 * DAY);
    let grid = state.grid(None, HALF_LIFE).unwrap();
    assert!(grid.points[SHARES.len() - 1] < 150.0, "{grid:?}");
    let (below, upto) = state.shares(1.0);
    assert!(below == 0.0 && (upto - 1.0 / state.weight(HALF_LIFE)).abs() < 1e-3, "{upto}");
}

#[test]
fn a_lasting_change_becomes_usual() {
    let mut state = QuantilesState::default();
    for day in 0..68i64 {
        let x = if day < 40 { 100.0 } else { 1000.0 };
        state.observe(x + (day % 7) as f64, 1.0, at(day * DAY), HALF_LIFE, MARKS);
    }
    // Two half-lives after: (1 - 1/4) / (1 - 2^(-68/14)) of what there is.
    let (below, _) = state.shares(500.0);
    assert!((1.0 - below - 0.777).abs() < 0.01, "{below}");
}

/// A weight has 24 digits: one more must count however many there are.
#[test]
fn one_more_counts_however_many_there_are() {
    let mut state = QuantilesState::default();
    for n in 0..200 {
        state.observe(f64::from(n % 2), 1e6, at(0), 1e9, MARKS);
    }
    assert!(state.weight(1e9) <= 2.1e6, "{}", state.weight(1e9));
    for _ in 0..200_000 {
        state.observe(2.0, 1.0, at(1000), 1e9, MARKS);
    }
    let (below, _) = state.shares(2.0);
    let more = 1.0 - below;
    assert!(more > 0.08 && more < 0.5, "{more}");
}
