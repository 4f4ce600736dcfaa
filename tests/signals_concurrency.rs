//! Readers beside writers: each sees whole records, and misses none that is there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in helpers too")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use plimsoll::model::{Catalog, Entities, EntityKind, SignalId, Timestamp, Value};
use plimsoll::signals::{Cache, Kinds, Limits, Record, Refused, Secrets};

const USER: EntityKind = EntityKind(0);
const DEVICE: EntityKind = EntityKind(1);
const WRITES: u32 = 10_000;

fn at(millis: u32) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_000 + i64::from(millis))
}

/// Writes the same number as number, text and time, under one observation.
fn write(cache: &Cache, kind: EntityKind, id: &str, n: u32) -> Result<(), Refused> {
    // Texts of differing length, so that records move between allocator sizes.
    let text = format!("{n:0width$}", width = 1 + n as usize % 97);
    cache
        .update(kind, id, at(n), |record| {
            record.set(SignalId(1), at(n), Value::Number(f64::from(n)));
            record.set(SignalId(2), at(n), Value::Text(&text));
            record.set(SignalId(3), at(n), Value::Timestamp(at(n)));
        })
        .map(|_| ())
}

/// Ends the readers when the writers have ended, also by a panic.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The number that all signals of a record agree on.
fn agreed(record: Record<'_>) -> u32 {
    let value = |signal| record.signal(SignalId(signal)).unwrap();
    let number = value(1).value.as_number().unwrap() as u32;
    assert_eq!(value(2).value.as_text().unwrap().parse(), Ok(number));
    assert_eq!(value(3).value, Value::Timestamp(at(number)));
    assert!((1..=3).all(|signal| value(signal).observed_at == at(number)));
    number
}

#[test]
fn readers_never_see_a_torn_record_nor_miss_one() {
    let cache = Cache::new(Limits::default(), Secrets::random().unwrap());
    for id in ["a", "b", "c"] {
        write(&cache, USER, id, 0).unwrap();
        write(&cache, DEVICE, id, 0).unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|id| {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 1..=WRITES {
                        write(cache, if n % 2 == 0 { USER } else { DEVICE }, id, n).unwrap();
                        // The index grows and shrinks beside the readers.
                        write(cache, EntityKind(2), &format!("{id}-{n}"), n).unwrap();
                        if n > 1000 {
                            cache.forget(EntityKind(2), &format!("{id}-{}", n - 1000));
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = [0; 3];
                while !done.load(Ordering::Acquire) {
                    for (id, last) in ["a", "b", "c"].into_iter().zip(&mut last) {
                        let mut entities = Entities::default();
                        entities.set(USER, id);
                        entities.set(DEVICE, id);
                        let fetched = cache.fetch(&entities, Kinds::ALL, at(0));
                        assert_eq!(fetched.iter().count(), 2, "a record is always there");
                        let user = agreed(fetched.record(USER).unwrap());
                        agreed(fetched.record(DEVICE).unwrap());
                        assert!(user >= *last, "time goes forward");
                        *last = user;
                    }
                }
            });
        }
        let _end = EndOnDrop(&done);
        for writer in writers {
            writer.join().unwrap();
        }
    });
    assert_eq!(cache.stats().entities, 6 + 3 * 1000);
}

#[test]
fn what_is_dropped_while_it_is_read_is_read_whole_or_not_at_all() {
    let limits = Limits { max_entities: 500, protect: 0.0, ..Limits::default() };
    let cache = Cache::new(limits, Secrets::random().unwrap());
    let catalog = Catalog::default();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2u32)
            .map(|writer| {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..WRITES {
                        let n = n * 2 + writer;
                        // Refused where the shard has nothing to evict just now.
                        let _ = write(cache, USER, &format!("u{}", n % 5000), n);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                cache.sweep(&catalog, at(WRITES), 256);
            }
        });
        scope.spawn(|| {
            let mut n = 0u32;
            while !done.load(Ordering::Acquire) {
                n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let id = format!("u{}", n % 5000);
                if let Some(held) = cache.read(USER, &id) {
                    let record = held.record().unwrap();
                    assert_eq!((record.id(), agreed(record) % 5000), (id.as_str(), n % 5000));
                }
            }
        });
        let _end = EndOnDrop(&done);
        for writer in writers {
            writer.join().unwrap();
        }
    });
    let stats = cache.stats();
    assert!(stats.entities <= 500 && stats.evicted > 0, "{stats:?}");
}
