//! Links and labels of a learner that is stopped and goes on in another process: nothing
//! tells it from one that was never stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use crate::learn::{Bounds, Learner, Shelf as _};
use crate::model::{
    EntityKind, Identifier, IdentifierOf, LinkMeasure, LinkPlan, Linked, MeasureId, Plan, Sharers,
    SignalId, SignalType, Timestamp, Value, Vocabulary,
};
use crate::signals::{Asked, Cache, Label, Limits, Observation, Secrets, Seen};
use crate::store::{Shelf, Store};

const HOUR: i64 = 3_600_000;
/// 2026-06-01T00:00:00Z.
const START: i64 = 1_780_272_000_000;
/// Another process may number kinds, signals and measures otherwise.
const ORDERS: [[&str; 2]; 2] = [["user", "device"], ["device", "user"]];

pub(super) struct House {
    pub(super) cache: Arc<Cache>,
    pub(super) learner: Learner,
    pub(super) store: Option<Arc<Store>>,
    pub(super) user: EntityKind,
    pub(super) device: EntityKind,
    key: SignalId,
    asked: BTreeMap<&'static str, (EntityKind, MeasureId)>,
}

/// A house that goes on from what is kept in `folder`; without one, nothing is kept.
pub(super) fn house(folder: Option<&Path>, order: usize) -> House {
    let vocabulary = Arc::new(Vocabulary::new());
    for name in ORDERS[order] {
        vocabulary.kind(name).unwrap();
    }
    let (user, device) = (vocabulary.kind("user").unwrap(), vocabulary.kind("device").unwrap());
    let key = vocabulary.signal(user, "key", SignalType::Text).unwrap();
    for n in 0..order * 3 {
        vocabulary.measure(&format!("other {n}")).unwrap();
    }
    let identifier = |name: &str, of| Identifier {
        id: vocabulary.measure(name).unwrap(),
        name: name.into(),
        of,
        links: user,
        hub: 4,
        forget_after: 200.0 * 3600.0,
    };
    let identifiers = vec![
        identifier("user.key", IdentifierOf::Signal(key)),
        identifier("device.id", IdentifierOf::Own(device)),
    ];
    let [by_key, by_device] = [identifiers[0].id, identifiers[1].id];
    let shared = |identifier, who, hours| Linked::Shared {
        identifier,
        who,
        window: f64::from(hours) * 3600.0,
    };
    let rate = Linked::FlagRate { window: 150.0 * 3600.0, delay: 3600.0 };
    let mut asked = BTreeMap::new();
    let mut measures = Vec::new();
    for (name, kind, of) in [
        ("key", user, shared(by_key, Sharers::Seen, 100)),
        ("users", device, shared(by_device, Sharers::Seen, 100)),
        ("new_of_key", user, shared(by_key, Sharers::Joined, 60)),
        ("new_users", device, shared(by_device, Sharers::Joined, 30)),
        ("distance", user, Linked::Distance { depth: 8 }),
        ("cluster", user, Linked::Cluster),
        ("user_rate", user, rate),
        ("device_rate", device, rate),
    ] {
        let id = vocabulary.measure(name).unwrap();
        asked.insert(name, (kind, id));
        measures.push(LinkMeasure { id, kind, of });
    }
    let mut plan = Plan::default();
    plan.links = LinkPlan { identifiers, measures };
    let store = folder.map(|folder| Arc::new(Store::open(folder, vocabulary).unwrap()));
    let secrets = Secrets::random().unwrap();
    let secrets = match &store {
        Some(store) => secrets.with_value_key(store.value_key()),
        None => secrets,
    };
    let cache = Arc::new(Cache::new(Limits::default(), secrets).journaled());
    let mut learner = Learner::new(Arc::clone(&cache), Bounds::default(), fastrand::u64(..));
    if let Some(store) = &store {
        store.load(&cache, &plan).unwrap();
        learner.keep_on(Box::new(Shelf(Arc::clone(store))));
    }
    learner.follow(Arc::new(plan));
    House { cache, learner, store, user, device, key, asked }
}

impl House {
    pub(super) fn take(&mut self, step: &Step, now: i64) {
        let at = Timestamp::from_millis(START + now);
        let kind = self.user;
        let id = |user: &u8| format!("u{user}").into_boxed_str();
        let (id, seen) = match step {
            Step::Key(user, key) => {
                let value = self.cache.seen_value(Value::Text(&format!("k{key}"))).unwrap();
                (id(user), Seen::Value { signal: self.key, value })
            }
            Step::Device(user, device) => {
                let device = format!("d{device}").into();
                (id(user), Seen::With { kind: self.device, id: device })
            }
            Step::Label(user, bad) => {
                return self.learner.label(&Label { kind, id: id(user), bad: *bad, at });
            }
            Step::Forget(user) => (id(user), Seen::Forgotten(Asked::default())),
        };
        self.learner.observe(&Observation { kind, id, at, seen });
    }

    pub(super) fn settle(&mut self, now: i64) {
        let now = Timestamp::from_millis(START + now);
        self.learner.advance(now);
        while !self.learner.is_settled() {
            self.learner.advance(now);
        }
        self.learner.advance(now);
    }

    /// Ends as a process does that is told to.
    pub(super) fn close(mut self) {
        self.learner.keep();
        if let Some(store) = &self.store {
            super::write(store, &self.cache, self.learner.plan());
        }
    }

    /// Lets all come back that is kept.
    pub(super) fn restore(&mut self, now: i64) {
        while self.learner.is_restoring() {
            self.learner.advance(Timestamp::from_millis(START + now));
        }
    }

    fn told(&self) -> BTreeMap<String, Option<f64>> {
        let mut told = BTreeMap::new();
        for n in 0..10 {
            for (name, (kind, measure)) in &self.asked {
                let id = if *kind == self.user { format!("u{n}") } else { format!("d{n}") };
                let held = self.cache.read(*kind, &id);
                let of = || held.as_ref()?.record()?.summary(*measure).map(|item| item.window());
                told.insert(format!("{name} of {id}"), of());
            }
        }
        told
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(u8, u8),
    Device(u8, u8),
    Label(u8, bool),
    Forget(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..10, 0u8..5).prop_map(|(user, key)| Step::Key(user, key)),
        6 => (0u8..10, 0u8..5).prop_map(|(user, device)| Step::Device(user, device)),
        3 => (0u8..10, any::<bool>()).prop_map(|(user, bad)| Step::Label(user, bad)),
        1 => (0u8..10).prop_map(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_restart_changes_nothing(
        before in prop::collection::vec(step(), 1..40),
        after in prop::collection::vec(step(), 0..20),
        wait in 0i64..120,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut whole = house(None, 0);
        let mut parted = house(Some(folder.path()), 0);
        let mut now = 0;
        for step in &before {
            now += HOUR;
            whole.take(step, now);
            parted.take(step, now);
        }
        whole.settle(now);
        parted.settle(now);
        prop_assert_eq!(whole.told(), parted.told());
        parted.close();

        let mut parted = house(Some(folder.path()), 1);
        parted.restore(now);
        now += wait * HOUR;
        for step in &after {
            now += HOUR;
            whole.take(step, now);
            parted.take(step, now);
        }
        // A rate is that of the moment at which its events last changed: all change now.
        for device in 0..5 {
            whole.take(&Step::Device(99, device), now);
            parted.take(&Step::Device(99, device), now);
        }
        for house in [&mut whole, &mut parted] {
            house.settle(now);
            house.take(&Step::Label(99, false), now - 2 * HOUR);
            house.settle(now);
        }
        let (whole, parted) = (whole.told(), parted.told());
        for (what, told) in &whole {
            // A user's own rate has the prior of an earlier moment; an event counts for more.
            let off = if what.starts_with("user_rate") { 0.1 } else { 1e-6 };
            let same = match (told, parted[what]) {
                (Some(told), Some(other)) => *told == other || (told - other).abs() < off,
                (told, other) => told.unwrap_or(0.0) == other.unwrap_or(0.0),
            };
            prop_assert!(same, "{what}: {told:?} never stopped, {:?} after a restart", parted[what]);
        }
    }
}

/// An entry of links as it was written before it was kept since when they are.
fn of_old(mut entry: &[u8]) -> Vec<u8> {
    let mut old = Vec::new();
    while !entry.is_empty() {
        let (head, rest) = entry.split_at(6);
        let (tag, rest) = (rest[0], &rest[5..]);
        let len = match tag {
            2 => 8,
            3 => 4 + usize::from(u16::from_le_bytes([rest[2], rest[3]])),
            other => panic!("no value is written as {other}"),
        };
        old.extend([head, &[tag - 2], &rest[..len]].concat());
        entry = &rest[len..];
    }
    old
}

#[test]
fn links_of_an_older_version_are_there_and_of_nobody_new() {
    let folder = tempfile::tempdir().unwrap();
    let told = |house: &House| {
        let told = house.told();
        let of = ["key of u1", "new_of_key of u1", "users of d1", "new_users of d1"];
        of.map(|what| told[what])
    };
    let mut first = house(Some(folder.path()), 0);
    for user in [1, 2, 3] {
        first.take(&Step::Key(user, 1), HOUR);
        first.take(&Step::Device(user, 1), HOUR);
    }
    first.settle(HOUR);
    assert_eq!(told(&first), [Some(3.0); 4]);
    first.close();
    let database = fjall::Database::builder(folder.path()).open().unwrap();
    let links = database.keyspace("links", fjall::KeyspaceCreateOptions::default).unwrap();
    let entries: Vec<_> = links.iter().map(|entry| entry.into_inner().unwrap()).collect();
    assert_eq!(entries.len(), 3);
    for (key, entry) in entries {
        links.insert(key, of_old(&entry)).unwrap();
    }
    database.persist(fjall::PersistMode::SyncAll).unwrap();
    drop((links, database));

    let mut second = house(Some(folder.path()), 1);
    second.restore(2 * HOUR);
    // One of them is seen again, and is kept anew; one comes who wasn't there.
    for user in [1, 4] {
        second.take(&Step::Key(user, 1), 2 * HOUR);
        second.take(&Step::Device(user, 1), 2 * HOUR);
    }
    second.settle(2 * HOUR);
    let expected = [Some(4.0), Some(1.0), Some(4.0), Some(1.0)];
    assert_eq!(told(&second), expected);
    let state = second.store.as_ref().unwrap().state(&second.cache);
    assert_eq!(state.unreadable, 0, "nothing was set aside");
    second.close();

    let mut third = house(Some(folder.path()), 0);
    third.restore(3 * HOUR);
    third.settle(3 * HOUR);
    assert_eq!(told(&third), expected);
}

#[test]
fn labels_of_a_kind_come_back_when_the_catalog_comes_to_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = house(Some(folder.path()), 0);
    first.take(&Step::Label(1, true), HOUR);
    first.close();
    let vocabulary = Arc::new(Vocabulary::new());
    let store = Arc::new(Store::open(folder.path(), Arc::clone(&vocabulary)).unwrap());
    let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
    let mut second = Learner::new(cache, Bounds::default(), 1);
    second.keep_on(Box::new(Shelf(store)));
    second.follow(Arc::default());
    assert_eq!(second.learned().links.labels, 0);
    vocabulary.kind("user").unwrap();
    second.follow(Arc::default());
    assert_eq!(second.learned().links.labels, 1);
}

/// The process ends while those that are kept come back.
#[test]
fn what_was_linked_before_all_came_back_is_kept_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = house(Some(folder.path()), 0);
    first.take(&Step::Key(1, 1), HOUR);
    first.settle(HOUR);
    first.close();
    let mut second = house(Some(folder.path()), 0);
    assert!(second.learner.is_restoring());
    second.take(&Step::Key(1, 2), HOUR);
    second.take(&Step::Key(2, 2), HOUR);
    second.learner.keep_at_once();
    second.close();
    let third = house(Some(folder.path()), 0);
    let store = third.store.as_ref().unwrap();
    let page = Shelf(Arc::clone(store)).links(&[]).unwrap();
    let mut links: Vec<_> = page.entries.iter().map(|(_, id, of)| (&**id, of.len())).collect();
    links.sort_unstable();
    assert_eq!(links, [("u1", 2), ("u2", 1)]);
}
