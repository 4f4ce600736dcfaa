//! The table under the model checker (loom): its very code, compiled a second
//! time on loom's primitives, run in every order that two threads can take.

use std::sync::Arc;

use super::key::{self, Tag};
use crate::model::{EntityKind, SignalId, Timestamp, Value};
use crate::signals::record::{Record, Scratch, Stored};

#[path = "table.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code on the checker's primitives")]
#[expect(dead_code, reason = "the model runs what readers and writers meet in")]
mod table;

/// Loom's atomics, and a pointer that is swapped whole.
mod primitives {
    use std::ops::Deref;

    pub(super) use loom::sync::atomic::AtomicU32;

    /// As `ArcSwapAny`, which has its own proofs: a load sees one store or another.
    #[derive(Debug, Default)]
    pub(super) struct Pointer<T>(loom::sync::Mutex<T>);

    #[derive(Debug)]
    pub(super) struct Guard<T>(T);

    impl<T: Clone> Pointer<T> {
        pub(super) fn new(value: T) -> Self {
            Pointer(loom::sync::Mutex::new(value))
        }

        pub(super) fn load(&self) -> Guard<T> {
            Guard(self.load_full())
        }

        pub(super) fn load_full(&self) -> T {
            self.0.lock().unwrap().clone()
        }

        pub(super) fn store(&self, value: T) {
            self.swap(value);
        }

        pub(super) fn swap(&self, value: T) -> T {
            std::mem::replace(&mut *self.0.lock().unwrap(), value)
        }
    }

    impl<T> Guard<T> {
        pub(super) fn into_inner(guard: Self) -> T {
            guard.0
        }
    }

    impl<T> Deref for Guard<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }
}

const USER: EntityKind = EntityKind(0);
const NOW: Timestamp = Timestamp::EPOCH;

fn record(id: &str, x: f64) -> Stored {
    let mut scratch = Scratch::default();
    scratch.start(None).set(SignalId(0), NOW, Value::Number(x));
    scratch.build(USER, id, 1).unwrap()
}

fn read(published: &table::Published, tag: Tag, id: &str) -> Option<f64> {
    let table = published.load();
    let (_, held) = table.find(tag, USER, id)?;
    let record = Record::of(held.as_ref()?);
    assert_eq!(record.id(), id);
    record.signal(SignalId(0))?.value.as_number()
}

/// One reader beside one writer that starts from a table with `there` in it.
fn check(
    write: impl Fn(&table::Published, &mut table::Filling, &[Tag; 3]) + Send + Sync + Copy + 'static,
    look: impl Fn(&table::Published, &[Tag; 3]) + Send + Sync + Copy + 'static,
) {
    // All in one bucket; the first two can't be told apart by their tags.
    let tags = [Tag::of_word(0x10), Tag::of_word(0x10), Tag::of_word(0x20)].map(Option::unwrap);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let published = Arc::new(table::Published::default());
        let mut filling = table::Filling::default();
        for (id, tag) in ["a", "b"].iter().zip(tags) {
            assert!(published.insert(&mut filling, tag, record(id, 1.0), NOW));
        }
        let reader = {
            let published = published.clone();
            loom::thread::spawn(move || look(&published, &tags))
        };
        write(&published, &mut filling, &tags);
        reader.join().unwrap();
    });
}

fn remove(published: &table::Published, filling: &mut table::Filling, tag: Tag, id: &str) {
    let table = published.load();
    let (entry, _) = table.find(tag, USER, id).unwrap();
    assert!(published.remove(filling, entry).is_some());
}

#[test]
fn an_entity_that_is_there_is_found_while_others_come_and_go() {
    check(
        |published, filling, tags| {
            remove(published, filling, tags[0], "a");
            // In the place of what went, and with the tag of what stays.
            assert!(published.insert(filling, tags[1], record("c", 3.0), NOW));
        },
        |published, tags| {
            assert_eq!(read(published, tags[1], "b"), Some(1.0));
            assert!(matches!(read(published, tags[0], "a"), None | Some(1.0)));
            assert!(matches!(read(published, tags[0], "c"), None | Some(3.0)));
        },
    );
}

#[test]
fn an_update_is_seen_whole_and_never_taken_back() {
    check(
        |published, _, tags| {
            let table = published.load();
            let (entry, _) = table.find(tags[1], USER, "b").unwrap();
            entry.store(record("b", 2.0));
        },
        |published, tags| {
            let first = read(published, tags[1], "b").unwrap();
            let second = read(published, tags[1], "b").unwrap();
            assert!(first <= second, "{first} {second}");
        },
    );
}

#[test]
fn a_rebuild_hides_nothing() {
    check(
        |published, filling, tags| {
            published.rebuild(filling, &published.load());
            let table = published.load();
            let (entry, _) = table.find(tags[0], USER, "a").unwrap();
            entry.store(record("a", 2.0));
            assert!(published.insert(filling, tags[2], record("d", 4.0), NOW));
        },
        |published, tags| {
            assert_eq!(read(published, tags[1], "b"), Some(1.0));
            let first = read(published, tags[0], "a").unwrap();
            assert!(first <= read(published, tags[0], "a").unwrap());
            assert!(matches!(read(published, tags[2], "d"), None | Some(4.0)));
        },
    );
}
