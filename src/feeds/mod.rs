//! Looks after the lists and geo databases of the catalog that decides: has files read
//! anew when they change, and lists by URL fetched when they are due.
//!
//! A fetch has a thread of its own for as long as it takes, so that a server that hangs
//! holds up neither decisions, nor other lists, nor a shutdown. What can't be used never
//! replaces what can: the list that was had last goes on.

mod fetching;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use parking_lot::Mutex;

use crate::background;
use crate::fetch::Bounds;
use crate::model::{Seconds, Timestamp};
use crate::signals::{Due, Feeds, Keep};

/// How often files are looked at, as the policy folder is.
const LOOK: Duration = Duration::from_millis(100);

/// Fetches that are under way at the same time. Each holds the list that it builds.
const AT_ONCE: usize = 4;

/// How soon a fetch that failed is tried again, at first (seconds); each time twice as
/// late, up to the time between fetches.
const REST: Seconds = 10.0;

/// What a server may take of us.
pub const BOUNDS: Bounds = Bounds {
    bytes: 1 << 30,
    connect: Duration::from_secs(10),
    begin: Duration::from_secs(30),
    whole: Duration::from_secs(600),
};

/// The feeds of the revision that decides; nothing before the first.
pub type Deciding = Arc<dyn Fn() -> Option<Arc<Feeds>> + Send + Sync>;

/// Keeps feeds up to date.
pub struct Keeper {
    deciding: Deciding,
    keep: Option<Keep>,
    bounds: Bounds,
    under_way: Arc<Mutex<HashSet<Arc<str>>>>,
    /// What was said of feeds that fail: once for each cause, they may for hours.
    told: HashMap<String, String>,
}

impl Keeper {
    /// `keep` is where lists that were fetched are kept.
    pub fn new(deciding: Deciding, keep: Option<Keep>, bounds: Bounds) -> Self {
        Keeper { deciding, keep, bounds, under_way: Arc::default(), told: HashMap::new() }
    }

    /// Looks until `stop` says so or its sender is gone.
    pub fn run(mut self, stop: &Receiver<()>) {
        background::give_way();
        loop {
            self.look(Timestamp::now());
            if stop.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Reads what has changed, and has fetched what is due.
    fn look(&mut self, now: Timestamp) {
        let Some(feeds) = (self.deciding)() else { return };
        feeds.reload(now);
        for due in feeds.due(now) {
            self.start(due);
        }
        self.tell(&feeds);
    }

    /// Has a list fetched, unless it is being fetched, or too many are.
    fn start(&self, due: Due) {
        {
            let mut under_way = self.under_way.lock();
            if under_way.len() >= AT_ONCE || !under_way.insert(due.name.clone()) {
                return;
            }
        }
        let deciding = Arc::clone(&self.deciding);
        let (keep, bounds) = (self.keep.clone(), self.bounds);
        let ended = Ended { name: due.name.clone(), under_way: Arc::clone(&self.under_way) };
        let thread = std::thread::Builder::new().name("plimsoll-list".to_owned());
        // Where no thread can be had, the next look tries again.
        let _ = thread.spawn(move || {
            let _ended = ended;
            fetching::fetch(&due, keep.as_ref(), bounds, &deciding, Timestamp::now());
        });
    }

    fn tell(&mut self, feeds: &Feeds) {
        let states = feeds.states();
        for state in &states {
            let feed = state.spec.label();
            match &state.error {
                Some(error) if self.told.get(&feed) != Some(error) => {
                    tracing::warn!(feed, %error, "a feed can't be used as it is now: what was had before goes on");
                    self.told.insert(feed, error.clone());
                }
                None if state.absent => {
                    let told = self.told.insert(feed.clone(), String::new());
                    if told.is_none_or(|told| !told.is_empty()) {
                        tracing::info!(
                            feed,
                            "an optional feed isn't there: what depends on it is unknown"
                        );
                    }
                }
                None if self.told.remove(&feed).is_some() => {
                    tracing::info!(feed, entries = state.entries, "a feed is in use again");
                }
                _ => {}
            }
        }
        self.told.retain(|told, _| states.iter().any(|state| state.spec.label() == *told));
    }
}

/// Makes room for the next fetch, however this one ends.
struct Ended {
    name: Arc<str>,
    under_way: Arc<Mutex<HashSet<Arc<str>>>>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.name);
    }
}

/// When a list is fetched next. Part of it is chance: servers of many Plimsolls are not
/// asked by all at the same moment.
fn next(due: &Due, now: Timestamp, failed: bool, chance: f64) -> Timestamp {
    let every = due.from.every as Seconds;
    let seconds = if failed {
        let doubled = REST * libm::exp2(f64::from(due.failures.min(32)));
        every.min(doubled) * (1.0 - chance / 2.0)
    } else {
        every * (1.0 - chance / 10.0)
    };
    now.plus(seconds)
}
