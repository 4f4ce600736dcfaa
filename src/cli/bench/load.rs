//! Sending: as fast as answers come, or at a rate that doesn't wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::call::{Call, Connection, Failure};
use super::tally::Tally;

/// How long answers may take that are still awaited at the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pacer rests at least so long: what falls due meanwhile goes out together.
const REST: Duration = Duration::from_micros(50);

#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Requests(u64),
    Elapsed(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) until: Until,
    /// Requests a second.
    pub(super) rate: Option<f64>,
    pub(super) streams: u32,
}

/// What all streams share.
struct Shared {
    load: Load,
    call: Call,
    began: Instant,
    /// The number of the next request.
    next: AtomicU64,
    /// Requests that are due and not yet sent; only at a rate.
    due: Semaphore,
    /// Tells the pacer that nobody sends any more.
    ended: AtomicBool,
}

impl Load {
    /// Runs it. Gives what came back and how long it took.
    pub(super) async fn run(self, call: Call, connections: Vec<Connection>) -> (Tally, Duration) {
        let shared = Arc::new(Shared {
            load: self,
            call,
            began: Instant::now(),
            next: AtomicU64::new(0),
            due: Semaphore::new(0),
            ended: AtomicBool::new(false),
        });
        let pacer = self.rate.map(|rate| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || pace(&shared, rate))
        });
        let mut tallies = Vec::new();
        let mut streams = JoinSet::new();
        for connection in connections {
            let tally = Arc::new(Mutex::new(Tally::default()));
            for _ in 0..self.streams {
                let (shared, tally) = (Arc::clone(&shared), Arc::clone(&tally));
                streams.spawn(stream(shared, connection.clone(), tally));
            }
            tallies.push(tally);
        }
        let all = async { while streams.join_next().await.is_some() {} };
        let in_time = match self.until {
            Until::Elapsed(span) => tokio::time::timeout(span + PATIENCE, all).await.is_ok(),
            Until::Requests(_) => {
                all.await;
                true
            }
        };
        let elapsed = shared.began.elapsed();
        shared.ended.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        if !in_time {
            tally.fail("no answer".to_owned(), streams.len() as u64);
            streams.shutdown().await;
        }
        if let Some(pacer) = pacer {
            // A pacer has nothing to say, not even by a panic.
            let _ = pacer.join();
        }
        for each in tallies {
            tally.add(&each.lock());
        }
        (tally, elapsed)
    }
}

/// Asks one request after another until the end or until the connection is lost.
async fn stream(shared: Arc<Shared>, mut connection: Connection, tally: Arc<Mutex<Tally>>) {
    while let Some(due) = shared.next().await {
        let answer = connection.ask(&shared.call).await;
        let lost = answer == Err(Failure::Connection);
        tally.lock().record(due.elapsed(), answer);
        if lost {
            return;
        }
    }
}

impl Shared {
    /// When the next request is due, once it is; nothing at the end. Latencies
    /// count from there: a request that had to wait behind slow ones was slow too.
    async fn next(&self) -> Option<Instant> {
        if self.load.rate.is_some() {
            self.due.acquire().await.ok()?.forget();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.load.rate {
            Some(rate) => self.began + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        };
        let open = match self.load.until {
            Until::Requests(requests) => number < requests,
            Until::Elapsed(span) => due < self.began + span,
        };
        if !open {
            // Everybody else is at the end too.
            self.due.close();
        }
        open.then_some(due)
    }
}

/// Lets requests go when they fall due. A thread of its own: the runtime's timers
/// only know milliseconds.
fn pace(shared: &Shared, rate: f64) {
    let mut released: u64 = 0;
    while !shared.ended.load(Ordering::Relaxed) && !shared.due.is_closed() {
        let due = (shared.began.elapsed().as_secs_f64() * rate) as u64 + 1;
        let more = due.saturating_sub(released).min(Semaphore::MAX_PERMITS as u64 / 2);
        shared.due.add_permits(usize::try_from(more).unwrap_or(0));
        released += more;
        let next = Duration::from_secs_f64(released as f64 / rate);
        let wait = next.saturating_sub(shared.began.elapsed());
        std::thread::sleep(wait.clamp(REST, Duration::from_millis(100)));
    }
}
