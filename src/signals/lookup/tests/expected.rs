//! Announced windows as look-up reads them.

use super::*;
use crate::model::ExpectedField::{InForce, Reference, Until};

#[test]
fn announced_windows_are_looked_up_and_never_missing() {
    let house = house();
    let expected = |kind, change: &str, field| Source::Expected {
        kind,
        signal: SignalId(7),
        change: change.into(),
        value: None,
        field,
    };
    let sources = || {
        [
            expected(USER, "travel", InForce),
            expected(USER, "travel", Until),
            expected(USER, "travel", Reference),
            expected(USER, "on_call", InForce),
            // Named by the request, and nothing is known of it.
            expected(ADDRESS, "travel", InForce),
            // Not named.
            expected(DEVICE, "travel", InForce),
            expected(DEVICE, "travel", Until),
        ]
    };
    let slots: Vec<Slot> = sources().into_iter().map(slot).collect();
    let wanted: Vec<SlotId> = (0..slots.len() as u32).map(SlotId).collect();
    let request = request(&[], &[]);
    let answers = |cache: &Cache| {
        let records = cache.fetch(&request.entities, Kinds::ALL, NOW);
        let sources =
            Sources { cache, records: &records, feeds: &house.feeds, arena: &house.arena };
        let mut view = View::new(slots.len(), NOW, false);
        let missed = look_up(&slots, &wanted, &request, &[], &sources, &mut view);
        assert_eq!(missed.slots, 0, "that nothing is announced is known");
        wanted.iter().map(|slot| format!("{:?}", view.read(*slot).value)).collect::<Vec<_>>()
    };
    let nothing = ["Bool(false)", "Missing", "Missing"];
    let rest = ["Bool(false)", "Bool(false)", "Bool(false)", "Missing"];
    assert_eq!(answers(&house.cache), [&nothing[..], &rest].concat());
    let (from, until) = (ago(10), Timestamp::from_millis(NOW.millis() + 1));
    let window = crate::signals::Window::new("t", "travel", from, until).said("CHG-1", "desk");
    let entity =
        |kind, name: &str| crate::model::EntityDecl { kind, name: name.into(), forget_after: None };
    let declared = crate::model::ExpectedDecl {
        name: "travel".into(),
        kind: USER,
        signal: SignalId(7),
        at_most: 60.0,
    };
    let catalog = crate::model::Catalog::new(vec![entity(USER, "user")], Vec::new());
    let catalog = catalog.expecting(vec![declared]);
    let announcement = crate::signals::Announcement { kind: "user", entity: "u1", window };
    house.cache.announce(&catalog, &announcement, NOW).unwrap();
    let until = format!("{:?}", Value::Timestamp(until));
    let travels = ["Bool(true)", &until, "Text(\"CHG-1\")"];
    assert_eq!(answers(&house.cache), [&travels[..], &rest].concat());
}
