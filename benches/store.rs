//! How fast a store takes what is reported, and how fast it is loaded:
//! `cargo bench --bench store -- 1000000`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use plimsoll::model::{Plan, SignalType, Timestamp, Value, Vocabulary};
use plimsoll::signals::{Cache, Limits, Marks, Secrets};
use plimsoll::store::Store;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIGNALS: usize = 10;

fn main() {
    let count = std::env::args().filter_map(|arg| arg.parse().ok()).next_back();
    let count: usize = count.unwrap_or(10_000);
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), count);

    let began = Instant::now();
    let vocabulary = vocabulary();
    let store = Store::open(folder.path(), Arc::clone(&vocabulary)).unwrap();
    let opened = began.elapsed();
    let cache = cache();
    store.load(&cache, &Plan::default()).unwrap();
    assert_eq!(cache.stats().entities, count);
    println!(
        "{count} entities of {SIGNALS} signals: opened in {opened:.2?}, ready in {:.2?}",
        began.elapsed()
    );
}

fn cache() -> Arc<Cache> {
    Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()).journaled())
}

fn vocabulary() -> Arc<Vocabulary> {
    let vocabulary = Vocabulary::new();
    let kind = vocabulary.kind("user").unwrap();
    for n in 0..SIGNALS {
        vocabulary.signal(kind, &format!("signal_{n}"), SignalType::Number).unwrap();
    }
    Arc::new(vocabulary)
}

/// Writes so many entities as reports would, and waits until they are on disk.
fn fill(folder: &std::path::Path, count: usize) {
    let vocabulary = vocabulary();
    let kind = vocabulary.kind("user").unwrap();
    let ids: Vec<_> = (0..SIGNALS)
        .map(|n| vocabulary.signal(kind, &format!("signal_{n}"), SignalType::Number).unwrap())
        .collect();
    let store = Arc::new(Store::open(folder, vocabulary).unwrap());
    let cache = cache();
    let (stop, stopped) = channel::<()>();
    let keeper = {
        let (store, cache) = (Arc::clone(&store), Arc::clone(&cache));
        std::thread::spawn(move || store.run(&cache, || None, &stopped))
    };
    let began = Instant::now();
    let now = Timestamp::now();
    let mut marks = Marks::default();
    for user in 0..count {
        let (_, written) = cache
            .update(kind, &format!("user-{user:09}"), now, |record| {
                for (n, signal) in ids.iter().enumerate() {
                    record.set(*signal, now, Value::Number((user * n) as f64));
                }
            })
            .unwrap();
        marks.include(written.unwrap());
    }
    let accepted = began.elapsed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // As often as it takes: a wait ends after ten seconds.
    while runtime.block_on(store.durable().wait(&marks)).is_err() {}
    let rate = (count * SIGNALS) as f64 / began.elapsed().as_secs_f64();
    println!("accepted in {accepted:.2?}, on disk in {:.2?}: {rate:.0} signals/s", began.elapsed());
    drop(stop);
    keeper.join().unwrap();
}
