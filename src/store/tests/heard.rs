//! When an entity was heard of last outlives the process as well: by that it is forgotten.

use super::{House, house, loaded};
use crate::model::{Catalog, Entities, EntityDecl, EntityKind, Timestamp, Value};
use crate::signals::{Held, Kinds, RecordBuilder, Summary};
use crate::store::batch::Batch;
use crate::store::heard;
use crate::store::hourly::Hourly;

fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::now().millis() - days * 86_400_000)
}

impl House {
    /// Drops who was not heard of for thirty days.
    fn sweep(&self, kind: EntityKind) {
        let forget_after = Some(30.0 * 86_400.0);
        let user = EntityDecl { kind, name: "user".into(), forget_after };
        let catalog = Catalog::new(vec![user], Vec::new());
        self.cache.sweep(&catalog, Timestamp::now(), usize::MAX);
    }
}

/// A request about an entity is hearing of it, and leaves no note.
#[test]
fn who_is_asked_for_again_and_again_is_not_forgotten_by_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path());
    for id in ["asked", "unasked"] {
        first.set(id, 1.0);
    }
    {
        let (kind, _) = first.user();
        let disk = first.store.disk.read();
        let mut batch = Batch::new(&first.store, disk.as_ref().unwrap());
        for id in ["asked", "unasked"] {
            let held = first.cache.read(kind, id);
            batch.put(kind, id, held.as_ref().and_then(Held::record), days_ago(40)).unwrap();
        }
        batch.commit().unwrap();
    }
    drop(first);
    let second = loaded(folder.path());
    let (kind, _) = second.user();
    let mut entities = Entities::default();
    entities.set(kind, "asked");
    second.cache.fetch(&entities, Kinds::ALL, days_ago(1));
    {
        let disk = second.store.disk.read();
        let mut hourly = Hourly::new();
        hourly.begin();
        heard::pass(&mut hourly, &second.store, disk.as_ref().unwrap(), &second.cache).unwrap();
        assert!(hourly.is_under_way(), "they are looked at");
    }
    drop(second);

    let third = loaded(folder.path());
    let (kind, _) = third.user();
    third.sweep(kind);
    assert_eq!((third.number("asked"), third.number("unasked")), (Some(1.0), None));
}

/// What others do may change what is said of an entity: nothing was heard of it.
#[test]
fn who_is_not_heard_of_is_forgotten_whatever_is_computed_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path());
    let (kind, signal) = first.user();
    let at = days_ago(40);
    first.cache.update(kind, "ann", at, |r| r.set(signal, at, Value::Number(1.0))).unwrap();
    let measure = first.vocabulary.measure("linked").unwrap();
    let tell = |record: &mut RecordBuilder<'_>| {
        record.summarise(measure, &Summary::Window(1.0));
    };
    first.cache.derive(kind, "ann", Timestamp::now(), tell).unwrap();
    first.close();
    let second = loaded(folder.path());
    let (kind, _) = second.user();
    assert_eq!(second.number("ann"), Some(1.0));
    second.sweep(kind);
    assert_eq!(second.number("ann"), None);
}
