use triomphe::ThinArc;

use super::*;
use crate::model::{Catalog, Entities, EntityDecl, SignalId, SignalType, Vocabulary};
use crate::signals::record::{Scratch, Stored};

const USER: EntityKind = EntityKind(0);
const SESSION: EntityKind = EntityKind(1);
const SIGNAL: SignalId = SignalId(3);

fn secs(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_000 + seconds * 1000)
}

fn cache(max_entities: usize) -> Cache {
    let limits = Limits { max_entities, ..Limits::default() };
    Cache::new(limits, Secrets::random().unwrap())
}

fn set(cache: &Cache, kind: EntityKind, id: &str, x: f64, now: Timestamp) -> Result<(), Refused> {
    cache.update(kind, id, now, |r| r.set(SIGNAL, now, Value::Number(x))).map(|_| ())
}

fn number(cache: &Cache, kind: EntityKind, id: &str) -> Option<f64> {
    cache.read(kind, id)?.record()?.signal(SIGNAL)?.value.as_number()
}

fn catalog(session_forgotten_after: f64) -> Catalog {
    let session = EntityDecl {
        kind: SESSION,
        name: "session".into(),
        forget_after: Some(session_forgotten_after),
    };
    let user = EntityDecl { kind: USER, name: "user".into(), forget_after: None };
    Catalog::new(vec![user, session], Vec::new())
}

#[test]
fn entities_are_told_apart_by_kind_and_id() {
    let cache = cache(100);
    set(&cache, USER, "a", 1.0, secs(0)).unwrap();
    set(&cache, SESSION, "a", 2.0, secs(0)).unwrap();
    set(&cache, USER, "a\u{1}", 3.0, secs(0)).unwrap();
    assert_eq!(number(&cache, USER, "a"), Some(1.0));
    assert_eq!(number(&cache, SESSION, "a"), Some(2.0));
    assert_eq!(number(&cache, USER, "b"), None);
    assert_eq!(cache.stats().entities, 3);
    assert!(cache.forget(USER, "a"));
    assert!(!cache.forget(USER, "a"));
    assert_eq!((number(&cache, USER, "a"), cache.stats().entities), (None, 2));
}

#[test]
fn a_change_of_nothing_writes_nothing() {
    let cache = cache(100);
    let (_, written) = cache.update(USER, "a", secs(0), |_| ()).unwrap();
    assert_eq!((written, cache.stats().entities), (None, 0));
    set(&cache, USER, "a", 1.0, secs(10)).unwrap();
    let older = cache.update(USER, "a", secs(11), |r| r.set(SIGNAL, secs(9), Value::Number(2.0)));
    assert_eq!(older.unwrap(), (crate::signals::Applied::Older, None));
    assert_eq!(number(&cache, USER, "a"), Some(1.0));
}

#[test]
fn each_write_of_a_shard_has_the_next_number() {
    let cache = cache(100);
    let write = |x: f64| {
        cache.update(USER, "a", secs(0), |r| r.set(SIGNAL, secs(0), Value::Number(x))).unwrap().1
    };
    let (first, second) = (write(1.0).unwrap(), write(2.0).unwrap());
    assert_eq!((second.shard, second.seq), (first.shard, first.seq + 1));
    assert_eq!(cache.read(USER, "a").unwrap().record().unwrap().seq(), second.seq);
}

#[test]
fn ids_are_bounded() {
    let cache = cache(100);
    assert_eq!(set(&cache, USER, "", 1.0, secs(0)), Err(Refused::BadId));
    assert_eq!(set(&cache, USER, &"x".repeat(MAX_ID + 1), 1.0, secs(0)), Err(Refused::BadId));
    set(&cache, USER, &"x".repeat(MAX_ID), 1.0, secs(0)).unwrap();
    assert_eq!(number(&cache, USER, &"x".repeat(MAX_ID)), Some(1.0));
    assert_eq!(number(&cache, USER, &"x".repeat(1 << 20)), None);
}

#[test]
fn a_request_s_entities_are_fetched_together() {
    let cache = cache(100);
    for kind in 0..16 {
        set(&cache, EntityKind(kind), "x", f64::from(kind), secs(0)).unwrap();
    }
    let mut entities = Entities::default();
    for kind in 0..15 {
        entities.set(EntityKind(kind), "x");
    }
    entities.set(EntityKind(3), "unknown");
    let mut kinds = Kinds::ALL;
    kinds.remove(EntityKind(5));
    let fetched = cache.fetch(&entities, kinds, secs(0));
    let found: Vec<u8> = fetched.iter().map(|(kind, _)| kind.0).collect();
    assert_eq!(found, [0, 1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    for (kind, record) in fetched.iter() {
        let value = record.signal(SIGNAL).unwrap().value;
        assert_eq!(value, Value::Number(f64::from(kind.0)));
    }
    // What is fetched stays as it was while it is held.
    let held = fetched.record(EntityKind(0)).unwrap();
    set(&cache, EntityKind(0), "x", 99.0, secs(0)).unwrap();
    cache.forget(EntityKind(1), "x");
    assert_eq!(held.signal(SIGNAL).unwrap().value, Value::Number(0.0));
    assert_eq!(fetched.record(EntityKind(1)).unwrap().id(), "x");
}

#[test]
fn a_full_cache_refuses_while_everything_is_in_use_and_evicts_what_is_not() {
    let cache = cache(1000);
    for n in 0..1000 {
        set(&cache, USER, &format!("real-{n}"), 1.0, secs(0)).unwrap();
    }
    let refused = (0..1000).filter(|n| set(&cache, USER, &format!("f{n}"), 0.0, secs(30)).is_err());
    assert_eq!(refused.count(), 1000);
    let stats = cache.stats();
    assert_eq!((stats.entities, stats.refused, stats.evicted), (1000, 1000, 0));

    // Half of them are asked for again; then newcomers push out the others only.
    let real = |n: usize| format!("real-{n}");
    for n in 0..500 {
        let id = real(n);
        let mut entities = Entities::default();
        entities.set(USER, &id);
        cache.fetch(&entities, Kinds::ALL, secs(60));
    }
    let newcomers = (0..300).filter(|n| set(&cache, USER, &format!("n{n}"), 0.0, secs(90)).is_ok());
    let taken = newcomers.count();
    let stats = cache.stats();
    assert!(taken > 200, "{taken}");
    assert_eq!((stats.entities, stats.evicted), (1000, taken as u64));
    assert!((0..500).all(|n| number(&cache, USER, &real(n)).is_some()));
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let limits = Limits { max_entities: usize::MAX, max_bytes: 300_000, protect: 0.0 };
    let cache = Cache::new(limits, Secrets::random().unwrap());
    let long = "x".repeat(4096);
    for n in 0..20_000u32 {
        let id = format!("{n:x}-{}", long.get(..n as usize % 900).unwrap());
        let text = long.get(..(n as usize * 31) % 4096).unwrap();
        let now = secs(i64::from(n) / 100);
        let _ = cache.update(USER, &id, now, |r| r.set(SIGNAL, now, Value::Text(text)));
        assert!(cache.stats().bytes <= 300_000);
    }
    let stats = cache.stats();
    assert!(stats.evicted > 10_000 && stats.entities < 1000, "{stats:?}");
    // The account is right: it is empty when the cache is.
    let everything = catalog(0.0);
    for n in 0..20_000u32 {
        cache.forget(USER, &format!("{n:x}-{}", long.get(..n as usize % 900).unwrap()));
    }
    cache.sweep(&everything, secs(0), 1000);
    assert_eq!((cache.stats().entities, cache.stats().bytes), (0, 0));
}

#[test]
fn one_entity_that_grows_is_bounded_as_well() {
    let limits = Limits { max_entities: 10, max_bytes: 2000, protect: 0.0 };
    let cache = Cache::new(limits, Secrets::random().unwrap());
    set(&cache, USER, "a", 1.0, secs(0)).unwrap();
    let long = "x".repeat(3000);
    let grown = cache.update(USER, "a", secs(1), |r| r.set(SIGNAL, secs(1), Value::Text(&long)));
    assert_eq!(grown.map(|_| ()), Err(Refused::Full));
    assert_eq!(number(&cache, USER, "a"), Some(1.0), "what was there stays");
}

#[test]
fn sweeping_forgets_kinds_at_their_time() {
    let cache = cache(10_000);
    for n in 0..500 {
        set(&cache, USER, &format!("u{n}"), 1.0, secs(0)).unwrap();
        set(&cache, SESSION, &format!("s{n}"), 1.0, secs(n * 10)).unwrap();
    }
    let catalog = catalog(1000.0);
    let places: usize = cache.shards.iter().map(|shard| shard.table.load().ways()).sum();
    let mut swept = Swept::default();
    while swept.examined < places {
        let part = cache.sweep(&catalog, secs(4000), 128);
        assert!(part.examined > 0);
        swept.examined += part.examined;
        swept.expired += part.expired;
    }
    assert_eq!(swept.expired, 300, "those not heard of since 3000");
    let stats = cache.stats();
    assert_eq!((stats.entities, stats.expired, stats.evicted), (700, 300, 0));
    assert_eq!(number(&cache, SESSION, "s299"), None);
    assert_eq!(number(&cache, SESSION, "s300"), Some(1.0));
    assert_eq!(number(&cache, USER, "u0"), Some(1.0));
}

#[test]
fn sweeping_makes_room_by_dropping_the_longest_untouched() {
    let cache = cache(3200);
    for n in 0..3200 {
        set(&cache, USER, &format!("u{n}"), 1.0, secs(n)).unwrap();
    }
    // What is oldest is estimated, so it may take some calls.
    while cache.sweep(&catalog(1.0), secs(4000), 10_000).evicted > 0 {}
    let stats = cache.stats();
    assert_eq!((stats.expired, stats.evicted), (0, 200), "down to fifteen sixteenths");
    let newest_lost = (0..3200).rev().find(|n| number(&cache, USER, &format!("u{n}")).is_none());
    assert!(newest_lost.unwrap() < 800, "{newest_lost:?}");
}

#[test]
fn places_are_used_again() {
    let cache = cache(100);
    for n in 0..10_000 {
        set(&cache, USER, &format!("u{n}"), f64::from(n), secs(0)).unwrap();
        assert!(cache.forget(USER, &format!("u{n}")));
    }
    let ways: usize = cache.shards.iter().map(|shard| shard.table.load().ways()).sum();
    assert!(ways <= SHARDS * 16, "{ways}");
}

#[test]
fn people_see_names() {
    let vocabulary = Vocabulary::new();
    let user = vocabulary.kind("user").unwrap();
    let zone = vocabulary.signal(user, "zone", SignalType::Text).unwrap();
    let count = vocabulary.signal(user, "auth_count", SignalType::Counter).unwrap();
    let cache = cache(10);
    cache
        .update(user, "u1", secs(0), |r| {
            r.set(zone, secs(1), Value::Text("eu"));
            r.set(count, secs(2), Value::None);
        })
        .unwrap();
    let seen = cache.snapshot(&vocabulary, user, "u1").unwrap();
    assert_eq!((&*seen.kind, &*seen.id), ("user", "u1"));
    let signals: Vec<_> =
        seen.signals.iter().map(|s| (&*s.name, s.value.clone(), s.observed_at)).collect();
    let expected = [
        ("auth_count", OwnedValue::None, secs(2)),
        ("zone", OwnedValue::Text("eu".to_owned()), secs(1)),
    ];
    assert_eq!(signals, expected);
    assert_eq!(cache.snapshot(&vocabulary, user, "u2"), None);
}

#[test]
fn value_hashes_outlive_a_process_that_keeps_their_key() {
    let hash = |cache: &Cache, value| cache.value_hash(value);
    let with = |key| Cache::new(Limits::default(), Secrets::random().unwrap().with_value_key(key));
    let (one, same, other) = (with([1; 16]), with([1; 16]), with([2; 16]));
    let text = Value::Text("DE");
    assert_eq!(hash(&one, text), hash(&same, text));
    assert_ne!(hash(&one, text), hash(&other, text));
    assert_eq!(hash(&one, Value::Number(0.0)), hash(&one, Value::Number(-0.0)));
    assert_eq!(hash(&one, Value::Missing), None);
}

#[test]
fn what_is_only_derived_neither_makes_an_entity_nor_keeps_it() {
    let cache = cache(100);
    let derive = |id: &str, now: Timestamp| {
        cache.derive(USER, id, now, |record| {
            record.set(SIGNAL, now, Value::Number(7.0));
        })
    };
    derive("a", secs(0)).unwrap();
    assert_eq!(cache.stats().entities, 0);
    assert_eq!(cache.stats().bytes, 0);

    set(&cache, SESSION, "a", 1.0, secs(0)).unwrap();
    let now = secs(59);
    let two = |record: &mut RecordBuilder<'_>| {
        record.set(SIGNAL, now, Value::Number(2.0));
    };
    cache.derive(SESSION, "a", now, two).unwrap();
    assert_eq!(number(&cache, SESSION, "a"), Some(2.0));
    cache.sweep(&catalog(60.0), secs(100), 10_000);
    assert_eq!(number(&cache, SESSION, "a"), None);
}

#[test]
fn what_a_table_held_is_freed_with_it_and_once() {
    let (kind, now) = (USER, secs(0));
    let (published, mut filling) = (table::Published::default(), table::Filling::default());
    // Through many rebuilds, and with gaps.
    let records: Vec<Stored> = (0..500)
        .map(|n| {
            let mut scratch = Scratch::default();
            scratch.start(None).set(SignalId(0), now, Value::Number(f64::from(n)));
            scratch.build(kind, &format!("u{n}"), 1).unwrap()
        })
        .collect();
    let tag = |n: usize| key::Tag::of_word(0x1_0001 * (n as u32 + 2)).unwrap();
    for (n, record) in records.iter().enumerate() {
        assert!(published.insert(&mut filling, tag(n), record.clone(), now));
        if n % 3 == 0 {
            let table = published.load();
            let (entry, _) = table.find(tag(n), kind, &format!("u{n}")).unwrap();
            assert!(published.remove(&mut filling, entry).is_some());
        }
    }
    for (n, record) in records.iter().enumerate() {
        let expected = if n % 3 == 0 { 1 } else { 2 };
        assert_eq!(ThinArc::strong_count(record), expected, "u{n}");
        let found = published.load().find(tag(n), kind, &format!("u{n}")).is_some();
        assert_eq!(found, n % 3 != 0, "u{n}");
    }
    drop(published);
    assert!(records.iter().all(|record| ThinArc::strong_count(record) == 1));
}
