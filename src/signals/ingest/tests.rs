use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{
    EntityKind, Freshness, Learn, PackedSet, SignalDecl, SignalType, Value, Vocabulary,
};
use crate::signals::{Limits, Secrets};

const NOW: Timestamp = Timestamp::from_millis(1_780_304_400_000);

struct House {
    catalog: Catalog,
    cache: Cache,
    user: EntityKind,
}

fn house() -> House {
    let vocabulary = Vocabulary::new();
    let user = vocabulary.kind("user").unwrap();
    let declared = [
        ("managed", SignalType::Bool),
        ("risk", SignalType::Number),
        ("auth_count", SignalType::Counter),
        ("download_bytes", SignalType::Event),
        ("country", SignalType::Text),
        ("role", SignalType::Enum),
        ("created_at", SignalType::Timestamp),
        ("session_age", SignalType::Duration),
        ("place", SignalType::Location),
        ("groups", SignalType::Set),
    ];
    let signals = declared.map(|(name, ty)| SignalDecl {
        kind: user,
        name: name.into(),
        id: vocabulary.signal(user, name, ty).unwrap(),
        ty,
        values: match ty {
            SignalType::Enum => ["member", "admin"].map(Arc::from).to_vec(),
            _ => Vec::new(),
        },
        unit: None,
        freshness: Freshness::default(),
        pii: false,
        observe: None,
        learn: Learn::default(),
        teaches: false,
    });
    let entity = EntityDecl { kind: user, name: "user".into(), forget_after: None };
    House {
        catalog: Catalog::new(vec![entity], signals.to_vec()),
        cache: Cache::new(Limits::default(), Secrets::random().unwrap()),
        user,
    }
}

impl House {
    fn report(&self, signals: Vec<(&str, ReportedValue<'_>)>) -> IngestOutcome {
        self.report_at("u1", signals, None)
    }

    fn report_at(
        &self,
        id: &str,
        signals: Vec<(&str, ReportedValue<'_>)>,
        observed_at: Option<Timestamp>,
    ) -> IngestOutcome {
        let report = Report {
            kind: "user".into(),
            id: id.into(),
            signals: signals.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            observed_at,
        };
        ingest(&self.catalog, &self.cache, &Observations::new(1), &report, NOW)
    }

    /// A signal's value as Rust shows it.
    fn known(&self, name: &str) -> String {
        let id = self.catalog.signal("user", name).unwrap().id;
        let held = self.cache.read(self.user, "u1");
        let value = held
            .as_ref()
            .and_then(|held| held.record()?.signal(id))
            .map_or(Value::Missing, |cell| cell.value);
        format!("{value:?}")
    }
}

fn text(text: &str) -> ReportedValue<'_> {
    ReportedValue::Text(text.into())
}

fn list<'r>(members: &[&'r str]) -> ReportedValue<'r> {
    ReportedValue::List(members.iter().map(|m| Cow::Borrowed(*m)).collect())
}

use ReportedValue::{Bool, Location, Null, Number, Other};

#[test]
fn each_type_is_read_as_declared() {
    let house = house();
    let (place, groups) =
        (Value::Location { latitude: 52.5, longitude: 13.25 }, PackedSet::pack(["ops", "dev"]));
    let at = |millis| Value::Timestamp(Timestamp::from_millis(millis));
    let table = [
        ("managed", Bool(true), Value::Bool(true)),
        ("risk", Number(-1e308), Value::Number(-1e308)),
        ("auth_count", Number(10.0), Value::Number(10.0)),
        ("download_bytes", Number(0.5), Value::Number(0.5)),
        ("country", text("DE"), Value::Text("DE")),
        ("role", text("admin"), Value::Text("admin")),
        ("created_at", text("2026-06-01T09:00:00Z"), at(1_780_304_400_000)),
        ("created_at", text("2026-06-01T11:00:00.5+02:00"), at(1_780_304_400_500)),
        ("session_age", Number(1.5), Value::Duration(1.5)),
        ("session_age", text("30s"), Value::Duration(30.0)),
        ("session_age", text("5m"), Value::Duration(300.0)),
        ("session_age", text("1.5h"), Value::Duration(5400.0)),
        ("session_age", text("28d"), Value::Duration(2_419_200.0)),
        ("place", Location { latitude: 52.5, longitude: 13.25 }, place),
        ("groups", list(&["ops", "dev"]), Value::Set(PackedSet::from_packed(&groups))),
        ("groups", list(&[]), Value::Set(PackedSet::from_packed(""))),
        ("risk", Null, Value::None),
        ("groups", Null, Value::None),
    ];
    for (name, reported, expected) in table {
        let outcome = house.report(vec![(name, reported.clone())]);
        assert_eq!(outcome.verdict(0), Verdict::Accepted, "{name} {reported:?}");
        assert_eq!(house.known(name), format!("{expected:?}"));
    }
}

#[test]
fn what_is_wrong_is_refused_by_name_and_the_rest_is_kept() {
    let house = house();
    let long = "x".repeat(4097);
    let many: Vec<String> = (0..257).map(|n| n.to_string()).collect();
    let many = ReportedValue::List(many.iter().map(|m| m.as_str().into()).collect());
    let table = [
        ("auth_cuont", Number(1.0), "unknown signal `user.auth_cuont`; did you mean `auth_count`?"),
        ("zzz", Number(1.0), "unknown signal `user.zzz`"),
        ("risk", text("7"), "`risk`: expected number, got string"),
        ("risk", Bool(true), "`risk`: expected number, got bool"),
        ("risk", Other("object"), "`risk`: expected number, got object"),
        ("risk", Number(f64::NAN), "`risk`: must be a finite number"),
        ("auth_count", Number(f64::INFINITY), "`auth_count`: must be a finite number"),
        ("managed", Number(1.0), "`managed`: expected bool, got number"),
        ("country", Null, ""),
        ("country", text(&long), "`country`: a string of 4097 bytes; at most 4096 are taken"),
        ("role", text("root"), "`role`: `root` is not one of `member`, `admin`"),
        (
            "created_at",
            Number(1.7e9),
            "`created_at`: expected an RFC 3339 string, as `2026-06-01T09:00:00Z`, got a number \
             (it doesn't say whether seconds or milliseconds)",
        ),
        (
            "created_at",
            text("yesterday"),
            "`created_at`: expected an RFC 3339 string, as `2026-06-01T09:00:00Z`, got `yesterday`",
        ),
        (
            "session_age",
            text("1y"),
            "`session_age`: expected seconds as a number, or a string as `30s`, `5m`, `24h`, `28d`, \
             got `1y`",
        ),
        (
            "place",
            Location { latitude: 91.0, longitude: 0.0 },
            "`place`: latitude must be within -90 to 90 and longitude within -180 to 180",
        ),
        ("groups", many, "`groups`: a set of 257 members; at most 256 are taken"),
        ("groups", list(&["a\0b"]), "`groups`: a member of the set contains NUL"),
        ("groups", text("ops"), "`groups`: expected list of strings, got string"),
    ];
    let signals = table.iter().map(|(name, value, _)| (*name, value.clone())).collect();
    let outcome = house.report(signals);
    for (place, (name, value, why)) in table.iter().enumerate() {
        let told = match outcome.verdict(place) {
            Verdict::Rejected(why) => why.to_string(),
            other => format!("{other:?}"),
        };
        let expected = if why.is_empty() { "Accepted" } else { why };
        assert_eq!(told, expected, "{name} {value:?}");
    }
    assert_eq!(outcome.accepted, 1);
    assert_eq!(house.known("country"), "None");
    let stats = house.cache.stats();
    assert_eq!((stats.signals_accepted, stats.signals_rejected), (1, 17));
}

#[test]
fn odd_spans_are_no_spans() {
    let house = house();
    for odd in ["", "s", "5", "-5s", "1e3s", "infd", "NaNs", "5 m", "ßs", "9".repeat(400).as_str()]
    {
        let outcome = house.report(vec![("session_age", text(odd))]);
        assert!(matches!(outcome.verdict(0), Verdict::Rejected(_)), "{odd}");
    }
    let endless = format!("{}d", "9".repeat(400));
    assert_eq!(house.report(vec![("session_age", text(&endless))]).accepted, 0);
}

#[test]
fn a_report_that_names_no_entity_is_refused_whole() {
    let house = house();
    let refused = |report: &Report<'_>| {
        let outcome = ingest(&house.catalog, &house.cache, &Observations::new(1), report, NOW);
        assert!(matches!(outcome.verdict(0), Verdict::Rejected(_)));
        (outcome.refused.unwrap().to_string(), outcome.accepted)
    };
    let report = |kind: &'static str, id: &str, at: i64| Report {
        kind: kind.into(),
        id: id.to_owned().into(),
        signals: vec![("risk".into(), Number(1.0))],
        observed_at: Some(Timestamp::from_millis(at)),
    };
    let now = NOW.millis();
    let id = |len| {
        format!("the entity id must have 1 to 1024 bytes and no NUL; this one has {len} bytes")
    };
    assert_eq!(
        refused(&report("usr", "u1", now)).0,
        "unknown entity kind `usr`; did you mean `user`?"
    );
    assert_eq!(refused(&report("user", "", now)).0, id(0));
    assert_eq!(refused(&report("user", &"x".repeat(1025), now)).0, id(1025));
    assert_eq!(refused(&report("user", "a\0b", now)).0, id(3));
    assert_eq!(
        refused(&report("user", "u1", now + 300_001)).0,
        "`observed_at` is 300 s ahead of this server's clock; at most 300 s are taken"
    );
    assert_eq!(refused(&report("user", "u1", -1)).0, "`observed_at` is before 1970");
    assert_eq!(refused(&report("user", "u1", i64::MAX)).1, 0);
    assert_eq!(house.cache.stats().entities, 0);
    let within = ingest(
        &house.catalog,
        &house.cache,
        &Observations::new(1),
        &report("user", "u1", now + 300_000),
        NOW,
    );
    assert_eq!(within.accepted, 1);
}

#[test]
fn a_sender_s_text_is_cut_before_it_is_repeated() {
    let house = house();
    let long = "ß".repeat(5000);
    let outcome = house.report(vec![(&long, Null), ("role", text(&long))]);
    for place in 0..2 {
        let Verdict::Rejected(why) = outcome.verdict(place) else { panic!("not refused") };
        assert!(why.to_string().len() < 150, "{why}");
    }
}

#[test]
fn a_full_cache_says_so() {
    let mut house = house();
    let limits = Limits { max_entities: 1, ..Limits::default() };
    house.cache = Cache::new(limits, Secrets::random().unwrap());
    assert_eq!(house.report_at("u1", vec![("risk", Number(1.0))], None).accepted, 1);
    let outcome = house.report_at("u2", vec![("risk", Number(1.0))], None);
    assert_eq!(outcome.refused, Some(Rejection::Cache(Refused::Full)));
    assert_eq!(outcome.accepted, 0);
}

proptest! {
    /// Of each signal the latest observation stands, in whatever order reports come.
    #[test]
    fn older_reports_never_overwrite_newer_ones(
        reports in Just((0..20i64).collect::<Vec<_>>()).prop_shuffle(),
        names in prop::collection::vec(0usize..3, 20),
    ) {
        let house = house();
        let signals = ["risk", "auth_count", "download_bytes"];
        let mut latest = [None::<i64>; 3];
        for (at, which) in reports.iter().zip(&names) {
            let reported = vec![(signals[*which], Number(*at as f64))];
            let outcome =
                house.report_at("u1", reported, Some(Timestamp::from_millis(1_000 + at)));
            let expected = if latest[*which].is_some_and(|known| known > *at) {
                Verdict::IgnoredOlder
            } else {
                latest[*which] = Some(*at);
                Verdict::Accepted
            };
            prop_assert_eq!(outcome.verdict(0), expected);
        }
        for (name, latest) in signals.iter().zip(latest) {
            let expected = latest.map_or(Value::Missing, |at| Value::Number(at as f64));
            prop_assert_eq!(house.known(name), format!("{:?}", expected));
        }
    }
}
