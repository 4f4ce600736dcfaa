//! Links against an oracle: the whole history kept, and the graph made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::support::{HOUR, SIGNAL, USER, at};
use crate::learn::{Bounds, Learner, LinkBounds, LinksHeld};
use crate::model::{
    EntityKind, Identifier, IdentifierOf, LinkMeasure, LinkPlan, Linked, MeasureId, Plan, Sharers,
    Value,
};
use crate::signals::{Cache, Label, Limits, Observation, Secrets, Seen};

pub(super) const DEVICE: EntityKind = EntityKind(1);
pub(super) const KEY: MeasureId = MeasureId(100);
pub(super) const DEVICE_ID: MeasureId = MeasureId(101);
/// Seconds.
const HOUR_S: f64 = 3600.0;

pub(super) struct House {
    pub(super) cache: Arc<Cache>,
    pub(super) learner: Learner,
}

fn shared(identifier: MeasureId, window: f64) -> Linked {
    Linked::Shared { identifier, who: Sharers::Seen, window }
}

pub(super) fn plan(hub: u8, measures: &[(EntityKind, Linked)]) -> Plan {
    let of = |id, name: &str, of| Identifier {
        id,
        name: name.into(),
        of,
        links: USER,
        hub,
        forget_after: 10.0 * HOUR_S,
    };
    let measure = |(n, (kind, of)): (usize, &(EntityKind, Linked))| LinkMeasure {
        id: MeasureId(n as u16),
        kind: *kind,
        of: *of,
    };
    let links = LinkPlan {
        identifiers: vec![
            of(KEY, "user.key", IdentifierOf::Signal(SIGNAL)),
            of(DEVICE_ID, "device.id", IdentifierOf::Own(DEVICE)),
        ],
        measures: measures.iter().enumerate().map(measure).collect(),
    };
    let mut plan = Plan::default();
    plan.links = links;
    plan
}

pub(super) fn house(hub: u8, bounds: LinkBounds, measures: &[(EntityKind, Linked)]) -> House {
    house_of(plan(hub, measures), bounds)
}

pub(super) fn house_of(plan: Plan, bounds: LinkBounds) -> House {
    let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
    let bounds = Bounds { links: bounds, ..Bounds::default() };
    let mut learner = Learner::new(Arc::clone(&cache), bounds, 1);
    learner.follow(Arc::new(plan));
    House { cache, learner }
}

impl House {
    pub(super) fn key(&mut self, user: &str, key: &str, millis: i64) {
        let value = self.cache.seen_value(Value::Text(key)).unwrap();
        self.take(user, Seen::Value { signal: SIGNAL, value }, millis);
    }

    pub(super) fn device(&mut self, user: &str, device: &str, millis: i64) {
        self.take(user, Seen::With { kind: DEVICE, id: device.into() }, millis);
    }

    fn take(&mut self, user: &str, seen: Seen, millis: i64) {
        self.learner.observe(&Observation { kind: USER, id: user.into(), at: at(millis), seen });
    }

    pub(super) fn label(&mut self, user: &str, bad: bool, millis: i64) {
        self.learner.label(&Label { kind: USER, id: user.into(), bad, at: at(millis) });
    }

    pub(super) fn settle(&mut self, millis: i64) {
        self.learner.advance(at(millis));
        for _ in 0..1000 {
            if self.learner.is_settled() {
                break;
            }
            self.learner.advance(at(millis));
        }
        assert!(self.learner.is_settled());
        self.learner.advance(at(millis));
    }

    pub(super) fn told(&self, kind: EntityKind, id: &str, measure: u16) -> Option<f64> {
        let held = self.cache.read(kind, id)?;
        held.record()?.summary(MeasureId(measure)).map(|item| item.window())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Key(u8, u8),
    Device(u8, u8),
    Label(u8, bool),
}

fn step() -> impl Strategy<Value = (i64, Step)> {
    let step = prop_oneof![
        4 => (0u8..24, 0u8..14).prop_map(|(user, key)| Step::Key(user, key)),
        3 => (0u8..24, 0u8..14).prop_map(|(user, device)| Step::Device(user, device)),
        1 => (0u8..24, any::<bool>()).prop_map(|(user, bad)| Step::Label(user, bad)),
    ];
    // What comes in the second of a label still counts.
    (1000i64..HOUR, step)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_told_is_what_the_whole_history_says(
        steps in prop::collection::vec(step(), 1..70), hub in 2u8..5, wait in 0i64..14 * HOUR,
    ) {
        const MOST: usize = 6;
        // Few at a time, so that what is left over is taken up again.
        let bounds = LinkBounds { max_cluster: MOST, work: 7, ..LinkBounds::default() };
        let mut house = house(hub, bounds, &[
            (USER, shared(KEY, 3.0 * HOUR_S)),
            (DEVICE, shared(DEVICE_ID, 5.0 * HOUR_S)),
            (USER, Linked::Distance { depth: 8 }),
            (USER, Linked::Distance { depth: 2 }),
            (USER, Linked::Cluster),
        ]);
        let mut now = 0;
        // (user, value) -> when last
        let mut seen: BTreeMap<(u8, (bool, u8)), i64> = BTreeMap::new();
        let mut bad = BTreeSet::new();
        for (gap, step) in steps {
            now += gap / 1000 * 1000;
            match step {
                Step::Key(user, key) => {
                    house.key(&format!("u{user}"), &format!("k{key}"), now);
                    if !bad.contains(&user) { seen.insert((user, (true, key)), now); }
                }
                Step::Device(user, device) => {
                    house.device(&format!("u{user}"), &format!("d{device}"), now);
                    if !bad.contains(&user) { seen.insert((user, (false, device)), now); }
                }
                Step::Label(user, fraud) => {
                    house.label(&format!("u{user}"), fraud, now);
                    if fraud { bad.insert(user); } else { bad.remove(&user); }
                }
            }
            house.learner.advance(at(now));
            seen.retain(|_, last| *last + 10 * HOUR > now);
            // As many values of one identifier as an entity keeps.
            for user in 0..24 {
                for of in [true, false] {
                    let mut own: Vec<_> = seen.iter().filter(|((u, v), _)| *u == user && v.0 == of)
                        .map(|(edge, at)| (*at, *edge)).collect();
                    own.sort_unstable();
                    let surplus = own.len().saturating_sub(crate::learn::VALUES);
                    for (_, edge) in own.into_iter().take(surplus) { seen.remove(&edge); }
                }
            }
        }
        now += wait / 1000 * 1000;
        house.settle(now);
        seen.retain(|_, last| *last + 10 * HOUR > now);

        let mut members: BTreeMap<(bool, u8), Vec<(u8, i64)>> = BTreeMap::new();
        for ((user, value), at) in &seen {
            members.entry(*value).or_default().push((*user, *at));
        }
        let near = |user: u8| -> BTreeSet<u8> {
            members.values().filter(|m| m.len() <= usize::from(hub) && m.iter().any(|(u, _)| *u == user))
                .flatten().map(|(u, _)| *u).collect()
        };
        let steps_from = |from: &BTreeSet<u8>| {
            let mut steps: BTreeMap<u8, u32> = from.iter().map(|u| (*u, 0)).collect();
            let mut ring = from.clone();
            for step in 1.. {
                ring = ring.iter().flat_map(|u| near(*u)).filter(|u| !steps.contains_key(u)).collect();
                if ring.is_empty() { break }
                steps.extend(ring.iter().map(|u| (*u, step)));
            }
            steps
        };
        let present: BTreeSet<u8> = seen.keys().map(|(user, _)| *user).collect();
        let fraud = steps_from(&bad.intersection(&present).copied().collect());
        for user in &present {
            let id = format!("u{user}");
            let distance = fraud.get(user).map_or(f64::INFINITY, |s| f64::from(*s));
            let within = |most: f64| if distance <= most { distance } else { f64::INFINITY };
            prop_assert_eq!(house.told(USER, &id, 2), Some(within(8.0)), "distance of {}", id);
            prop_assert_eq!(house.told(USER, &id, 3), Some(within(2.0)));
            let cluster = steps_from(&BTreeSet::from([*user])).len().min(MOST);
            prop_assert_eq!(house.told(USER, &id, 4), Some(cluster as f64), "cluster of {}", id);
            let keys = seen.iter().filter(|((u, v), _)| u == user && v.0);
            let latest = keys.map(|((_, v), at)| (*at, *v)).max();
            let ambiguous = latest.is_some_and(|(last, _)| {
                seen.iter().filter(|((u, v), at)| u == user && v.0 && **at == last).count() > 1
            });
            if let (Some((_, value)), false) = (latest, ambiguous) {
                let inside = members[&value].iter().filter(|(_, at)| at + 3 * HOUR > now).count();
                prop_assert_eq!(house.told(USER, &id, 0), Some(inside as f64), "sharers of {}", id);
            }
        }
        for (value, sharing) in members.iter().filter(|(value, _)| !value.0) {
            let inside = sharing.iter().filter(|(_, at)| at + 5 * HOUR > now).count();
            prop_assert_eq!(house.told(DEVICE, &format!("d{}", value.1), 1), Some(inside as f64));
        }
    }
}

/// Who was there before and is back counts for all who share with them.
#[test]
fn somebody_who_comes_back_into_a_window_counts_again() {
    let measures = [(USER, shared(KEY, 3.0 * HOUR_S))];
    let mut house = house(8, LinkBounds::default(), &measures);
    house.key("ann", "home", 0);
    house.key("bob", "home", HOUR);
    house.settle(HOUR);
    assert_eq!(house.told(USER, "ann", 0), Some(2.0));
    house.settle(5 * HOUR);
    assert_eq!(house.told(USER, "ann", 0), Some(0.0));
    house.key("bob", "home", 6 * HOUR);
    house.settle(6 * HOUR);
    assert_eq!(house.told(USER, "ann", 0), Some(1.0));
}

#[test]
fn random_identifiers_grow_nothing_and_drop_no_shared_one() {
    let bounds =
        LinkBounds { max_entities: 500, max_values: 400, max_edges: 600, ..LinkBounds::default() };
    let measures = [(USER, Linked::Distance { depth: 2 }), (USER, Linked::Cluster)];
    let mut house = house(8, bounds, &measures);
    house.key("fraud", "home", 0);
    house.key("mate", "home", 0);
    house.label("fraud", true, 0);
    for n in 0..30_000i64 {
        // Many with random values, and one with many.
        house.key(&format!("random-{n}"), &format!("value-{n}"), n);
        house.device("busy", &format!("device-{n}"), n);
        if n % 1000 == 0 {
            house.settle(n);
        }
    }
    house.settle(30_000);
    let LinksHeld { entities, values, edges, .. } = house.learner.learned().links;
    assert!(entities <= 500 && values <= 400 && edges <= 600, "{entities} {values} {edges}");
    assert_eq!(house.told(USER, "mate", 0), Some(1.0), "a shared value is not crowded out");
    assert!(house.learner.learned().crowded_out == 0);
}

#[test]
fn what_is_asked_later_is_known_then() {
    let distance = (USER, Linked::Distance { depth: 8 });
    let mut house = house(8, LinkBounds::default(), &[distance]);
    for user in ["u1", "u2", "u3"] {
        house.key(user, "home", 0);
    }
    house.settle(0);
    assert_eq!(house.told(USER, "u3", 1), None, "nobody asks");
    house.learner.follow(Arc::new(plan(8, &[distance, (USER, Linked::Cluster)])));
    house.settle(1000);
    assert_eq!(house.told(USER, "u3", 1), Some(3.0));
}

#[test]
fn who_is_seen_again_outlives_who_is_not() {
    let bounds = LinkBounds { max_entities: 10, ..LinkBounds::default() };
    let mut house = house(8, bounds, &[(USER, shared(KEY, 1e6))]);
    for n in 0..100 {
        house.key("regular", "home", n * 1000);
        house.key(&format!("once-{n}"), &format!("value-{n}"), n * 1000);
        house.settle(n * 1000);
    }
    // Of whom it was the turn to go is known by whom somebody joins.
    house.key("mate", "home", 100_000);
    house.settle(100_000);
    assert_eq!(house.told(USER, "mate", 0), Some(2.0));
    assert_eq!(house.learner.learned().links.entities, 10);
}

#[test]
fn a_value_that_too_many_share_counts_and_links_nobody() {
    let measures = [
        (USER, shared(KEY, 5.0 * HOUR_S)),
        (USER, Linked::Distance { depth: 8 }),
        (USER, Linked::Cluster),
    ];
    let mut house = house(3, LinkBounds::default(), &measures);
    house.label("u0", true, 0);
    // Who is labelled was seen before.
    house.label("u0", false, 1);
    for n in 0..3 {
        house.key(&format!("u{n}"), "home", n);
    }
    house.label("u0", true, 10);
    house.settle(10);
    assert_eq!(house.told(USER, "u2", 1), Some(1.0));
    assert_eq!(house.told(USER, "u2", 2), Some(3.0));
    house.key("u3", "home", 20);
    house.settle(20);
    assert_eq!(house.told(USER, "u2", 0), Some(4.0));
    assert_eq!(house.told(USER, "u2", 1), Some(f64::INFINITY), "a hub links nobody");
    assert_eq!(house.told(USER, "u2", 2), Some(1.0));
    for n in 4..100 {
        house.key(&format!("u{n}"), "home", 20 + n);
    }
    house.settle(200);
    assert_eq!(house.told(USER, "u99", 0), Some(64.0), "so many are told apart");
    house.settle(6 * HOUR);
    assert_eq!(house.told(USER, "u99", 0), Some(0.0), "nobody came within the window");
}
