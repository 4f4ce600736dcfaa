mod links;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use super::{State, Store};
use crate::model::{EntityKind, Plan, SignalId, SignalType, Timestamp, Value, Vocabulary};
use crate::signals::{Cache, Limits, Secrets};

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
        let (stop, stopped) = channel();
        drop(stop);
        self.store.run(&self.cache, || Some(Arc::default()), &stopped);
        self.store.state(&self.cache)
    }
}

#[test]
fn more_changes_than_notes_are_kept_of_are_found_by_comparing_all() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path());
    first.set("gone", 1.0);
    first.set("stays", 2.0);
    assert_eq!(first.close().checkpoints, 0);

    let second = house(folder.path());
    second.user();
    second.load();
    let (kind, _) = second.user();
    assert!(second.cache.forget(kind, "gone"));
    for x in 0..10_000 {
        second.set("busy", f64::from(x));
    }
    assert_eq!(second.close().checkpoints, 1);

    let third = house(folder.path());
    third.user();
    third.load();
    let found = ["gone", "stays", "busy"].map(|id| third.number(id));
    assert_eq!(found, [None, Some(2.0), Some(9999.0)]);
}

#[test]
fn a_kind_is_loaded_when_the_catalog_comes_to_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path());
    first.set("ann", 1.0);
    first.close();

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

    let third = house(folder.path());
    third.user();
    third.load();
    assert_eq!((third.number("ann"), later.0), (Some(1.0), 1));
    let held = third.cache.read(third.user().0, "ann").unwrap();
    assert_eq!(held.record().unwrap().cells().len(), 2);
}

#[test]
fn what_was_reported_since_is_not_overwritten_by_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path());
    first.set("ann", 1.0);
    first.close();
    let second = house(folder.path());
    second.set("ann", 2.0);
    second.load();
    assert_eq!(second.number("ann"), Some(2.0));
}
