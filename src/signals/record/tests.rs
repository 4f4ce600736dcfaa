use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const USER: EntityKind = EntityKind(0);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn build(from: Option<&Stored>, id: &str, set: &[(u16, i64, Value<'_>)]) -> Stored {
    let mut scratch = Scratch::default();
    let mut builder = scratch.start(from.map(Record::of));
    for (signal, millis, value) in set {
        assert_eq!(builder.set(SignalId(*signal), at(*millis), *value), Applied::Accepted);
    }
    scratch.build(USER, id, 1).unwrap()
}

fn value<'r>(stored: &'r Stored, signal: u16) -> Option<Value<'r>> {
    Record::of(stored).signal(SignalId(signal)).map(|cell| cell.value)
}

#[test]
fn each_type_comes_back_as_it_went_in() {
    let packed = PackedSet::pack(["a", "bb", ""]);
    let values = [
        Value::None,
        Value::Bool(true),
        Value::Bool(false),
        Value::Number(-0.1),
        Value::Number(1e308),
        Value::Number(f64::INFINITY),
        Value::Number(f64::MIN_POSITIVE),
        Value::Text(""),
        Value::Text("Grüße, 世界"),
        Value::Timestamp(at(-5)),
        Value::Timestamp(at(i64::MAX)),
        Value::Duration(0.25),
        Value::Location { latitude: -33.86, longitude: 151.2 },
        Value::Set(PackedSet::from_packed(&packed)),
        Value::Set(PackedSet::from_packed("")),
    ];
    let cells: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(n, value)| (n as u16 * 7, 1_000 + n as i64, *value))
        .collect();
    let stored = build(None, "user-1", &cells);
    let record = Record::of(&stored);
    assert_eq!((record.id(), record.kind(), record.cells().len()), ("user-1", USER, values.len()));
    for (signal, millis, value) in cells {
        let cell = record.signal(SignalId(signal)).unwrap();
        assert_eq!((cell.value, cell.observed_at), (value, at(millis)));
    }
    assert_eq!(record.signal(SignalId(1)), None);
}

#[test]
fn what_no_record_can_hold_is_told() {
    let mut scratch = Scratch::default();
    let mut builder = scratch.start(None);
    for value in [
        Value::Missing,
        Value::Number(f64::NAN),
        Value::Duration(f64::NAN),
        Value::Address("192.0.2.1".parse().unwrap()),
    ] {
        assert_eq!(builder.set(SignalId(1), at(1), value), Applied::Unstorable);
    }
    assert!(!scratch.changed());
}

#[test]
fn texts_that_are_replaced_are_not_carried_along() {
    let long = "x".repeat(4000);
    let first = build(None, "u", &[(1, 1, Value::Text(&long)), (2, 1, Value::Text("kept"))]);
    let second = build(Some(&first), "u", &[(1, 2, Value::Text("short"))]);
    assert_eq!(value(&second, 1), Some(Value::Text("short")));
    assert_eq!(value(&second, 2), Some(Value::Text("kept")));
    assert!(Record::of(&second).bytes() < 150, "{}", Record::of(&second).bytes());
}

#[test]
fn a_record_is_bounded() {
    let long = "x".repeat(MAX_TEXTS);
    let mut scratch = Scratch::default();
    let mut builder = scratch.start(None);
    builder.set(SignalId(1), at(1), Value::Text(&long));
    assert!(scratch.build(USER, "u", 1).is_none());
}

const MAX_TEXTS: usize = super::builder::MAX_BYTES;

#[test]
fn ten_numbers_fit_a_block_of_224_bytes() {
    let cells: Vec<_> = (0..10).map(|n| (n, 1, Value::Number(1.0))).collect();
    assert!(Record::of(&build(None, "user-00000001", &cells)).bytes() <= 224);
}

#[derive(Clone, Debug)]
enum Owned {
    None,
    Number(f64),
    Text(String),
    Set(Vec<String>),
}

fn owned() -> impl Strategy<Value = Owned> {
    prop_oneof![
        Just(Owned::None),
        any::<f64>().prop_filter("not NaN", |x| !x.is_nan()).prop_map(Owned::Number),
        ".{0,40}".prop_map(Owned::Text),
        prop::collection::vec("[a-z]{0,9}", 0..6).prop_map(Owned::Set),
    ]
}

proptest! {
    /// Whatever the order of arrival, the latest observation of each signal
    /// stands; of one instant, the one that came last.
    #[test]
    fn updates_merge_as_a_map_would(
        reports in prop::collection::vec(
            prop::collection::vec((0u16..12, 0i64..6, owned()), 0..6), 0..12),
        id in "[^\u{0}]{1,40}",
    ) {
        let mut known: BTreeMap<u16, (i64, String)> = BTreeMap::new();
        let mut stored: Option<Stored> = None;
        let mut scratch = Scratch::default();
        for report in &reports {
            let mut builder = scratch.start(stored.as_ref().map(Record::of));
            for (signal, millis, value) in report {
                let packed;
                let value = match value {
                    Owned::None => Value::None,
                    Owned::Number(x) => Value::Number(*x),
                    Owned::Text(text) => Value::Text(text),
                    Owned::Set(members) => {
                        packed = PackedSet::pack(members.iter().map(String::as_str));
                        Value::Set(PackedSet::from_packed(&packed))
                    }
                };
                let older = known.get(signal).is_some_and(|(at, _)| at > millis);
                let applied = builder.set(SignalId(*signal), at(*millis), value);
                prop_assert_eq!(applied, if older { Applied::Older } else { Applied::Accepted });
                if !older {
                    known.insert(*signal, (*millis, format!("{value:?}")));
                }
            }
            stored = Some(scratch.build(USER, &id, 1).unwrap());
        }
        if let Some(stored) = &stored {
            let record = Record::of(stored);
            prop_assert_eq!(record.id(), &id);
            let held: BTreeMap<u16, (i64, String)> = record
                .cells()
                .map(|c| (c.signal.0, (c.observed_at.millis(), format!("{:?}", c.value))))
                .collect();
            prop_assert_eq!(held, known);
        }
    }
}
