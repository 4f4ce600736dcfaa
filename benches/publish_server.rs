//! A real server that publishes precompiled snapshots while it answers: what a
//! reload costs those who ask meanwhile.
//!
//!     publish_server serve 127.0.0.1:9391 100     # snapshots a second; 0 for none
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use plimsoll::api::pdp::Published;
use plimsoll::app::App;
use plimsoll::config::Config;
use plimsoll::policy::compile::compile;
use plimsoll::policy::publisher::feed_specs;
use plimsoll::policy::source::SourceSet;
use plimsoll::signals::Feeds;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many compiled snapshots take turns.
const SNAPSHOTS: usize = 10;

fn serve(address: &str, a_second: u32) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = Config::load(Some(&root.join("benches/plimsoll.yaml"))).unwrap();
    config.listen.grpc = address.to_owned();
    config.listen.http = "127.0.0.1:0".to_owned();
    config.policies = root.join("benches/policies");
    let app = App::start(&config).unwrap();
    println!("{address}: {a_second} snapshots a second");
    // Nobody sends: this waits, until the process is ended from outside.
    let (_never, stop) = channel::<()>();
    if a_second == 0 {
        let _ended = stop.recv();
        return;
    }
    let compiled: Vec<Arc<Published>> = (0..SNAPSHOTS)
        .map(|_| {
            let set = SourceSet::read(&config.policies);
            let (snapshot, diagnostics) = compile(&set, &app.pdp.vocabulary);
            let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
            let feeds = Arc::new(Feeds::new(feed_specs(&snapshot, &config.policies), None));
            Arc::new(Published::new(snapshot, feeds, &app.pdp.metrics))
        })
        .collect();
    let every = Duration::from_secs(1) / a_second;
    let mut next = Instant::now();
    for published in compiled.iter().cycle() {
        next += every;
        let pause = next.saturating_duration_since(Instant::now());
        if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        app.pdp.publish(Arc::clone(published));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // `cargo bench` and `cargo test --benches` start every bench: there is nothing to do then.
    if let ["serve", address, a_second] = arguments.as_slice() {
        serve(address, a_second.parse().unwrap());
    }
}
