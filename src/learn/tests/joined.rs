//! Who is new to a value, against an oracle: all that was ever seen, looked through anew.

use proptest::prelude::*;

use super::links::{DEVICE, DEVICE_ID, House, KEY, house_of, plan};
use super::support::{DAY, HOUR, USER};
use crate::learn::LinkBounds;
use crate::model::{EntityKind, Linked, MeasureId, Sharers};

const FORGET: i64 = 400 * DAY;
const SECOND: i64 = 1000;
const WINDOWS: [i64; 6] = [10 * SECOND, 60 * SECOND, 3 * HOUR, DAY, 30 * DAY, 365 * DAY];
/// The measures that count who was seen.
const SEEN: u16 = 2 * WINDOWS.len() as u16;

/// A house that is asked who is new in each window, of a key (0, ...) and of a device (6, ...),
/// and who was seen (12 and 13).
fn house() -> House {
    let counted = |identifier: MeasureId, who, window: i64| Linked::Shared {
        identifier,
        who,
        window: window as f64 / 1e3,
    };
    let mut measures: Vec<(EntityKind, Linked)> = Vec::new();
    for (kind, identifier) in [(USER, KEY), (DEVICE, DEVICE_ID)] {
        measures.extend(WINDOWS.map(|window| (kind, counted(identifier, Sharers::Joined, window))));
    }
    measures.push((USER, counted(KEY, Sharers::Seen, 3 * HOUR)));
    measures.push((DEVICE, counted(DEVICE_ID, Sharers::Seen, 30 * DAY)));
    let mut plan = plan(8, &measures);
    for identifier in &mut plan.links.identifiers {
        identifier.forget_after = FORGET as f64 / 1e3;
    }
    house_of(plan, LinkBounds::default())
}

/// A value: whether it is a device, and which.
type Thing = (bool, u8);

/// All that was seen.
#[derive(Default)]
struct History(Vec<(u8, Thing, i64)>);

impl History {
    fn times(&self, user: u8, of: Thing) -> Vec<i64> {
        let own = self.0.iter().filter(|(who, thing, _)| *who == user && *thing == of);
        let mut times: Vec<i64> = own.map(|(_, _, at)| *at).collect();
        times.sort_unstable();
        times
    }

    /// Since when somebody has a value now: since they were seen with it and not forgotten.
    fn since(&self, user: u8, of: Thing, now: i64) -> Option<i64> {
        let times = self.times(user, of);
        let last = *times.last()?;
        let stay = times.chunk_by(|before, after| before + FORGET > *after).last()?;
        (last + FORGET > now).then_some(stay[0])
    }

    /// The key that somebody was seen with last, where there is one such.
    fn latest(&self, user: u8, now: i64) -> Option<Thing> {
        let keys = (0..7).map(|key| (false, key));
        let keys = keys.filter(|key| self.since(user, *key, now).is_some());
        let mut last: Vec<_> =
            keys.map(|key| (*self.times(user, key).last().unwrap(), key)).collect();
        last.sort_unstable();
        match last[..] {
            [.., (before, _), (last, _)] if before == last => None,
            [.., (_, key)] => Some(key),
            [] => None,
        }
    }

    fn joined(&self, of: Thing, window: i64, now: i64) -> f64 {
        let since = (0..USERS).filter_map(|user| self.since(user, of, now));
        since.filter(|since| since + window > now).count() as f64
    }
}

const USERS: u8 = 12;

fn check(house: &mut House, history: &History, now: i64) -> Result<(), TestCaseError> {
    house.settle(now);
    for (at, window) in WINDOWS.into_iter().enumerate() {
        let measure = at as u16;
        for user in 0..USERS {
            let Some(key) = history.latest(user, now) else { continue };
            let told = house.told(USER, &format!("u{user}"), measure);
            let oracle = history.joined(key, window, now);
            prop_assert_eq!(told, Some(oracle), "u{} with {:?} in {} ms", user, key, window);
        }
        for device in 0..5 {
            let told = house.told(DEVICE, &format!("d{device}"), WINDOWS.len() as u16 + measure);
            let oracle = history.joined((true, device), window, now);
            // A device that nobody ever came with has no record.
            prop_assert_eq!(told.unwrap_or(0.0), oracle, "d{} in {} ms", device, window);
        }
    }
    Ok(())
}

/// Gaps as long as each of the windows, and a little more or less.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0i64..20,
        3 => 0i64..7200,
        2 => 0i64..40 * 86_400,
        1 => 0i64..450 * 86_400,
    ]
}

fn step() -> impl Strategy<Value = (i64, i64, u8, Thing)> {
    let late = prop_oneof![3 => Just(0i64), 1 => 0i64..100_000];
    let thing = prop_oneof![(Just(false), 0u8..7), (Just(true), 0u8..5)];
    (gap(), late, 0..USERS, thing)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn who_is_new_is_who_the_whole_history_says(
        steps in prop::collection::vec(step(), 1..60),
        waits in prop::collection::vec(gap(), 1..5),
    ) {
        let (mut house, mut history, mut now) = (house(), History::default(), 0);
        for (n, (gap, late, user, thing)) in steps.into_iter().enumerate() {
            now += gap * SECOND;
            // What is late comes before the link it tells of was to be forgotten.
            let forgotten = history.times(user, thing).last().map_or(0, |last| last + FORGET);
            let late = if forgotten <= now { 0 } else { late };
            let at = now - late * SECOND;
            match thing {
                (false, key) => house.key(&format!("u{user}"), &format!("k{key}"), at),
                (true, device) => house.device(&format!("u{user}"), &format!("d{device}"), at),
            }
            history.0.push((user, thing, at));
            // Time goes on now and then only: what is due may be met by what comes first.
            if n % 7 == 6 {
                check(&mut house, &history, now)?;
            }
        }
        for wait in waits {
            check(&mut house, &history, now)?;
            now += wait * SECOND;
        }
        check(&mut house, &history, now)?;
    }
}

fn told(house: &House, user: &str, window: i64) -> f64 {
    let at = WINDOWS.into_iter().position(|of| of == window).unwrap();
    house.told(USER, user, at as u16).unwrap()
}

#[test]
fn who_has_been_there_for_long_is_not_new_and_becomes_so_once_forgotten() {
    let mut house = house();
    for month in 0..5 {
        for user in ["ann", "bob"] {
            house.key(user, "home", month * 29 * DAY);
        }
        house.settle(month * 29 * DAY);
    }
    let now = 4 * 29 * DAY;
    assert_eq!(told(&house, "ann", 30 * DAY), 0.0);
    assert_eq!(house.told(USER, "ann", SEEN), Some(2.0));
    house.key("eve", "home", now);
    house.settle(now);
    for user in ["ann", "bob", "eve"] {
        assert_eq!(told(&house, user, 30 * DAY), 1.0);
        assert_eq!(told(&house, user, 365 * DAY), 3.0);
    }
    let later = now + FORGET;
    house.settle(later);
    assert_eq!(told(&house, "eve", 365 * DAY), 0.0);
    house.key("bob", "home", later);
    house.settle(later);
    assert_eq!(told(&house, "bob", 10 * SECOND), 1.0);
    assert_eq!(told(&house, "bob", 365 * DAY), 1.0);
}

/// More than are told apart: of whom it isn't known, it isn't said that they are new.
#[test]
fn those_who_take_turns_at_a_crowded_value_are_not_new() {
    let mut house = house();
    for n in 0..300 {
        house.key(&format!("u{}", n % 100), "tower", n * DAY);
    }
    house.settle(300 * DAY);
    assert_eq!(house.told(USER, "u99", SEEN), Some(0.0));
    assert_eq!(told(&house, "u99", 30 * DAY), 0.0);
    // Each of them is known to have come within the year, no more.
    assert_eq!(told(&house, "u99", 365 * DAY), 64.0);
}

#[test]
fn more_new_ones_than_are_told_apart_are_as_many_as_can_be() {
    let mut house = house();
    for n in 0..200 {
        house.key(&format!("u{n}"), "drop", n * HOUR / 10);
    }
    house.settle(20 * HOUR);
    assert_eq!(told(&house, "u199", 30 * DAY), 64.0);
    assert_eq!(told(&house, "u199", DAY), 64.0);
    house.settle(10 * DAY);
    assert_eq!((told(&house, "u199", DAY), told(&house, "u199", 30 * DAY)), (0.0, 64.0));
    house.settle(31 * DAY);
    assert_eq!(told(&house, "u199", 30 * DAY), 0.0);
}
