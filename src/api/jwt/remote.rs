//! Keys that are fetched by URL.
//!
//! A fetch has a thread of its own for as long as it takes, so that an endpoint
//! that hangs holds up neither decisions, nor other files, nor a shutdown. What
//! can't be used never replaces what can: the keys that were had last go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::keys::Keys;
use super::verifier::MAX_KEY_SET;
use crate::api::renewed::{FileState, Renew};
use crate::config::TokenTrust;
use crate::fetch::{self, Ask, Bounds};
use crate::model::Timestamp;
use crate::telemetry::DecisionMetrics;

/// How soon a set is fetched again, whoever wishes for it: tokens with keys that
/// nobody knows can be sent by anybody.
const REST: Duration = Duration::from_secs(10);

/// What the endpoint may take of us.
const BOUNDS: Bounds = Bounds {
    bytes: MAX_KEY_SET,
    connect: Duration::from_secs(5),
    begin: Duration::from_secs(10),
    whole: Duration::from_secs(10),
};

/// A key set and where it comes from.
pub(super) struct Remote(Arc<Own>);

struct Own {
    trust: TokenTrust,
    now: ArcSwap<Keys>,
    /// A token named a key that is not in the set.
    wanted: AtomicBool,
    watch: Mutex<Watch>,
    metrics: Arc<DecisionMetrics>,
}

struct Watch {
    under_way: bool,
    attempted: Option<Instant>,
    /// The set as it came, to tell whether it has changed.
    text: Vec<u8>,
    state: FileState,
}

impl Remote {
    /// Without keys, until the first fetch.
    pub(super) fn new(trust: TokenTrust, metrics: Arc<DecisionMetrics>) -> Self {
        let state = FileState {
            name: trust.key,
            loaded_at: None,
            renewed: 0,
            error: Some("not fetched yet".to_owned()),
        };
        let watch = Watch { under_way: false, attempted: None, text: Vec::new(), state };
        Remote(Arc::new(Own {
            trust,
            now: ArcSwap::from_pointee(Keys::none()),
            wanted: AtomicBool::new(false),
            watch: Mutex::new(watch),
            metrics,
        }))
    }

    pub(super) fn now(&self) -> Guard<Arc<Keys>> {
        self.0.now.load()
    }

    /// Has the set fetched soon: it may have a key that ours has not.
    pub(super) fn want(&self) {
        self.0.wanted.store(true, Relaxed);
    }
}

impl Renew for Remote {
    fn look(&self) {
        if !self.0.begin(Instant::now()) {
            return;
        }
        let own = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("plimsoll-keys".to_owned());
        let started: io::Result<_> = thread.spawn(move || own.renew());
        if let Err(why) = started {
            self.0.finish(Err(why.to_string()));
        }
    }

    fn state(&self) -> FileState {
        self.0.watch.lock().state.clone()
    }
}

impl Own {
    /// Whether a fetch is due; it is then under way.
    fn begin(&self, now: Instant) -> bool {
        let mut watch = self.watch.lock();
        let due = match watch.attempted {
            None => true,
            Some(at) => {
                let age = now.duration_since(at);
                let soon = watch.state.error.is_some() || self.wanted.load(Relaxed);
                let rest = if soon { REST.min(self.trust.refresh) } else { self.trust.refresh };
                age >= rest
            }
        };
        if watch.under_way || !due {
            return false;
        }
        watch.under_way = true;
        watch.attempted = Some(now);
        self.wanted.store(false, Relaxed);
        true
    }

    fn renew(&self) {
        self.finish(fetch::whole(&Ask {
            url: self.trust.url().unwrap_or_default(),
            ca: self.trust.ca.as_deref(),
            accept: "application/jwk-set+json, application/json",
            bearer: None,
            etag: None,
            modified: None,
            bounds: BOUNDS,
        }));
    }

    fn finish(&self, fetched: Result<Vec<u8>, String>) {
        let mut watch = self.watch.lock();
        watch.under_way = false;
        let (counters, url) = (&self.metrics.tokens.fetched, &self.trust.jwks);
        if fetched.as_ref().is_ok_and(|text| *text == watch.text) {
            // Tokens that were verified with these keys need not be verified again.
            counters.unchanged.add(1);
            watch.state.error = None;
            return;
        }
        let parsed = fetched.and_then(|text| Ok((Keys::parse(&text, &self.trust)?, text)));
        match parsed {
            Ok((keys, text)) => {
                self.now.store(Arc::new(keys));
                counters.applied.add(1);
                watch.text = text;
                watch.state.renewed += u64::from(watch.state.loaded_at.is_some());
                watch.state.loaded_at = Some(Timestamp::now());
                watch.state.error = None;
                tracing::info!(what = self.trust.key, url, "a key set was fetched and is in use");
            }
            Err(why) => {
                counters.failed.add(1);
                // Once for each cause: the endpoint may be down for hours.
                let error = format!("`{url}`: {why}");
                if watch.state.error.as_ref() != Some(&error) {
                    tracing::error!(what = self.trust.key, %error, "a key set can't be fetched: what was fetched before goes on");
                }
                watch.state.error = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests;
