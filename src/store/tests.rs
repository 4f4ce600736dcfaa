mod forgotten;
mod heard;
mod links;
mod unread;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use super::batch::Batch;
use super::checkpoint::{self, Pace};
use super::shelf::Room;
use super::{Shelf, State, Store, codec};
use crate::learn::{Bounds, Learner};
use crate::model::{
    EntityKind, Measure, MeasureId, Measured, Plan, Quantiles, SignalId, SignalType, Timestamp,
    Value, Vocabulary,
};
use crate::signals::{Cache, Held, Limits, Observation, Secrets, Seen, SeenContext};

struct House {
    vocabulary: Arc<Vocabulary>,
    cache: Cache,
    store: Store,
}

fn house(folder: &Path) -> House {
    let vocabulary = Arc::new(Vocabulary::new());
    let cache = Cache::new(Limits::default(), Secrets::random().unwrap()).journaled();
    let store = Store::open(folder, Arc::clone(&vocabulary)).unwrap();
    House { vocabulary, cache, store }
}

/// One with what is kept in `folder`.
fn loaded(folder: &Path) -> House {
    let house = house(folder);
    house.user();
    house.load();
    house
}

/// Writes what waits, as the last round does.
fn write(store: &Store, cache: &Cache, plan: &Arc<Plan>) {
    let (stop, stopped) = channel();
    drop(stop);
    store.run(cache, || Some(Arc::clone(plan)), &stopped);
}

/// Somebody who is kept in `folder`.
fn kept(folder: &Path) {
    let first = house(folder);
    first.set("ann", 1.0);
    first.close();
}

impl House {
    fn user(&self) -> (EntityKind, SignalId) {
        let kind = self.vocabulary.kind("user").unwrap();
        (kind, self.vocabulary.signal(kind, "x", SignalType::Number).unwrap())
    }

    fn set(&self, id: &str, x: f64) {
        let ((kind, signal), now) = (self.user(), Timestamp::now());
        let set = self.cache.update(kind, id, now, |r| r.set(signal, now, Value::Number(x)));
        assert!(set.unwrap().1.is_some());
    }

    fn number(&self, id: &str) -> Option<f64> {
        let (kind, signal) = self.user();
        self.cache.read(kind, id)?.record()?.signal(signal)?.value.as_number()
    }

    fn load(&self) {
        self.store.load(&self.cache, &Plan::default()).unwrap();
    }

    /// Writes what there is, and is over then.
    fn close(self) -> State {
        write(&self.store, &self.cache, &Arc::default());
        self.store.state(&self.cache)
    }
}

#[test]
fn more_changes_than_notes_are_kept_of_are_found_by_comparing_all() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path());
    for n in 0..2000 {
        first.set(&format!("same{n}"), f64::from(n));
    }
    first.set("gone", 1.0);
    first.set("stays", 2.0);
    let state = first.close();
    assert_eq!((state.checkpoints, state.written), (0, 2002));

    let second = loaded(folder.path());
    let (kind, _) = second.user();
    assert!(second.cache.forget(kind, "gone"));
    for x in 0..10_000 {
        second.set("busy", f64::from(x));
    }
    second.set("same7", 8.0);
    let state = second.close();
    assert_eq!((state.checkpoints, state.written), (1, 3), "what is the same is not written");

    let third = loaded(folder.path());
    let found = ["gone", "stays", "busy", "same6", "same7"].map(|id| third.number(id));
    assert_eq!(found, [None, Some(2.0), Some(9999.0), Some(6.0), Some(8.0)]);
    assert_eq!(third.cache.stats().entities, 2002);
}

#[test]
fn what_changes_while_all_is_compared_is_kept_as_it_is_at_last() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path());
    let ids: Vec<String> = (0..5000).map(|n| format!("u{n}")).collect();
    for id in &ids {
        first.set(id, 0.0);
    }
    first.close();

    let second = loaded(folder.path());
    let (kind, _) = second.user();
    for x in 0..10_000 {
        second.set("busy", f64::from(x));
    }
    let (stop, stopped) = channel();
    std::thread::scope(|scope| {
        let second = &second;
        scope.spawn(move || second.store.run(&second.cache, || Some(Arc::default()), &stopped));
        // The same again and again, so that what was just compared changes.
        for x in 1..=20 {
            for id in &ids {
                second.set(id, f64::from(x));
            }
            second.cache.forget(kind, &format!("u{x}"));
            second.set(&format!("new{x}"), f64::from(x));
        }
        drop(stop);
    });
    assert!(second.store.state(&second.cache).checkpoints >= 1);
    let numbers: Vec<Option<f64>> = ids.iter().map(|id| second.number(id)).collect();
    let entities = second.cache.stats().entities;
    drop(second);

    let third = loaded(folder.path());
    for (id, number) in ids.iter().zip(numbers) {
        assert_eq!(third.number(id), number, "{id}");
    }
    let found = ["u19", "u20", "u21", "new20"].map(|id| third.number(id));
    assert_eq!(found, [Some(20.0), None, Some(20.0), Some(20.0)]);
    assert_eq!(third.cache.stats().entities, entities);
}

/// Tables grow, and are replaced, while the comparison goes through them.
#[test]
fn what_was_written_while_all_is_compared_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path());
    let (kind, _) = house.user();
    let id = |n: u32| format!("u{n}");
    for n in 0..3000 {
        house.set(&id(n), 0.0);
    }
    let (_stop, stopped) = channel();
    let (store, mut pace) = (&house.store, Pace::new(&house.store, &stopped));
    let disk = store.disk.read();
    let disk = disk.as_ref().unwrap();
    let mut rounds = 0;
    let mut meanwhile = || {
        rounds += 1;
        if rounds > 4 {
            return Ok(());
        }
        let mut batch = Batch::new(store, disk);
        // New ones first: what was there is then written into new tables.
        for n in (0..3000 + rounds * 6000).rev() {
            if n % 50 == rounds {
                house.cache.forget(kind, &id(n));
            } else {
                house.set(&id(n), f64::from(rounds));
            }
            let held = house.cache.read(kind, &id(n));
            batch.put(kind, &id(n), held.as_ref().and_then(Held::record), Timestamp::now())?;
        }
        batch.commit()
    };
    checkpoint::run(store, &house.cache, disk, &mut pace, &mut meanwhile).unwrap();
    assert!(rounds > 1, "{rounds}");
    for n in 0..3000 {
        let number = store.names.lock().kind(kind, &store.vocabulary).unwrap();
        let kept = disk.entities.get(codec::key(number, &id(n))).unwrap();
        let (now, held) = (Timestamp::now(), house.cache.read(kind, &id(n)));
        let held = held.as_ref().and_then(Held::record);
        let expected = held.and_then(|record| Batch::new(store, disk).encoded(record, now));
        let both = kept.as_deref().zip(expected.as_deref());
        assert_eq!(kept.is_some(), expected.is_some(), "{n}");
        assert!(both.is_none_or(|(kept, expected)| codec::same(kept, expected)), "{n}");
    }
}

#[test]
fn what_is_to_be_forgotten_is_so_though_too_much_has_changed_to_note() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path());
    let (kind, _) = house.user();
    let key = {
        let disk = house.store.disk.read();
        let disk = disk.as_ref().unwrap();
        let mut batch = Batch::new(&house.store, disk);
        let key = batch.key(kind, "gone").unwrap();
        batch.commit().unwrap();
        house.store.set_aside(disk, Room::Links, &[(key.clone(), vec![9; 9])]).unwrap();
        key
    };
    assert_eq!(house.store.state(&house.cache).aside, 1);
    house.cache.forget_for_good(kind, "gone");
    for x in 0..2 {
        for n in 0..10_000 {
            house.set(&format!("busy{x}"), f64::from(n));
            house.set("gone", f64::from(n));
        }
    }
    let state = house.close();
    assert_eq!((state.checkpoints, state.aside), (1, 0), "{key:?}");
}

#[test]
fn a_kind_that_comes_to_be_known_while_all_is_compared_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path());

    let second = house(folder.path());
    second.load();
    // Named, and heard of, after what is kept was looked through.
    let (kind, _) = second.user();
    let (z, now) =
        (second.vocabulary.signal(kind, "z", SignalType::Bool).unwrap(), Timestamp::now());
    second.cache.update(kind, "ann", now, |r| r.set(z, now, Value::Bool(true))).unwrap();
    let (_stop, stopped) = channel();
    let (store, mut pace) = (&second.store, Pace::new(&second.store, &stopped));
    let disk = store.disk.read();
    checkpoint::run(store, &second.cache, disk.as_ref().unwrap(), &mut pace, &mut || Ok(()))
        .unwrap();
    drop(disk);
    assert_eq!(store.state(&second.cache).written, 0);
    second.close();

    let third = loaded(folder.path());
    assert_eq!(third.number("ann"), Some(1.0));
}

#[test]
fn a_kind_is_loaded_when_the_catalog_comes_to_know_it() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path());

    let second = house(folder.path());
    let other = second.vocabulary.kind("other").unwrap();
    let signal = second.vocabulary.signal(other, "y", SignalType::Bool).unwrap();
    second.load();
    assert_eq!(second.cache.stats().entities, 0);
    let now = Timestamp::now();
    second.cache.update(other, "o", now, |r| r.set(signal, now, Value::Bool(true))).unwrap();
    // Known from here on, and heard of before it is loaded.
    second.user();
    let (kind, later) = second.user();
    let z = second.vocabulary.signal(kind, "z", SignalType::Number).unwrap();
    second.cache.update(kind, "ann", now, |r| r.set(z, now, Value::Number(3.0))).unwrap();
    second.close();

    let third = loaded(folder.path());
    assert_eq!((third.number("ann"), later.0), (Some(1.0), 1));
    let held = third.cache.read(third.user().0, "ann").unwrap();
    assert_eq!(held.record().unwrap().cells().len(), 2);
}

#[test]
fn what_was_reported_since_is_not_overwritten_by_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path());
    let second = house(folder.path());
    second.set("ann", 2.0);
    second.load();
    assert_eq!(second.number("ann"), Some(2.0));
}

/// Lives of a learner that measures one thing, each with the store of the one before.
struct Lives {
    folder: tempfile::TempDir,
    name: &'static str,
    of: fn(SignalId) -> Measured,
}

/// A life: what there is to learn with, and what came of it.
struct Life<'l> {
    kind: EntityKind,
    signal: SignalId,
    measure: MeasureId,
    cache: &'l Cache,
    learner: &'l mut Learner,
}

impl Lives {
    /// One without a store, where `kept` says so.
    fn live<R>(&self, kept: bool, live: impl FnOnce(Life<'_>) -> R) -> R {
        let vocabulary = Arc::new(Vocabulary::new());
        let open = || Arc::new(Store::open(self.folder.path(), Arc::clone(&vocabulary)).unwrap());
        let store = kept.then(open);
        let kind = vocabulary.kind("user").unwrap();
        let signal = vocabulary.signal(kind, "x", SignalType::Number).unwrap();
        let id = vocabulary.measure(self.name).unwrap();
        let measure = Measure { id, kind, name: self.name.into(), of: (self.of)(signal) };
        let cache = Arc::new(Cache::new(Limits::default(), Secrets::of_keys([1; 16], [2; 16])));
        let mut learner = Learner::new(Arc::clone(&cache), Bounds::default(), 1);
        if let Some(store) = &store {
            learner.keep_on(Box::new(Shelf(Arc::clone(store))));
        }
        learner.follow(Arc::new(Plan::new(vec![measure])));
        let life = Life { kind, signal, measure: id, cache: &cache, learner: &mut learner };
        let said = live(life);
        learner.keep_at_once();
        drop(learner);
        if let Some(store) = store {
            let journal = Cache::new(Limits::default(), Secrets::of_keys([1; 16], [2; 16]));
            write(&store, &journal.journaled(), &Arc::default());
        }
        said
    }
}

fn hours(n: u32) -> Timestamp {
    Timestamp::from_millis(1_780_272_000_000 + i64::from(n) * 3_600_000)
}

#[test]
fn what_all_come_from_and_with_is_as_it_was_after_a_restart() {
    let of = |_| Measured::Context { half_life: 2_592_000.0 };
    let lives = Lives { folder: tempfile::tempdir().unwrap(), name: "context(user)", of };
    // Who came, and what is said of the first of them then.
    let came = |came: std::ops::Range<u32>| {
        move |life: Life<'_>| {
            for n in came.clone() {
                let context = SeenContext(std::array::from_fn(|level| {
                    (n % 5 + 1) * 77_777 + level as u32 * 1_000_003
                }));
                let seen = Seen::Presence { place: None, context };
                let id = format!("u{}", n % 5).into();
                life.learner.observe(&Observation { kind: life.kind, id, at: hours(n * 2), seen });
            }
            life.learner.advance(hours(came.end * 2));
            let held = life.cache.read(life.kind, "u0").unwrap();
            let item = held.record().unwrap().summary(life.measure).unwrap();
            let knows = life.cache.priors().knows_contexts(life.measure);
            (item.lift(77_777).unwrap(), item.seen(0), knows)
        }
    };
    lives.live(true, came(0..40));
    let kept = lives.live(true, came(40..46));
    let never_restarted = lives.live(false, came(0..46));
    assert_eq!(kept, never_restarted);
    assert!(kept.2 && kept.0 > 4.0, "{kept:?}");
    assert!(kept != lives.live(false, came(40..46)), "something was kept");
}

#[test]
fn how_numbers_are_spread_is_as_it_was_after_a_restart() {
    let of = |signal| Measured::Quantiles { signal, quantiles: Quantiles { half_life: 1e6 } };
    let lives = Lives { folder: tempfile::tempdir().unwrap(), name: "quantiles(user.x)", of };
    // Of somebody, and of all; more than there are marks of either.
    let came = |came: std::ops::Range<u32>| {
        move |life: Life<'_>| {
            for n in came.clone() {
                let x = f64::from(n * 7919 % 1009).powi(2);
                let value = life.cache.seen_value(Value::Number(x)).unwrap();
                let seen = Seen::Value { signal: life.signal, value };
                let id = format!("u{}", n % 20).into();
                life.learner.advance(hours(n));
                life.learner.observe(&Observation { kind: life.kind, id, at: hours(n), seen });
            }
            let held = life.cache.read(life.kind, "u0").unwrap();
            let own = held.record().unwrap().summary(life.measure).unwrap().grid();
            (own, life.cache.priors().grid(life.measure))
        }
    };
    lives.live(true, came(0..901));
    let kept = lives.live(true, came(901..1001));
    assert_eq!(kept, lives.live(false, came(0..1001)));
    assert!(kept.1.is_some(), "{kept:?}");
    assert!(kept != lives.live(false, came(901..1001)), "something was kept");
}
