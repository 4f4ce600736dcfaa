use std::collections::BTreeSet;

use proptest::prelude::*;

use super::support::{DAY, HOUR, House, SIGNAL, START, USER, at, house, house_of_key};
use crate::learn::Bounds;
use crate::learn::window::{EXACT, MOST_DISTINCT, PARTS};
use crate::model::{Count, Measured, Value};

fn window(seconds: f64, count: Count) -> Measured {
    Measured::Window { signal: SIGNAL, window: seconds, count }
}

fn hourly(count: Count) -> Measured {
    window(3600.0, count)
}

/// The windows that are compared with what happened: milliseconds.
const SPANS: [i64; 4] = [10_000, HOUR, DAY, 90 * DAY];
const COUNTS: [Count; 4] = [Count::Occurrences, Count::Total, Count::Increase, Count::Distinct];
/// Different numbers that are drawn.
const NUMBERS: i32 = 400;

fn each_count(span: i64) -> [Measured; 4] {
    COUNTS.map(|count| window(span as f64 / 1e3, count))
}

/// All that happened, each observation by itself.
#[derive(Default)]
struct History {
    last: Option<f64>,
    /// When, the number, and what a counter rose by.
    seen: Vec<(i64, f64, f64)>,
}

impl History {
    fn add(&mut self, now: i64, x: f64) {
        let rise = match self.last {
            None => 0.0,
            Some(last) if x < last => x,
            Some(last) => x - last,
        };
        self.last = Some(x);
        self.seen.push((now, x, rise));
    }

    fn after(&self, from: i64) -> impl Iterator<Item = &(i64, f64, f64)> {
        self.seen.iter().filter(move |(at, ..)| *at > from)
    }

    fn occurrences(&self, from: i64) -> f64 {
        self.after(from).count() as f64
    }

    fn total(&self, from: i64) -> f64 {
        self.after(from).map(|(_, x, _)| x).sum()
    }

    fn magnitude(&self, from: i64) -> f64 {
        self.after(from).map(|(_, x, _)| x.abs()).sum()
    }

    fn increase(&self, from: i64) -> f64 {
        self.after(from).map(|(.., rise)| rise).sum()
    }

    fn distinct(&self, from: i64) -> usize {
        self.after(from).map(|(_, x, _)| x.to_bits()).collect::<BTreeSet<_>>().len()
    }

    /// Linear counting, over as many cells as the documentation says.
    fn estimate(&self, from: i64, house: &House) -> f64 {
        let cell = |x: &f64| house.cache.seen_value(Value::Number(*x)).unwrap().hash >> 8 & 511;
        let hit: BTreeSet<u32> = self.after(from).map(|(_, x, _)| cell(x)).collect();
        (-512.0 * ((512 - hit.len()) as f64 / 512.0).ln()).round()
    }
}

/// A counter's next value: it rises by a little, or starts anew.
fn next(counter: f64, rise: u8, anew: bool) -> f64 {
    let x = if anew { f64::from(rise) } else { counter + f64::from(rise) };
    if x < f64::from(NUMBERS) { x } else { 0.0 }
}

/// Values are told apart by 24 bits while they are few: of those that are drawn no two
/// have the same, so that counts of them are exact in each draw.
#[test]
fn the_numbers_that_are_drawn_are_told_apart() {
    let house = house(&[]);
    let short = |n: i32| house.cache.seen_value(Value::Number(f64::from(n))).unwrap().hash >> 8;
    let all: BTreeSet<u32> = (1 - NUMBERS..NUMBERS).map(short).collect();
    assert_eq!(all.len(), 2 * NUMBERS as usize - 1);
}

proptest! {
    /// Up to 32 observations in the window: exactly what is in it, at each moment.
    #[test]
    fn few_observations_are_counted_exactly(
        span in prop::sample::select(&SPANS[..]),
        steps in prop::collection::vec((0i64..100, 0u8..5, prop::bool::weighted(0.1)), 1..80),
        wait in 0i64..1500,
    ) {
        let mut house = house(&each_count(span));
        let (mut now, mut counter, mut history) = (0, 0.0, History::default());
        let exact = |house: &House, history: &History, now: i64| {
            let from = now - span;
            let distinct = history.distinct(from) as f64;
            let expected =
                [history.occurrences(from), history.total(from), history.increase(from), distinct];
            let told: [Option<f64>; 4] = std::array::from_fn(|n| house.window(n as u16));
            prop_assert_eq!(told, expected.map(Some), "{:?} at {}", COUNTS, now);
            Ok(())
        };
        for (thousandths, rise, anew) in steps {
            // Not to the very thousandth, so that ends of windows are met from both sides.
            now += span / 1000 * thousandths + thousandths % 3;
            if history.occurrences(now - span) as usize == EXACT {
                continue;
            }
            counter = next(counter, rise, anew);
            house.saw("u1", Value::Number(counter), now);
            history.add(now, counter);
            exact(&house, &history, now)?;
        }
        // To a moment before and at which the earliest leaves, and some time later.
        let earliest = history.after(now - span).next().map(|(at, ..)| at + span);
        let later = now + span / 1000 * wait;
        for moment in earliest.into_iter().flat_map(|end| [end - 1, end]).chain([later]) {
            if moment >= now {
                now = moment;
                house.learner.advance(at(now));
                exact(&house, &history, now)?;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// More: never too little, and too much by at most what one part holds. A sum of
    /// values of both signs is off by at most that.
    #[test]
    fn many_observations_are_counted_within_a_part(
        span in prop::sample::select(&SPANS[..]),
        steps in prop::collection::vec((0i64..8, 0u8..5, prop::bool::weighted(0.02)), 100..300),
        signs in prop::sample::select(&[[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]][..]),
        wait in 0i64..1500,
    ) {
        let mut house = house(&each_count(span));
        let (mut now, mut counter, mut history) = (0, 0.0, History::default());
        let mut is_estimated = false;
        let is_counter = signs == [1.0, 1.0];
        let part = (span as u64).div_ceil(PARTS) as i64;
        let within = |house: &House, history: &History, is_estimated: bool, now: i64| {
            let (all, most) = (now - span, now - span - part);
            let told = |n| house.window(n).unwrap();
            let between = |n: u16, least: f64, most: f64| {
                let told = told(n);
                let count = COUNTS[n as usize];
                prop_assert!(told >= least, "{:?}: {} < {} at {}", count, told, least, now);
                prop_assert!(told <= most, "{:?}: {} > {} at {}", count, told, most, now);
                Ok(())
            };
            between(0, history.occurrences(all), history.occurrences(most))?;
            let off = (told(1) - history.total(all)).abs();
            prop_assert!(off <= history.magnitude(most) - history.magnitude(all), "{}", off);
            if signs[0] == signs[1] {
                prop_assert!(told(1).abs() >= history.magnitude(all), "{} too small", told(1));
            }
            if is_counter {
                between(2, history.increase(all), history.increase(most))?;
            }
            if is_estimated {
                between(3, history.estimate(all, house), history.estimate(most, house))?;
            } else {
                prop_assert_eq!(told(3), history.distinct(all) as f64);
            }
            Ok(())
        };
        for (n, (thousandths, rise, anew)) in steps.into_iter().enumerate() {
            now += span / 1000 * thousandths + thousandths % 3;
            counter = next(counter, rise, anew);
            let x = counter * signs[n % 2] + 0.0; // no negative zero
            house.saw("u1", Value::Number(x), now);
            history.add(now, x);
            // Once there are more than 32, their number is estimated.
            is_estimated |= history.distinct(now - span) > EXACT;
            within(&house, &history, is_estimated, now)?;
        }
        now += span / 1000 * wait;
        house.learner.advance(at(now));
        within(&house, &history, is_estimated, now)?;
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
fn a_hundred_thousand_different_values_are_bounded() {
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

/// Ten seconds have no whole thirty-second.
#[test]
fn no_value_leaves_before_its_window_does() {
    let mut house = house(&[window(10.0, Count::Distinct)]);
    // In the last millisecond of a part, which is the first to leave.
    let part = 313;
    let start = part - ((START - 1_577_836_800_000) % part) - 1 + part;
    for n in 0..40 {
        house.saw("u1", Value::Number(f64::from(n)), start);
    }
    let told = house.window(0).unwrap();
    house.learner.advance(at(start + 9_999));
    assert_eq!(house.window(0), Some(told), "all of them are within ten seconds");
}
