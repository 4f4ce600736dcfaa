mod expected;
mod rarity;

use std::sync::Arc;

use super::*;
use crate::model::ListKind;
use crate::model::{
    Entities, GeoField, Http, MeasureId, Membership, Owner, PackedSet, Party, PolicyField,
    Property, TravelFrom, Type,
};
use crate::signals::{
    Geo, GeoTable, Grid, LastPlace, Limits, List, OwnedPlace, Priors, RecordBuilder, SHARES,
    Secrets, Summary, Usual,
};

const NOW: Timestamp = Timestamp::from_millis(1_780_304_400_000);
const USER: EntityKind = EntityKind(0);
const DEVICE: EntityKind = EntityKind(1);
const ADDRESS: EntityKind = EntityKind(2);

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() - seconds * 1000)
}

fn slot(source: Source) -> Slot {
    Slot { name: "x".into(), source, ty: Type::Any, can_be_missing: true }
}

fn signal(kind: EntityKind, signal: u16, freshness: Freshness) -> Source {
    Source::Signal { kind, signal: SignalId(signal), freshness }
}

const AGELESS: Freshness = Freshness { fresh_for: None, half_life: None };

struct House {
    cache: Cache,
    feeds: Loaded,
    arena: Bump,
}

fn house() -> House {
    let cache = Cache::new(Limits::default(), Secrets::random().unwrap());
    let mut table = GeoTable::default();
    let place =
        OwnedPlace { country: Some("DE".into()), asn: Some(64_496), ..OwnedPlace::default() };
    assert!(table.insert("192.0.2.0/24", place));
    let (domains, _) = List::from_entries(ListKind::Domain, ["example.com"]);
    let (addresses, _) = List::from_entries(ListKind::Cidr, ["192.0.2.0/24"]);
    let lists = vec![Some(Arc::new(domains)), None, Some(Arc::new(addresses))];
    House { cache, feeds: Loaded::new(lists, Geo::table(table)), arena: Bump::new() }
}

fn request<'r>(properties: &'r [Property<'r>], headers: &'r [(&'r str, &'r str)]) -> Request<'r> {
    let mut entities = Entities::default();
    entities.set(USER, "u1");
    entities.set(ADDRESS, "::ffff:192.0.2.1");
    Request {
        now: NOW,
        subject: Party { kind: "user", id: "u1" },
        action: "transfer",
        resource: Party { kind: "account", id: "" },
        http: Some(Http { method: "POST", path: "/a", host: "h", scheme: "https", headers }),
        entities,
        address: Some("::ffff:192.0.2.1".parse().unwrap()),
        properties,
        enforces_limits: false,
    }
}

impl House {
    fn look_up(
        &self,
        request: &Request<'_>,
        sources: impl IntoIterator<Item = Source>,
        given: &[(u32, f64)],
    ) -> (Vec<(String, f64)>, Missed) {
        let slots: Vec<Slot> = sources.into_iter().map(slot).collect();
        let wanted: Vec<SlotId> = (0..slots.len() as u32).map(SlotId).collect();
        let records = self.cache.fetch(&request.entities, kinds_of(&slots, &wanted), request.now);
        let sources = Sources {
            cache: &self.cache,
            records: &records,
            feeds: &self.feeds,
            arena: &self.arena,
        };
        let given: Vec<_> =
            given.iter().map(|(at, x)| (SlotId(*at), Value::Number(*x).into())).collect();
        let mut view = View::new(slots.len(), request.now, false);
        let missed = look_up(&slots, &wanted, request, &given, &sources, &mut view);
        let readings = wanted.iter().map(|id| view.read(*id));
        (readings.map(|r| (format!("{:?}", r.value), r.freshness)).collect(), missed)
    }

    fn values(
        &self,
        request: &Request<'_>,
        sources: impl IntoIterator<Item = Source>,
    ) -> Vec<String> {
        self.look_up(request, sources, &[]).0.into_iter().map(|(value, _)| value).collect()
    }
}

fn shown(values: &[Value<'_>]) -> Vec<String> {
    values.iter().map(|value| format!("{value:?}")).collect()
}

#[test]
fn what_the_request_says() {
    let house = house();
    let properties = [
        Property { owner: Owner::Context, key: "amount", value: Value::Number(1e308) },
        Property { owner: Owner::Context, key: "odd", value: Value::Number(f64::NAN) },
        Property { owner: Owner::Resource, key: "a.b", value: Value::Bool(true) },
    ];
    let headers = [("user-agent", "curl")];
    let request = request(&properties, &headers);
    let property = |owner, key: &str| Source::Property { owner, key: key.into() };
    let values = house.values(
        &request,
        [
            Source::SubjectType,
            Source::SubjectId,
            Source::ActionName,
            Source::ResourceType,
            Source::ResourceId,
            property(Owner::Context, "amount"),
            property(Owner::Context, "odd"),
            property(Owner::Resource, "a.b"),
            property(Owner::Subject, "a.b"),
            Source::Http(HttpField::Method),
            Source::Http(HttpField::Path),
            Source::Http(HttpField::Host),
            Source::Http(HttpField::Scheme),
            Source::Header("user-agent".into()),
            Source::Header("accept".into()),
            Source::EntityId(USER),
            Source::EntityId(DEVICE),
            Source::EntityId(EntityKind(200)),
            Source::AddressIp,
            Source::Constant(Constant::Number(f64::NAN)),
            Source::Constant(Constant::Text("x".into())),
            Source::Constant(Constant::Bool(false)),
        ],
    );
    let expected = [
        Value::Text("user"),
        Value::Text("u1"),
        Value::Text("transfer"),
        Value::Text("account"),
        Value::Missing,
        Value::Number(1e308),
        Value::Missing,
        Value::Bool(true),
        Value::Missing,
        Value::Text("POST"),
        Value::Text("/a"),
        Value::Text("h"),
        Value::Text("https"),
        Value::Text("curl"),
        Value::Missing,
        Value::Text("u1"),
        Value::Missing,
        Value::Missing,
        Value::Address("192.0.2.1".parse().unwrap()),
        Value::Missing,
        Value::Text("x"),
        Value::Bool(false),
    ];
    assert_eq!(values, shown(&expected));
    let mut bare = request.clone();
    (bare.http, bare.address) = (None, None);
    let absent = [Source::Http(HttpField::Path), Source::Header("x".into()), Source::AddressIp];
    assert_eq!(house.values(&bare, absent), shown(&[Value::Missing; 3]));
}

#[test]
fn signals_age() {
    let house = house();
    let set = PackedSet::pack(["a"]);
    house
        .cache
        .update(USER, "u1", NOW, |r| {
            r.set(SignalId(1), ago(100), Value::Number(7.0));
            r.set(SignalId(2), ago(-200), Value::None);
            r.set(SignalId(3), ago(0), Value::Set(PackedSet::from_packed(&set)));
        })
        .unwrap();
    let fresh_for = |seconds| Freshness { fresh_for: Some(seconds), half_life: None };
    let half_life = |seconds| Freshness { fresh_for: None, half_life: Some(seconds) };
    let both = Freshness { fresh_for: Some(200.0), half_life: Some(50.0) };
    let table = [
        (1, AGELESS, Value::Number(7.0), 1.0),
        (1, fresh_for(100.0), Value::Number(7.0), 1.0),
        (1, fresh_for(99.9), Value::Missing, 1.0),
        (1, half_life(100.0), Value::Number(7.0), 0.5),
        (1, half_life(0.0), Value::Number(7.0), 1.0),
        (1, both, Value::Number(7.0), 0.25),
        (2, half_life(100.0), Value::None, 1.0),
        (2, fresh_for(0.0), Value::None, 1.0),
        (3, AGELESS, Value::Set(PackedSet::from_packed(&set)), 1.0),
        (4, AGELESS, Value::Missing, 1.0),
    ];
    let sources = table.iter().map(|(n, freshness, ..)| signal(USER, *n, *freshness));
    let (readings, missed) = house.look_up(&request(&[], &[]), sources, &[]);
    for ((value, freshness), (n, how, expected, expected_freshness)) in readings.iter().zip(table) {
        assert_eq!(
            (value, *freshness),
            (&format!("{expected:?}"), expected_freshness),
            "{n} {how:?}"
        );
    }
    assert_eq!(missed.slots, 2);
    let signals = missed.signals;
    assert_eq!((signals.missing, signals.stale), (1, 1), "{signals:?}");
    assert_eq!(signals.present, signals.ages.iter().sum::<u32>());
}

#[test]
fn what_was_not_there_is_told() {
    let house = house();
    let sources = [
        signal(USER, 1, AGELESS),
        signal(DEVICE, 2, AGELESS),
        Source::Learned,
        Source::Policy { policy: 0, field: PolicyField::Score },
        Source::EntityId(DEVICE),
    ];
    let (readings, missed) = house.look_up(&request(&[], &[]), sources, &[]);
    assert!(readings.iter().all(|(value, _)| value == "Missing"));
    assert_eq!(missed.unnamed.iter().collect::<Vec<_>>(), [DEVICE]);
    assert_eq!(missed.unknown.iter().collect::<Vec<_>>(), [USER]);
    assert_eq!(missed.slots, 3);
}

#[test]
fn records_of_another_request_are_not_used() {
    let house = house();
    house.cache.update(USER, "u2", NOW, |r| r.set(SignalId(1), NOW, Value::Number(1.0))).unwrap();
    let request = request(&[], &[]);
    let mut other = Entities::default();
    other.set(USER, "u2");
    let records = house.cache.fetch(&other, Kinds::ALL, NOW);
    let slots = [slot(signal(USER, 1, AGELESS))];
    let sources = Sources {
        cache: &house.cache,
        records: &records,
        feeds: &house.feeds,
        arena: &house.arena,
    };
    let mut view = View::new(1, NOW, false);
    let missed = look_up(&slots, &[SlotId(0)], &request, &[], &sources, &mut view);
    assert!(view.read(SlotId(0)).value.is_missing());
    assert!(missed.unknown.contains(USER));
}

#[test]
fn lists_geo_and_case_read_other_slots() {
    let house = house();
    house
        .cache
        .update(USER, "u1", NOW, |r| r.set(SignalId(1), ago(100), Value::Text("Mail.EXAMPLE.com")))
        .unwrap();
    let listed = |list, value| Source::Listed(Membership { list, value: SlotId(value) });
    let geo = |index, address, field| Source::Geo {
        query: GeoQuery { index, address: SlotId(address) },
        field,
    };
    let half_life = Freshness { fresh_for: None, half_life: Some(100.0) };
    let sources = [
        signal(USER, 1, half_life),
        Source::Lower(SlotId(0)),
        listed(0, 1),
        listed(1, 1),
        Source::AddressIp,
        listed(2, 4),
        geo(0, 4, GeoField::Country),
        geo(0, 4, GeoField::Asn),
        geo(0, 4, GeoField::City),
        Source::Constant(Constant::Text("192.0.2.77".into())),
        geo(1, 9, GeoField::Country),
        geo(2, 0, GeoField::Country),
        listed(99, 1),
        Source::Lower(SlotId(5)),
        Source::Lower(SlotId(12345)),
    ];
    let (readings, _) = house.look_up(&request(&[], &[]), sources, &[]);
    let expected = [
        (Value::Text("Mail.EXAMPLE.com"), 0.5),
        (Value::Text("mail.example.com"), 0.5),
        (Value::Bool(true), 0.5),
        (Value::Missing, 1.0),
        (Value::Address("192.0.2.1".parse().unwrap()), 1.0),
        (Value::Bool(true), 1.0),
        (Value::Text("DE"), 1.0),
        (Value::Number(64_496.0), 1.0),
        (Value::Missing, 1.0),
        (Value::Text("192.0.2.77"), 1.0),
        (Value::Text("DE"), 1.0),
        (Value::Missing, 1.0),
        (Value::Missing, 1.0),
        (Value::Missing, 1.0),
        (Value::Missing, 1.0),
    ];
    let expected: Vec<_> = expected.iter().map(|(value, f)| (format!("{value:?}"), *f)).collect();
    assert_eq!(readings, expected);
}

#[test]
fn one_learned_function_proves_the_contract() {
    let house = house();
    let german = house.cache.value_hash(Value::Text("DE")).unwrap();
    let familiar = |measure, value| Source::Familiar {
        kind: USER,
        measure: MeasureId(measure),
        value: SlotId(value),
    };
    let sources = || {
        [
            Source::Constant(Constant::Text("DE".into())),
            Source::Constant(Constant::Text("FR".into())),
            familiar(1, 0),
            familiar(1, 1),
            familiar(2, 0),
            Source::EntityId(DEVICE),
            familiar(1, 5),
        ]
    };
    let asked = |request: &Request<'_>| house.values(request, sources())[2..].to_vec();
    let request = request(&[], &[]);
    assert_eq!(asked(&request)[0], "Missing", "nothing learned");
    house.knows(1, &Summary::Familiar([german].into_iter().collect()));
    let (yes, no, unknown) = (Value::Bool(true), Value::Bool(false), Value::Missing);
    let expected = shown(&[yes, no, unknown, Value::Missing, unknown]);
    assert_eq!(asked(&request), expected);
}

impl House {
    fn knows(&self, measure: u16, summary: &Summary) {
        let put = |record: &mut RecordBuilder<'_>| record.summarise(MeasureId(measure), summary);
        self.cache.update(USER, "u1", NOW, put).unwrap();
    }
}

#[test]
fn deviations_count_from_what_is_usual_and_are_as_sure_as_much_is_known() {
    let house = house();
    let measure = MeasureId(1);
    let sources = || {
        [
            Source::Constant(Constant::Number(160.0)),
            Source::Deviation { kind: USER, measure, value: SlotId(0) },
            Source::Constant(Constant::Text("much".into())),
            Source::Deviation { kind: USER, measure, value: SlotId(2) },
            Source::Constant(Constant::Number(1e300)),
            Source::Deviation { kind: USER, measure, value: SlotId(4) },
        ]
    };
    let ask = |request: &Request<'_>| house.look_up(request, sources(), &[]).0;
    let request = request(&[], &[]);
    assert_eq!(ask(&request)[1].0, "Missing", "no prior at all");
    let usual = Usual { mean: 100.0, deviation: 20.0, weight: 1000.0 };
    house.cache.set_priors(Priors::new(vec![(measure, usual)]));
    assert_eq!(ask(&request)[1], ("Number(3.0)".to_owned(), 0.0), "like others, not sure at all");
    house.knows(1, &Summary::Usual(Usual { mean: 128.0, deviation: 8.0, weight: 63.0 }));
    let readings = ask(&request);
    assert_eq!(readings[1].0, "Number(4.0)");
    assert!((readings[1].1 - 63.0 / 67.0).abs() < 0.01, "{}", readings[1].1);
    assert_eq!(readings[3].0, "Missing", "a text deviates from nothing");
    assert_eq!(readings[5].0, "Number(100.0)", "told up to 100");
}

#[test]
fn percentiles_and_quantiles_are_of_the_entity_else_of_all() {
    let house = house();
    let (kind, measure) = (USER, MeasureId(1));
    let sources = || {
        [
            Source::Constant(Constant::Number(95.0)),
            Source::Percentile { kind, measure, value: SlotId(0) },
            Source::Quantile { kind, measure, share: 0.5, ty: Type::Number },
            Source::Quantile { kind, measure, share: 0.5, ty: Type::Duration },
            Source::Constant(Constant::Text("much".into())),
            Source::Percentile { kind, measure, value: SlotId(4) },
        ]
    };
    let ask = |request: &Request<'_>| house.look_up(request, sources(), &[]).0;
    let mut request = request(&[], &[]);
    let missing = |readings: &[(String, f64)]| {
        readings.iter().filter(|(value, _)| value == "Missing").count()
    };
    assert_eq!(missing(&ask(&request)), 4, "no prior at all");
    let points = SHARES.map(|share| 100.0 * share);
    let of_all = Grid { points: points.map(|x| 2.0 * x), weight: 1000.0 };
    house.cache.set_priors(Priors::default().with_grids(vec![(measure, of_all)]));
    let readings = ask(&request);
    assert_eq!(readings[2], ("Number(100.0)".to_owned(), 0.0), "like others, not sure at all");
    house.knows(1, &Summary::Grid(Grid { points, weight: 63.0 }));
    let readings = ask(&request);
    let shown: Vec<&str> = readings.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(shown[1..4], ["Number(0.95)", "Number(50.0)", "Duration(50.0)"]);
    assert_eq!(shown[5], "Missing", "a text has no place among numbers");
    for (_, sure) in &readings[1..4] {
        assert!((sure - 63.0 / 67.0).abs() < 0.01, "{sure}");
    }
    request.entities = Entities::default();
    assert_eq!(missing(&ask(&request)), 4, "nobody is asked about");
}

#[test]
fn who_was_elsewhere_a_while_ago_has_travelled() {
    let house = house();
    let measure = MeasureId(1);
    let travel = |excused| Source::TravelSpeed {
        kind: USER,
        measure,
        from: TravelFrom { latitude: SlotId(0), longitude: SlotId(1), radius: SlotId(2), excused },
    };
    let number = |x| Source::Constant(Constant::Number(x));
    let sources = || {
        [
            number(0.0),
            number(10.0),
            number(11.0),
            travel(None),
            Source::Constant(Constant::Bool(true)),
            travel(Some(SlotId(4))),
        ]
    };
    let mut request = request(&[], &[]);
    let ask = |request: &Request<'_>| -> Vec<f64> {
        let values = house.values(request, sources());
        let number = |text: &str| text.trim_start_matches("Number(").trim_end_matches(')').parse();
        [3, 5].map(|at: usize| number(&values[at]).unwrap_or(f64::NAN)).to_vec()
    };
    assert!(ask(&request)[0].is_nan(), "no last place");
    let place = LastPlace { at: NOW, latitude: 0.0, longitude: 0.0, radius_km: 1.0 };
    house.knows(1, &Summary::Place(place));
    request.now = ago(-7200);
    // Ten degrees of the equator, less how far off both may be, in two hours.
    let speed = (6371.0088 * 10f64.to_radians() - 12.0) / 2.0;
    let asked = ask(&request);
    assert!((asked[0] - speed).abs() < 0.01, "{} for {speed}", asked[0]);
    assert_eq!(asked[1], 0.0, "excused");
    request.now = ago(7200);
    assert!((ask(&request)[0] - speed * 120.0).abs() < 1.0, "never less than a minute");
}

#[test]
fn hours_and_windows_are_read_as_they_were_learned() {
    let house = house();
    let mut levels = [0; 24];
    levels[usize::try_from(NOW.millis() / 3_600_000 % 24).unwrap()] = 5;
    let sources = || {
        let (kind, measure) = (USER, MeasureId);
        [
            Source::UnusualHour { kind, measure: measure(1) },
            Source::Window { kind, measure: measure(2) },
        ]
    };
    let request = request(&[], &[]);
    assert_eq!(house.values(&request, sources()), shown(&[Value::Missing, Value::Missing]));
    house.knows(1, &Summary::Hours(levels));
    house.knows(2, &Summary::Window(17.0));
    let expected = [Value::Number(1.0 - 5.0 / 15.0), Value::Number(17.0)];
    assert_eq!(house.values(&request, sources()), shown(&expected));
}

#[test]
fn given_readings_stand_in_for_what_would_be_looked_up() {
    let house = house();
    house.cache.update(USER, "u1", NOW, |r| r.set(SignalId(1), NOW, Value::Text("X"))).unwrap();
    let sources = || [signal(USER, 1, AGELESS), Source::Lower(SlotId(0)), Source::Learned];
    let (readings, missed) = house.look_up(&request(&[], &[]), sources(), &[(0, 5.0), (2, 4.2)]);
    let values: Vec<_> = readings.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(values, ["Number(5.0)", "Missing", "Number(4.2)"], "dependents see it");
    assert_eq!(missed.slots, 1);
}
