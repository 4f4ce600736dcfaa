//! Who is forgotten stays so: nothing of them comes back from the disk, and nothing that was
//! learned later goes with them.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::links::{House, Step, house};
use crate::learn::{self, LinkValue, Shelf as _};
use crate::model::{EntityKind, Identifier, IdentifierOf, MeasureId, Timestamp};
use crate::signals::{Asked, Label, Observation, Observations, Seen};
use crate::store::{Shelf, Store};

const HOUR: i64 = 3_600_000;

impl House {
    fn store(&self) -> Arc<Store> {
        Arc::clone(self.store.as_ref().unwrap())
    }

    /// Writes what waits.
    fn write(&self) {
        super::write(&self.store(), &self.cache, self.learner.plan());
    }

    /// As `SignalService/Forget` does; has its part of the cache still to be written.
    fn forget(&mut self, kind: EntityKind, id: &str) {
        let (at, seen) = (Timestamp::now(), Seen::Forgotten(Asked::default()));
        self.learner.observe(&Observation { kind, id: id.into(), at, seen });
        self.cache.forget_for_good(kind, id);
    }
}

/// Whose links are kept, and the ids of entities that they name.
fn linked(store: &Arc<Store>) -> Vec<(String, Vec<String>)> {
    let page = Shelf(Arc::clone(store)).links(&[]).unwrap();
    let own = |value: LinkValue| match value {
        LinkValue::Own(_, id) => Some(id.to_string()),
        LinkValue::Hash(_) => None,
    };
    let of = |links: Vec<learn::KeptLink>| links.into_iter().filter_map(|l| own(l.value));
    page.entries.into_iter().map(|(_, id, links)| (id.to_string(), of(links).collect())).collect()
}

fn labelled(store: &Arc<Store>) -> Vec<String> {
    let page = Shelf(Arc::clone(store)).labels(&[]).unwrap();
    page.entries.into_iter().map(|(_, id, _)| id.to_string()).collect()
}

fn only(user: &str, device: &str) -> Vec<(String, Vec<String>)> {
    vec![(user.to_owned(), vec![device.to_owned()])]
}

/// One user with two devices, who is on disk.
fn kept(folder: &Path) {
    let mut first = house(Some(folder), 0);
    first.take(&Step::Device(1, 1), HOUR);
    first.take(&Step::Device(1, 2), HOUR);
    first.settle(HOUR);
    first.close();
}

/// Of these, one has been forgotten, and the disk has not heard of it.
fn forgotten(folder: &Path) -> House {
    kept(folder);
    let mut second = house(Some(folder), 0);
    second.restore(HOUR);
    second.forget(second.device, "d1");
    second
}

#[test]
fn nobodys_links_name_a_device_that_is_forgotten_when_that_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let second = forgotten(folder.path());
    // It is answered now, and the process killed.
    second.write();
    drop(second);

    let third = house(Some(folder.path()), 0);
    assert_eq!(linked(&third.store()), only("u1", "d2"));
}

#[test]
fn what_is_about_to_be_forgotten_on_disk_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut second = forgotten(folder.path());
    // Another identifier has all links read again, before the disk has heard of it.
    let mut plan = (**second.learner.plan()).clone();
    plan.links.identifiers.push(Identifier {
        id: MeasureId(200),
        of: IdentifierOf::Own(second.user),
        ..plan.links.identifiers[0].clone()
    });
    second.learner.follow(Arc::new(plan));
    second.restore(HOUR);
    second.take(&Step::Device(1, 3), 2 * HOUR);
    second.learner.keep();
    second.write();
    let expected = vec![("u1".to_owned(), vec!["d2".to_owned(), "d3".to_owned()])];
    assert_eq!(linked(&second.store()), expected);
}

#[test]
fn who_is_forgotten_while_links_come_back_stays_so_and_so_does_a_label_that_waited() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path());
    let second = house(Some(folder.path()), 0);
    let (cache, store, plan) =
        (Arc::clone(&second.cache), second.store(), Arc::clone(second.learner.plan()));
    let (user, device) = (second.user, second.device);
    assert!(second.learner.is_restoring());
    let observations = Observations::new(100);
    let now = Timestamp::now();
    observations.label(Label { kind: user, id: "u1".into(), bad: true, at: now }).unwrap();
    let asked =
        [(device, "d1"), (user, "u1")].map(|(kind, id)| observations.push_forgotten(kind, id, now));
    observations.label(Label { kind: user, id: "u2".into(), bad: true, at: now }).unwrap();
    let labels_learned = observations.after_labels().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (stop, stopped) = channel();
    std::thread::scope(|scope| {
        let (observations, plan) = (&observations, &plan);
        let learning = || Some(Arc::clone(plan));
        scope.spawn(move || learn::run(second.learner, observations, learning, |_| (), &stopped));
        let done = async {
            for asked in &asked {
                asked.done().await;
            }
            labels_learned.done().await;
        };
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(30), done).await })
            .unwrap();
        drop(stop);
    });
    for (kind, id) in [(device, "d1"), (user, "u1")] {
        cache.forget_for_good(kind, id);
    }
    super::write(&store, &cache, &plan);
    assert_eq!(labelled(&store), ["u2"]);
    assert_eq!(linked(&store), []);
}

/// As where the disk was away for a while: the learner is ahead of it.
#[test]
fn a_label_that_comes_after_its_entity_was_forgotten_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = house(Some(folder.path()), 0);
    first.take(&Step::Label(1, false), HOUR);
    first.write();
    first.forget(first.user, "u1");
    first.take(&Step::Label(1, true), 2 * HOUR);
    first.take(&Step::Device(1, 1), 2 * HOUR);
    first.settle(2 * HOUR);
    first.learner.keep();
    first.write();
    assert_eq!(labelled(&first.store()), ["u1"]);
    assert_eq!(linked(&first.store()), only("u1", "d1"));
}

/// A kind that the catalog comes to name is loaded a moment after somebody can ask.
#[test]
fn who_is_forgotten_before_their_kind_is_loaded_is_not_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let first = super::house(folder.path());
    first.set("ann", 1.0);
    first.set("bob", 1.0);
    first.close();
    let second = super::house(folder.path());
    let (kind, _) = second.user();
    second.cache.forget_for_good(kind, "ann");
    second.load();
    second.close();
    let third = super::loaded(folder.path());
    assert_eq!((third.number("ann"), third.number("bob")), (None, Some(1.0)));
}

/// It was answered, and links were not back yet.
#[test]
fn a_label_that_waits_when_the_process_ends_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path());
    let second = house(Some(folder.path()), 0);
    assert!(second.learner.is_restoring());
    let (cache, store, plan) =
        (Arc::clone(&second.cache), second.store(), Arc::clone(second.learner.plan()));
    let observations = Observations::new(100);
    let at = Timestamp::now();
    observations.label(Label { kind: second.user, id: "u1".into(), bad: true, at }).unwrap();
    let (stop, stopped) = channel();
    drop(stop);
    learn::run(second.learner, &observations, || Some(Arc::clone(&plan)), |_| (), &stopped);
    super::write(&store, &cache, &plan);
    assert_eq!(labelled(&store), ["u1"]);
}
