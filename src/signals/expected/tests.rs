use proptest::prelude::*;

use super::*;
use crate::model::{EntityDecl, SignalType, Vocabulary};
use crate::signals::{Limits, Observations, Report, ReportedValue, Secrets, Verdict, ingest};

const USER: EntityKind = EntityKind(0);
const SESSION: EntityKind = EntityKind(1);
const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_780_304_400_000 + seconds * 1000)
}

fn catalog() -> (Vocabulary, Catalog) {
    let vocabulary = Vocabulary::new();
    let entity = |name: &str, forget_after| EntityDecl {
        kind: vocabulary.kind(name).unwrap(),
        name: name.into(),
        forget_after,
    };
    let entities = vec![entity("user", None), entity("session", Some(60.0))];
    let declared = |name: &str, kind, days: i64| ExpectedDecl {
        name: name.into(),
        kind,
        signal: vocabulary.signal(kind, crate::model::EXPECTED_SIGNAL, SignalType::Set).unwrap(),
        at_most: (days * DAY) as f64,
    };
    let expected = vec![
        declared("travel", USER, 30),
        declared("on_call", USER, 14),
        declared("replay", SESSION, 1),
    ];
    (vocabulary, Catalog::new(entities, Vec::new()).expecting(expected))
}

fn cache() -> Cache {
    Cache::new(Limits::default(), Secrets::random().unwrap())
}

fn window<'w>(id: &'w str, change: &'w str, from: i64, until: i64) -> Window<'w> {
    Window::new(id, change, at(from), at(until))
}

fn of_ann(window: Window<'_>) -> Announcement<'_> {
    Announcement { kind: "user", entity: "ann", window }
}

fn asked(cache: &Cache, catalog: &Catalog, change: &str, value: Option<&str>, now: i64) -> bool {
    let signal = signal_of(catalog, USER).unwrap();
    let held = cache.read(USER, "ann");
    let Some(record) = held.as_ref().and_then(|held| held.record()) else { return false };
    let value = value.map(|value| match value {
        "" => Value::Missing,
        value => Value::Text(value),
    });
    let Some(windows) = packed_windows(record, signal) else { return false };
    read(windows, change, value, ExpectedField::InForce, at(now)) == Value::Bool(true)
}

#[test]
fn a_window_is_in_force_from_its_beginning_to_its_end() {
    let ((_, catalog), cache) = (catalog(), cache());
    let travel = window("a", "travel", 10, 20).said("CHG-1", "desk");
    assert!(cache.announce(&catalog, &of_ann(travel), at(0)).unwrap().is_some());
    for (now, expected) in [(9, false), (10, true), (19, true), (20, false), (21, false)] {
        assert_eq!(asked(&cache, &catalog, "travel", None, now), expected, "{now}");
    }
    assert!(!asked(&cache, &catalog, "on_call", None, 15), "another change");
}

#[test]
fn named_values_restrict_it() {
    let ((_, catalog), cache) = (catalog(), cache());
    let values = Window::join(&["JP", "KR"]);
    let travel = window("a", "travel", 0, 20).only(&values);
    cache.announce(&catalog, &of_ann(travel), at(0)).unwrap();
    for (value, expected) in [
        (None, true),
        (Some("JP"), true),
        (Some("KR"), true),
        (Some("J"), false),
        (Some(""), false),
    ] {
        assert_eq!(asked(&cache, &catalog, "travel", value, 1), expected, "{value:?}");
    }
    cache.announce(&catalog, &of_ann(window("b", "travel", 0, 10)), at(0)).unwrap();
    assert!(asked(&cache, &catalog, "travel", Some(""), 1), "one that names no values");
    assert!(!asked(&cache, &catalog, "travel", Some(""), 10), "and is over");
}

#[test]
fn what_is_shown_of_it_is_that_of_the_window_that_ends_last() {
    let ((_, catalog), cache) = (catalog(), cache());
    for (id, until) in [("a", 20), ("b", 30), ("c", 10)] {
        let travel = window(id, "travel", 0, until).said(id, "desk");
        cache.announce(&catalog, &of_ann(travel), at(0)).unwrap();
    }
    let held = cache.read(USER, "ann").unwrap();
    let record = held.record().unwrap();
    let signal = signal_of(&catalog, USER).unwrap();
    let windows = packed_windows(record, signal).unwrap();
    let of = |field, now| read(windows, "travel", None, field, at(now));
    assert_eq!(of(ExpectedField::Until, 1), Value::Timestamp(at(30)));
    assert_eq!(of(ExpectedField::Reference, 1), Value::Text("b"));
    assert_eq!(of(ExpectedField::Until, 30), Value::Missing);
    let listed = cache.expected_of(&catalog, (USER, "ann"), at(10), |w| w.id.to_owned());
    assert_eq!(listed, ["a", "b"], "by their ends, without the one that is over");
}

#[test]
fn announced_again_it_takes_the_place_of_the_last_and_withdrawn_it_is_gone() {
    let ((_, catalog), cache) = (catalog(), cache());
    for until in [20, 20, 5] {
        cache.announce(&catalog, &of_ann(window("a", "travel", 0, until)), at(0)).unwrap();
    }
    assert!(asked(&cache, &catalog, "travel", None, 4));
    assert!(!asked(&cache, &catalog, "travel", None, 5), "the last word counts");
    let withdraw = |id| cache.withdraw_expected(&catalog, (USER, "ann"), id, at(1)).0;
    assert!(!withdraw("b"));
    assert!(withdraw("a"));
    assert!(!withdraw("a"));
    assert!(!asked(&cache, &catalog, "travel", None, 2));
    assert!(!cache.withdraw_expected(&catalog, (USER, "nobody"), "a", at(1)).0);
}

#[test]
fn an_entity_has_eight_windows_at_most_and_what_is_over_makes_room() {
    let ((_, catalog), cache) = (catalog(), cache());
    let ids: Vec<String> = (0..MAX_WINDOWS).map(|n| n.to_string()).collect();
    for id in &ids {
        cache.announce(&catalog, &of_ann(window(id, "travel", 0, 10)), at(0)).unwrap();
    }
    let more = of_ann(window("more", "on_call", 0, 20));
    assert_eq!(cache.announce(&catalog, &more, at(1)), Err(NotAnnounced::TooMany));
    let again = of_ann(window("3", "travel", 0, 9));
    assert!(cache.announce(&catalog, &again, at(1)).is_ok(), "in the place of its own");
    assert!(cache.announce(&catalog, &more, at(10)).is_ok());
    assert_eq!(cache.expected_of(&catalog, (USER, "ann"), at(10), |_| ()).len(), 1);
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_mend() {
    let ((_, catalog), cache) = (catalog(), cache());
    let good = || window("a", "travel", 0, 10);
    let long = "x".repeat(257);
    let many = Window::join(&["x"; 17]);
    let (empty, joined) = (Window::join(&[""]), Window::join(&["a\u{1e}b"]));
    let cases = [
        (of_ann(window("a", "travel", 10, 10)), "`until`: it is not after `from`"),
        (of_ann(window("a", "travel", 10, 9)), "`until`: it is not after `from`"),
        (of_ann(window("a", "travel", -10, 0)), "`until`: it is in the past"),
        (
            of_ann(window("a", "travel", 0, 30 * DAY + 1)),
            "of at most 30 days: let it end earlier, or raise `at_most`",
        ),
        (
            of_ann(window("a", "travel", 367 * DAY, 368 * DAY)),
            "`from`: it is more than a year ahead",
        ),
        (
            of_ann(window("a", "travl", 0, 10)),
            "`change`: unknown kind of change `travl`; did you mean `travel`?",
        ),
        (of_ann(window("", "travel", 0, 10)), "`id`: 1 to 64 bytes"),
        (
            of_ann(window("a\u{1f}b", "travel", 0, 10)),
            "`id`: 1 to 64 bytes are wanted, without control",
        ),
        (of_ann(good().said(&long, "")), "`reference`: 0 to 256 bytes"),
        (of_ann(good().said("", "a\nb")), "`by`: 0 to 256 bytes"),
        (of_ann(good().only(&many)), "`values`: at most 16"),
        (of_ann(good().only(&empty)), "`values`: 1 to 64 bytes"),
        (of_ann(good().only(&joined)), "`values`: 1 to 64 bytes are wanted, without control"),
        (
            Announcement { kind: "usr", entity: "ann", window: good() },
            "`entity.type`: unknown entity kind `usr`; did you mean `user`?",
        ),
        (
            Announcement { kind: "session", entity: "s", window: good() },
            "`travel` is announced of entities of kind `user`",
        ),
        (Announcement { kind: "user", entity: "", window: good() }, "`entity.id`: 1 to 1024 bytes"),
        (Announcement { kind: "user", entity: "a\0b", window: good() }, "`entity.id`"),
    ];
    for (announcement, expected) in cases {
        let why = cache.announce(&catalog, &announcement, at(0)).unwrap_err().to_string();
        assert!(why.contains(expected), "{why:?} is not {expected:?}");
    }
    assert_eq!(cache.stats().entities, 0);
    let nothing = Catalog::new(catalog.entities.clone(), Vec::new());
    let why = cache.announce(&nothing, &of_ann(good()), at(0)).unwrap_err().to_string();
    assert!(why.contains("add `expected: {travel:"), "{why}");
}

#[test]
fn who_reports_signals_can_neither_announce_nor_see_it() {
    let ((vocabulary, catalog), cache) = (catalog(), cache());
    let packed = window("a", "travel", 0, 10).packed();
    let name = crate::model::EXPECTED_SIGNAL;
    let report = Report {
        kind: "user".into(),
        id: "ann".into(),
        signals: vec![(name.into(), ReportedValue::List(vec![packed.into()]))],
        observed_at: None,
    };
    let outcome = ingest(&catalog, &cache, &Observations::new(1), &report, at(1));
    assert!(matches!(outcome.verdict(0), Verdict::Rejected(_)));
    assert!(!asked(&cache, &catalog, "travel", None, 1));
    cache.announce(&catalog, &of_ann(window("a", "travel", 0, 10)), at(0)).unwrap();
    assert_eq!(cache.snapshot(&vocabulary, USER, "ann").unwrap().signals, []);
}

#[test]
fn an_entity_of_which_something_is_announced_is_not_forgotten_until_it_is_over() {
    let ((_, catalog), cache) = (catalog(), cache());
    let replay =
        Announcement { kind: "session", entity: "s", window: window("a", "replay", 0, 600) };
    cache.announce(&catalog, &replay, at(0)).unwrap();
    cache.sweep(&catalog, at(599), 1_000_000);
    assert_eq!(cache.stats().entities, 1, "though nothing was heard of it for a minute");
    cache.sweep(&catalog, at(600), 1_000_000);
    assert_eq!(cache.stats().entities, 0);
}

#[test]
fn what_is_over_is_dropped_and_what_is_in_force_counted() {
    let ((_, catalog), cache) = (catalog(), cache());
    for (id, change, from, until) in
        [("a", "travel", 0, 10), ("b", "travel", 0, 20), ("c", "on_call", 15, 20)]
    {
        cache.announce(&catalog, &of_ann(window(id, change, from, until)), at(0)).unwrap();
    }
    let count = |now: i64| {
        let counts = cache.tidy_expected(&catalog, at(now));
        ["travel", "on_call", "replay"].map(|change| counts[change])
    };
    assert_eq!(count(5), [2, 0, 0]);
    let bytes = cache.stats().bytes;
    assert_eq!(count(10), [1, 0, 0]);
    assert!(cache.stats().bytes < bytes, "the record shrank");
    assert_eq!(count(15), [1, 1, 0]);
    assert_eq!(count(20), [0, 0, 0]);
    let held = cache.read(USER, "ann").unwrap();
    assert!(held.record().unwrap().signal(signal_of(&catalog, USER).unwrap()).is_none());
}

#[test]
fn a_clock_that_was_set_back_loses_no_announcement() {
    let ((_, catalog), cache) = (catalog(), cache());
    cache.announce(&catalog, &of_ann(window("a", "travel", 100, 200)), at(100)).unwrap();
    cache.announce(&catalog, &of_ann(window("b", "on_call", 0, 50)), at(0)).unwrap();
    assert!(asked(&cache, &catalog, "on_call", None, 10));
    assert!(asked(&cache, &catalog, "travel", None, 150));
}

proptest! {
    #[test]
    fn a_window_comes_back_as_it_was(
        texts in proptest::array::uniform4("[^\\x00-\\x1f\\x7f-\\x9f]{1,20}"),
        values in proptest::collection::vec("[^\\x00-\\x1f\\x7f-\\x9f]{1,10}", 0..5),
        from in 0..4_000_000_000_000_i64, long in 1..3_000_000_000_i64,
    ) {
        let [id, change, reference, by] = &texts;
        let (joined, until) = (Window::join(&values), Timestamp::from_millis(from + long));
        let window = Window::new(id, change, Timestamp::from_millis(from), until);
        let window = window.said(reference, by).only(&joined);
        let packed = window.packed();
        prop_assert_eq!(Window::unpack(&packed), Some(window.clone()));
        prop_assert_eq!(window.values().collect::<Vec<_>>(), values);
    }

    #[test]
    fn no_text_is_read_wrongly(text in "\\PC{0,40}") {
        // Nothing, or a window; never a panic.
        let _maybe = Window::unpack(&text);
    }
}
