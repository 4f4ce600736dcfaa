//! What the listeners hold and how long they wait: key `server` (docs/limits.md).

use serde::{Deserialize, Serialize};

use super::ConfigError;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Threads that answer; 0 is one a core.
    pub workers: usize,
    /// Streams that one connection may have open.
    pub max_streams: u32,
    /// How long a shutdown waits for open requests, on both listeners together (seconds).
    pub drain_seconds: f64,
    /// Open connections, both listeners together, and on one of them at most 15/16 of these. One more
    /// is closed at once.
    pub max_connections: usize,
    /// Of these, how many from one address (a /64 of IPv6). Not for this machine's own.
    pub max_connections_per_peer: usize,
    /// Connections of which the TLS handshake or the first bytes are awaited, on each listener. One
    /// more, and the one that has taken longest is closed.
    pub max_handshakes: usize,
    /// How long a TLS handshake and a connection's first bytes may take together (seconds).
    pub handshake_seconds: f64,
    /// How long the head of a request may take over HTTP/1, the pause before it included (seconds).
    pub header_seconds: f64,
    /// How large the headers of one request may be, at least 8192 (bytes).
    pub max_header_bytes: u32,
    /// How long a request may take to come in and be answered; of a stream, each message (seconds).
    pub request_seconds: f64,
    /// How often HTTP/2 connections are asked whether somebody is there; 0 is never (seconds). Left out:
    /// every 60 s where the peer is on another machine. One on this machine can't vanish unseen.
    pub ping_seconds: Option<f64>,
    /// Requests that are on their way in or wait for their answer. More are refused.
    pub max_requests: usize,
    /// What the bodies of these may hold together (bytes). Up to 8 KiB a request are taken in any case.
    pub max_body_bytes: usize,
    /// Above so much resident memory, requests are refused (bytes). Left out: at no size.
    pub max_resident_bytes: Option<u64>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            workers: 0,
            max_streams: 4096,
            drain_seconds: 10.0,
            max_connections: 16_384,
            max_connections_per_peer: 1024,
            max_handshakes: 1024,
            handshake_seconds: 10.0,
            header_seconds: 10.0,
            max_header_bytes: 64 * 1024,
            request_seconds: 30.0,
            ping_seconds: None,
            max_requests: 16_384,
            max_body_bytes: 256 * 1024 * 1024,
            max_resident_bytes: None,
        }
    }
}

impl ServerConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, why: &str| Err(ConfigError::Value { key, why: why.to_owned() });
        if !(0.0..=3600.0).contains(&self.drain_seconds) {
            return wrong("server.drain_seconds", "is from 0 to 3600");
        }
        for (key, seconds) in [
            ("server.handshake_seconds", self.handshake_seconds),
            ("server.header_seconds", self.header_seconds),
            ("server.request_seconds", self.request_seconds),
        ] {
            if !(0.01..=3600.0).contains(&seconds) {
                return wrong(
                    key,
                    "is from 0.01 to 3600: without an end, a peer could hold it open",
                );
            }
        }
        if self.ping_seconds.is_some_and(|s| s != 0.0 && !(0.01..=3600.0).contains(&s)) {
            return wrong("server.ping_seconds", "is from 0.01 to 3600, or 0 for never");
        }
        for (key, count) in [
            ("server.max_streams", self.max_streams as usize),
            ("server.max_connections", self.max_connections),
            ("server.max_connections_per_peer", self.max_connections_per_peer),
            ("server.max_handshakes", self.max_handshakes),
            ("server.max_requests", self.max_requests),
            ("server.max_body_bytes", self.max_body_bytes),
        ] {
            if count == 0 {
                return wrong(key, "must be above zero");
            }
        }
        if !(8192..=16 * 1024 * 1024).contains(&self.max_header_bytes) {
            return wrong("server.max_header_bytes", "is from 8192 to 16777216");
        }
        if self.max_resident_bytes == Some(0) {
            return wrong(
                "server.max_resident_bytes",
                "must be above zero; left out, there is no limit",
            );
        }
        Ok(())
    }
}
