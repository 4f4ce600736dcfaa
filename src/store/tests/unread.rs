//! A store that can't be read for a while: what is kept is not written over meanwhile.

use std::sync::Arc;
use std::sync::mpsc::channel;

use crate::learn::{Bounds, Learner, Shelf as _};
use crate::model::{
    Count, EntityKind, Measure, Measured, Plan, Quantiles, SignalId, SignalType, Timestamp, Value,
    Vocabulary,
};
use crate::signals::{Cache, Label, Limits, Observation, Secrets, Seen};
use crate::store::disk::Fault;
use crate::store::{Shelf, Store};

struct House {
    store: Arc<Store>,
    cache: Arc<Cache>,
    plan: Arc<Plan>,
    kind: EntityKind,
    signal: SignalId,
    folder: tempfile::TempDir,
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_millis(1_780_272_000_000 + hour * 3_600_000)
}

fn house() -> House {
    house_of(|signal| Measured::Quantiles { signal, quantiles: Quantiles { half_life: 1e6 } })
}

fn house_of(of: impl Fn(SignalId) -> Measured) -> House {
    house_in(tempfile::tempdir().unwrap(), of)
}

fn house_in(folder: tempfile::TempDir, of: impl Fn(SignalId) -> Measured) -> House {
    let vocabulary = Arc::new(Vocabulary::new());
    let kind = vocabulary.kind("user").unwrap();
    let signal = vocabulary.signal(kind, "x", SignalType::Number).unwrap();
    let (name, of) = ("of(user.x)", of(signal));
    let id = vocabulary.measure(name).unwrap();
    let plan = Arc::new(Plan::new(vec![Measure { id, kind, name: name.into(), of }]));
    let store = Arc::new(Store::open(folder.path(), vocabulary).unwrap());
    let cache = Cache::new(Limits::default(), Secrets::of_keys([1; 16], [2; 16])).journaled();
    House { store, cache: Arc::new(cache), plan, kind, signal, folder }
}

impl House {
    fn learner(&self) -> Learner {
        let mut learner = Learner::new(Arc::clone(&self.cache), Bounds::default(), 1);
        learner.keep_on(Box::new(Shelf(Arc::clone(&self.store))));
        learner.follow(Arc::clone(&self.plan));
        learner
    }

    fn observe(&self, learner: &mut Learner, id: &str, hour: i64, x: f64) {
        let value = self.cache.seen_value(Value::Number(x)).unwrap();
        let seen = Seen::Value { signal: self.signal, value };
        learner.observe(&Observation { kind: self.kind, id: id.into(), at: at(hour), seen });
    }

    /// Writes what waits.
    fn write(&self) {
        super::write(&self.store, &self.cache, &self.plan);
    }

    fn kept(&self, id: &str) -> Option<crate::learn::Kept> {
        Shelf(Arc::clone(&self.store)).find(self.kind, id).unwrap()
    }
}

#[test]
fn a_profile_that_cant_be_read_for_a_while_is_not_replaced() {
    let house = house();
    let mut first = house.learner();
    for hour in 0..50 {
        house.observe(&mut first, "ann", hour, hour as f64);
    }
    first.keep_at_once();
    drop(first);
    house.write();
    let before = house.kept("ann").unwrap();
    let usual = Shelf(Arc::clone(&house.store)).find_common(crate::learn::InCommon::Spreads);
    assert!(usual.as_ref().unwrap().is_some());

    // Also what is usual for all can't be read at this start.
    let disk = house.store.disk.write().take();
    let mut second = house.learner();
    house.observe(&mut second, "ann", 60, 1e9);
    house.observe(&mut second, "new", 60, 1.0);
    second.advance(at(60));
    assert_eq!(second.learned().profiles, 2, "learning goes on");
    second.keep_at_once();
    assert_eq!(house.store.waiting.lock().len(), 0, "nothing is written over what is unread");

    *house.store.disk.write() = disk;
    second.advance(at(61));
    second.keep_at_once();
    house.write();
    assert_eq!(house.kept("ann").unwrap(), before);
    assert!(house.kept("new").is_some());
    assert_eq!(Shelf(Arc::clone(&house.store)).find_common(crate::learn::InCommon::Spreads), usual);
    // And learning goes on from there.
    house.observe(&mut second, "ann", 62, 7.0);
    second.keep_at_once();
    house.write();
    assert_ne!(house.kept("ann").unwrap(), before);
}

fn month(signal: SignalId) -> Measured {
    Measured::Window { signal, window: 30.0 * 86_400.0, count: Count::Occurrences }
}

/// A record is written within milliseconds, a profile within seconds: it may be all that is there.
#[test]
fn a_window_whose_profile_was_lost_is_not_full_for_ever() {
    let first = house_of(month);
    let mut learner = first.learner();
    let x = Value::Number(0.0);
    first.cache.update(first.kind, "ann", at(0), |r| r.set(first.signal, at(0), x)).unwrap();
    first.observe(&mut learner, "ann", 0, 1.0);
    learner.advance(at(0));
    let counts = |house: &House| {
        let held = house.cache.read(house.kind, "ann").unwrap();
        let measure = house.plan.measures()[0].id;
        held.record().unwrap().summary(measure).unwrap().window()
    };
    assert_eq!(counts(&first), 1.0);
    first.write();
    // Killed now.
    drop(learner);
    let House { folder, store, .. } = first;
    drop(store);

    let second = house_in(folder, month);
    second.store.load(&second.cache, &second.plan).unwrap();
    assert_eq!(counts(&second), 1.0);
    let mut learner = second.learner();
    learner.advance(at(1));
    learner.advance(at(31 * 24));
    assert_eq!(counts(&second), 0.0);
}

/// A window is told when something falls into it or leaves it, not because time has passed.
#[test]
fn once_a_profile_can_be_read_the_cache_is_told_what_it_says() {
    let house = house_of(month);
    let told = || -> Vec<Vec<u64>> {
        let held = house.cache.read(house.kind, "ann").unwrap();
        let summaries = held.record().unwrap();
        summaries.summaries().map(|(_, words)| words.to_vec()).collect()
    };
    let mut first = house.learner();
    // The cache holds whom somebody has reported of.
    let x = Value::Number(0.0);
    house.cache.update(house.kind, "ann", at(0), |r| r.set(house.signal, at(0), x)).unwrap();
    for hour in 0..50 {
        house.observe(&mut first, "ann", hour, 1.0);
    }
    first.advance(at(50));
    let before = told();
    first.keep_at_once();
    drop(first);
    house.write();

    let disk = house.store.disk.write().take();
    let mut second = house.learner();
    house.observe(&mut second, "ann", 50, 1.0);
    second.advance(at(50));
    assert_ne!(told(), before, "one that was learned meanwhile");
    *house.store.disk.write() = disk;
    second.advance(at(50));
    assert_eq!(told(), before);
}

#[test]
fn labels_that_cant_be_read_for_a_while_come_back_and_nobody_teaches_meanwhile() {
    let house = house();
    let mut first = house.learner();
    first.label(&Label { kind: house.kind, id: "mallory".into(), bad: true, at: at(0) });
    drop(first);
    house.write();

    let disk = house.store.disk.write().take();
    let mut second = house.learner();
    second.advance(at(1));
    assert!(second.lacks_labels());
    assert_eq!(second.learned().links.labels, 0);
    *house.store.disk.write() = disk;
    second.advance(at(1));
    assert!(!second.lacks_labels());
    assert_eq!(second.learned().links.labels, 1);
    house.observe(&mut second, "mallory", 2, 1.0);
    assert_eq!((second.learned().mistrusted, second.learned().observations), (1, 0));
}

#[test]
fn a_failed_read_is_the_store_failing_until_it_is_opened_again() {
    let house = house();
    house.store.failed_to_read(Fault::Damaged("a block".to_owned()));
    house.write();
    let state = house.store.state(&house.cache);
    assert_eq!((state.failures, state.error.as_deref()), (1, Some("a block")));
    assert!(house.store.disk.read().is_none());
    house.write();
    assert_eq!(house.store.state(&house.cache).error, None);
}

/// A damaged file may be met by an assertion, wherever it is read or written.
#[test]
fn an_assertion_that_fails_is_the_store_failing_and_not_the_end_of_it() {
    let house = house();
    let (stop, stopped) = channel();
    drop(stop);
    house.store.run(&house.cache, || panic!("as it should"), &stopped);
    assert_eq!(house.store.state(&house.cache).failures, 1);
    house.write();
    assert_eq!(house.store.state(&house.cache).error, None);
}

/// The key of value hashes would be another, and what is kept would lie elsewhere.
#[test]
fn where_a_folder_is_gone_or_another_one_nothing_is_written_until_it_is_back() {
    let house = house();
    let mut learner = house.learner();
    house.observe(&mut learner, "ann", 0, 1.0);
    learner.keep_at_once();
    house.write();
    let (folder, away) = (house.folder.path(), tempfile::tempdir().unwrap());
    let kept = away.path().join("kept");
    std::fs::rename(folder, &kept).unwrap();
    house.store.failed_to_read(Fault::Damaged("a block".to_owned()));
    house.write();

    let fails = || {
        house.write();
        house.store.state(&house.cache).error.is_some()
    };
    assert!(fails() && !folder.exists());
    drop(Store::open(folder, Arc::default()).unwrap());
    assert!(fails());
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::rename(&kept, folder).unwrap();
    assert!(!fails());
    assert!(house.kept("ann").is_some());
}
