use proptest::prelude::*;

use super::support::{DAY, HOUR, SIGNAL, at, house};
use crate::learn::baseline::BaselineState;
use crate::model::{Baseline, Measured, Season, Value};
use crate::signals::{Usual, share_of_prior};

const PLAIN: Baseline = Baseline { half_life: 14.0 * 86_400.0, season: None };

/// What is usual, computed anew from all observations, by the documented formulas alone.
struct Oracle {
    season: Option<Season>,
    /// When, the value as it counts, and how far it was from the mean before.
    seen: Vec<(i64, f64, f64)>,
    clipped: usize,
}

impl Oracle {
    fn new(season: Option<Season>) -> Self {
        Oracle { season, seen: Vec::new(), clipped: 0 }
    }

    /// Weights are those at the last observation: of all later times they are in the same ratio.
    fn weighted(&self) -> impl Iterator<Item = (f64, &(i64, f64, f64))> {
        let last = self.seen.last().map_or(0, |(at, ..)| *at);
        self.seen.iter().map(move |seen| (two_weeks_old(last - seen.0), seen))
    }

    /// Weight, mean and deviation without the season.
    fn all(&self) -> (f64, f64, f64) {
        let weight: f64 = self.weighted().map(|(weight, _)| weight).sum();
        let sum: f64 = self.weighted().map(|(weight, (_, x, _))| weight * x).sum();
        let mean = if weight > 0.0 { sum / weight } else { 0.0 };
        let squares: f64 = self.weighted().map(|(w, (_, x, _))| w * (x - mean).powi(2)).sum();
        let variance = if weight > 0.0 { squares / weight } else { 0.0 };
        (weight, mean, variance.sqrt())
    }

    /// What the hour adds: its mean distance, drawn towards none while little is known.
    fn hour(&self, now: i64) -> (f64, f64) {
        let Some(season) = self.season else { return (0.0, f64::INFINITY) };
        let part = |at: i64| match season {
            Season::HourOfDay => at.div_euclid(HOUR).rem_euclid(24),
            // `START` is a Monday's midnight.
            Season::HourOfWeek => at.div_euclid(HOUR).rem_euclid(168),
        };
        let same = || self.weighted().filter(|(_, (at, ..))| part(*at) == part(now));
        let weight: f64 = same().map(|(weight, _)| weight).sum();
        let sum: f64 = same().map(|(weight, (.., off))| weight * off).sum();
        (if weight > 0.0 { sum / (weight + 1.0) } else { 0.0 }, weight)
    }

    fn usual(&self, now: i64) -> (f64, f64) {
        let (_, mean, deviation) = self.all();
        (mean + self.hour(now).0, deviation)
    }

    fn observe(&mut self, now: i64, x: f64) {
        let (weight, before, _) = self.all();
        // Of the hour, as much as was known of it when something was last seen.
        let is_known = weight >= 5.0 && self.hour(now).1 >= 2.0;
        let (mean, deviation) = self.usual(now);
        let reach = 3.0 * deviation.max(mean.abs() / 20.0);
        let counts = if is_known { x.clamp(mean - reach, mean + reach) } else { x };
        self.clipped += usize::from(counts != x);
        let before = if weight > 0.0 { before } else { counts };
        // What the hour adds counts this one as well.
        self.seen.push((now, 0.0, counts - before));
        let added = self.hour(now).0;
        if let Some(last) = self.seen.last_mut() {
            last.1 = counts - added;
        }
    }
}

/// The weight of an observation that is so old.
fn two_weeks_old(millis: i64) -> f64 {
    (-(millis as f64) / 1e3 / PLAIN.half_life).exp2()
}

/// Mostly something like a hundred, now and then anything at all.
fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![8 => 90.0..110.0f64, 1 => -1e4..1e4f64, 1 => Just(0.0)]
}

/// As far apart as a rounding of `scale` in as many steps brings them.
fn near(told: f64, expected: f64, within: f64) -> Result<(), TestCaseError> {
    prop_assert!((told - expected).abs() <= within, "{} for {}", told, expected);
    Ok(())
}

proptest! {
    /// Mean and deviation are those of all observations, of which each counts as if it
    /// were at most three deviations off, from five on.
    #[test]
    fn a_baseline_is_the_weighted_mean_and_deviation(
        steps in prop::collection::vec((0i64..DAY / 1000, amount()), 8..60),
        huge in prop_oneof![1e6..1e12f64, -1e12..-1e6f64],
    ) {
        let (mut state, mut oracle, mut now) = (BaselineState::default(), Oracle::new(None), 0);
        for (seconds, x) in steps.into_iter().chain([(60, huge)]) {
            now += seconds * 1000;
            state.observe(x, 1.0, at(now), &PLAIN);
            oracle.observe(now, x);
            let (mean, deviation) = oracle.usual(now);
            let usual = state.own(at(now), None);
            near(usual.mean, mean, 1e-8 * mean.abs().max(deviation).max(1.0))?;
            near(usual.deviation, deviation, 1e-6 * deviation.max(mean.abs()).max(1.0))?;
            near(usual.weight, oracle.all().0, 1e-9 * usual.weight)?;
        }
        prop_assert!(oracle.clipped > 0, "{} is so far off that it is clipped", huge);
    }

    /// The same with a season: each hour has an offset, of its own weight.
    #[test]
    fn a_season_adds_what_its_hours_were_off(
        season in prop::sample::select(&[Season::HourOfDay, Season::HourOfWeek][..]),
        // Some hours of a week again and again, each in some weeks.
        hours in prop::collection::vec(0i64..168, 1..6),
        steps in prop::collection::vec((0usize..6, 0i64..HOUR, amount()), 20..80),
    ) {
        let how = Baseline { season: Some(season), ..PLAIN };
        let (mut state, mut oracle) = (BaselineState::default(), Oracle::new(Some(season)));
        let mut last = 0;
        for (hour, millis, x) in steps {
            let hour = hours[hour % hours.len()];
            let mut now = hour * HOUR + millis / 1000 * 1000;
            while now < last {
                now += 7 * DAY;
            }
            last = now;
            state.observe(x, 1.0, at(now), &how);
            oracle.observe(now, x);
            for asked in [now, now + HOUR, now + DAY, now + 7 * DAY] {
                let (mean, deviation) = oracle.usual(asked);
                let usual = state.own(at(asked), how.season);
                // Offsets are kept in half the bits.
                near(usual.mean, mean, 1e-3 * deviation.max(mean.abs()).max(1.0))?;
                near(usual.deviation, deviation, 1e-3 * deviation.max(mean.abs()).max(1.0))?;
            }
        }
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
fn what_is_usual_follows_the_hours_of_the_week_from_monday_on() {
    let weekly = Baseline { season: Some(Season::HourOfWeek), half_life: 1e9 };
    let mut state = BaselineState::default();
    for hour in 0..20 * 168i64 {
        // Each hour of the week has a value of its own: 0 on Monday at midnight.
        state.observe(1000.0 + (hour % 168) as f64, 1.0, at(hour * HOUR), &weekly);
    }
    let usual = |day: i64, hour: i64| {
        state.own(at((20 * 7 + day) * DAY + hour * HOUR + HOUR / 2), weekly.season).mean
    };
    for day in 0..7 {
        for hour in 0..24 {
            let expected = 1000.0 + (day * 24 + hour) as f64;
            let told = usual(day, hour);
            // An hour that was seen twenty times is drawn to the mean by a twentieth.
            assert!((told - expected).abs() < 84.0 / 20.0 + 4.0, "{day} {hour}: {told}");
        }
    }
    assert!(usual(0, 0) + 150.0 < usual(6, 23), "Monday begins where Sunday ends");
}

/// What is kept is by the hour from Monday midnight on: a process of another version reads
/// the same.
#[test]
fn weeks_are_kept_from_monday_on() {
    let weekly = Baseline { season: Some(Season::HourOfWeek), ..PLAIN };
    for (day, hour) in [(0, 0), (0, 9), (2, 23), (6, 23)] {
        let mut state = BaselineState::default();
        state.observe(1.0, 1.0, at(day * DAY + hour * HOUR + HOUR - 1), &weekly);
        let mut words = Vec::new();
        state.write(&mut words);
        let parts = &words[3..];
        let seen: Vec<usize> = (0..parts.len()).filter(|n| parts[*n] != 0).collect();
        assert_eq!((parts.len(), seen), (168, vec![(day * 24 + hour) as usize]));
    }
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
