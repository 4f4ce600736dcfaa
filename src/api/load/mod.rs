//! What callers may make this process hold: connections, handshakes, requests, bytes.
//!
//! Both listeners share one account. What is over it is refused and counted, so that memory has a bound and
//! the caller's own failure mode decides. A check whose message is here already is not in the account: to
//! refuse it would cost as much as to answer it.

mod body;
mod handshakes;
mod memory;
mod requests;
mod seats;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::config::ServerConfig;
use crate::telemetry::DecisionMetrics;

pub(in crate::api) use body::{BodyError, Kind, LimitedBody};
pub(in crate::api) use requests::{Held, Shed};

/// How long an answer to a ping may take.
const PONG_PATIENCE: Duration = Duration::from_secs(20);

/// How often peers elsewhere are pinged where nothing is configured.
const PING: Duration = Duration::from_secs(60);

/// See [`ServerConfig`], whose keys these are.
#[derive(Clone, Debug)]
pub struct Limits {
    pub max_connections: usize,
    pub max_connections_per_peer: usize,
    pub max_handshakes: usize,
    pub handshake: Duration,
    pub header: Duration,
    pub max_header_bytes: u32,
    pub request: Duration,
    /// Nothing where nothing is configured.
    pub ping: Option<Duration>,
    pub max_requests: usize,
    pub max_body_bytes: usize,
    pub max_resident_bytes: Option<u64>,
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        let seconds = Duration::from_secs_f64;
        Limits {
            max_connections: config.max_connections,
            max_connections_per_peer: config.max_connections_per_peer,
            max_handshakes: config.max_handshakes,
            handshake: seconds(config.handshake_seconds),
            header: seconds(config.header_seconds),
            max_header_bytes: config.max_header_bytes,
            request: seconds(config.request_seconds),
            ping: config.ping_seconds.map(seconds),
            max_requests: config.max_requests,
            max_body_bytes: config.max_body_bytes,
            max_resident_bytes: config.max_resident_bytes,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::from(&ServerConfig::default())
    }
}

impl Limits {
    /// How often a peer is pinged, and how long the answer may take.
    pub(in crate::api) fn ping(&self, peer_is_local: bool) -> Option<(Duration, Duration)> {
        let every = match self.ping {
            Some(every) => every,
            None if peer_is_local => return None,
            None => PING,
        };
        (!every.is_zero()).then(|| (every, every.min(PONG_PATIENCE)))
    }
}

/// What is held now.
#[derive(Debug, Default)]
pub struct Load {
    pub(in crate::api) limits: Limits,
    metrics: Arc<DecisionMetrics>,
    /// Apart from what changes: each check reads it.
    memory_is_short: CachePadded<AtomicBool>,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    seats: seats::Seats,
    handshakes: handshakes::Handshakes,
}

impl Load {
    pub fn new(limits: Limits, metrics: Arc<DecisionMetrics>) -> Self {
        Load { limits, metrics, ..Load::default() }
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.seats.taken()
    }

    /// Requests on their way in, or waiting for their answer.
    pub fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// Bytes of their bodies.
    pub fn body_bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// A request that took longer than it may.
    pub(in crate::api) fn count_slow(&self) {
        self.metrics.refused.too_slow.add(1);
    }

    /// A request on which the program failed.
    pub(in crate::api) fn count_panic(&self) {
        self.metrics.refused.panicked.add(1);
    }
}

#[cfg(test)]
mod tests;
