//! What look-up and ingest cost. Prints nanoseconds; run it alone on a core:
//! `cargo bench --bench signals`, with `-- 10000000` for ten million entities.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use plimsoll::model::{
    Catalog, Entities, EntityDecl, EntityKind, Freshness, Learn, SignalDecl, SignalId, SignalType,
    Timestamp, Value, Vocabulary,
};
use plimsoll::signals::{
    Cache, Kinds, Limits, Observations, Refused, Report, ReportedValue, Secrets, ingest,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The entities are dealt to four kinds.
fn kind_of(number: usize) -> EntityKind {
    EntityKind((number % 4) as u8)
}

fn main() -> Result<(), Box<dyn Error>> {
    let most = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    for entities in [10_000, 100_000, 1_000_000, 10_000_000] {
        if entities <= most {
            measure(entities)?;
        }
    }
    ingest_rate()
}

/// Reports of ten numeric signals, and of one, about 100,000 users, through the
/// whole of ingest: names, types, times.
fn ingest_rate() -> Result<(), Box<dyn Error>> {
    const USERS: usize = 100_000;
    let vocabulary = Vocabulary::new();
    let user = vocabulary.kind("user").ok_or("a kind")?;
    let names: Vec<String> = (0..10).map(|n| format!("signal_{n}")).collect();
    let mut signals = Vec::new();
    for name in &names {
        let ty = SignalType::Number;
        signals.push(SignalDecl {
            kind: user,
            name: name.as_str().into(),
            id: vocabulary.signal(user, name, ty).ok_or("a signal")?,
            ty,
            values: Vec::new(),
            unit: None,
            freshness: Freshness::default(),
            pii: false,
            observe: None,
            learn: Learn::default(),
            teaches: false,
        });
    }
    let entity = EntityDecl { kind: user, name: "user".into(), forget_after: None };
    let catalog = Catalog::new(vec![entity], signals);
    let cache = Cache::new(Limits::default(), Secrets::random()?);
    let ids: Vec<String> = (0..USERS).map(|n| format!("user-{n:08}")).collect();
    let observations = Observations::new(1);
    let mut clock = 0;
    for of in [10, 1] {
        for round in 0..3 {
            clock += 1;
            let now = Timestamp::from_millis(1_750_000_000_000 + clock);
            let started = Instant::now();
            let mut accepted = 0;
            for id in &ids {
                let numbers = names.iter().take(of);
                let report = Report {
                    kind: "user".into(),
                    id: id.as_str().into(),
                    signals: numbers
                        .map(|name| (name.as_str().into(), ReportedValue::Number(1.0)))
                        .collect(),
                    observed_at: Some(now),
                };
                accepted += ingest(&catalog, &cache, &observations, &report, now).accepted;
            }
            let rate = accepted as f64 / started.elapsed().as_secs_f64() / 1e6;
            println!("ingest, {of} signals a report, round {round}: {rate:.2} M signals/s");
        }
    }
    Ok(())
}

fn measure(entities: usize) -> Result<(), Box<dyn Error>> {
    let limits = Limits { max_entities: 20_000_000, max_bytes: 20 << 30, protect: 60.0 };
    let cache = Cache::new(limits, Secrets::random()?);
    let before = resident_mib();
    let now = Timestamp::from_millis(1_750_000_000_000);
    let started = Instant::now();
    for number in 0..entities {
        write(&cache, number, now)?;
    }
    let load = started.elapsed();
    let loaded = resident_mib();
    let started = Instant::now();
    for number in 0..entities {
        write(&cache, number, now)?;
    }
    let again = started.elapsed();
    println!(
        "{entities} entities of 10 numbers: {:.0} MiB ({:.0} after all are written again), counted {} MiB; a first write {} ns, a rewrite {} ns",
        loaded - before,
        resident_mib() - before,
        cache.stats().bytes >> 20,
        load.as_nanos() / entities as u128,
        again.as_nanos() / entities as u128,
    );
    fetch(&cache, entities, now);
    Ok(())
}

fn write(cache: &Cache, number: usize, now: Timestamp) -> Result<(), Refused> {
    let id = format!("user-{number:08}");
    cache.update(kind_of(number), &id, now, |record| {
        for signal in 0..10 {
            record.set(SignalId(signal), now, Value::Number(f64::from(signal)));
        }
    })?;
    Ok(())
}

/// Four entities at once, of one kind each, at random.
fn fetch(cache: &Cache, entities: usize, now: Timestamp) {
    const ROUNDS: usize = 200_000;
    // The ids stand in order of use, so that reading them isn't what is measured.
    let ids: Vec<String> = (0..ROUNDS * 4)
        .map(|at| format!("user-{:08}", fastrand::usize(..entities / 4) * 4 + at % 4))
        .collect();
    for of in [0, 1, 4] {
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let started = Instant::now();
            for four in ids.chunks_exact(4) {
                let mut wanted = Entities::default();
                for (kind, id) in four.iter().take(of).enumerate() {
                    wanted.set(kind_of(kind), id);
                }
                let records = cache.fetch(&wanted, Kinds::ALL, now);
                let mut sum = 0.0;
                let mut found = 0;
                for (_, record) in records.iter() {
                    found += 1;
                    for signal in [0, 3, 6, 9] {
                        if let Some(cell) = record.signal(SignalId(signal)) {
                            sum += cell.value.as_number().unwrap_or(0.0);
                        }
                    }
                }
                assert_eq!(found, of);
                black_box(sum);
            }
            best = best.min(started.elapsed().as_nanos() as f64 / ROUNDS as f64);
        }
        println!("  fetch {of} entities, four signals of each: {best:.0} ns");
    }
}

fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4096.0 / f64::from(1 << 20)
}
