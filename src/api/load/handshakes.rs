//! Connections that have begun and not asked anything yet.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Load;
use crate::api::transport::Speaks;

/// Those of each listener: a flood of one leaves the other's alone, so that probes and
/// metrics go on.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    grpc: Mutex<Open>,
    http: Mutex<Open>,
}

impl Handshakes {
    fn of(&self, speaks: Speaks) -> &Mutex<Open> {
        match speaks {
            Speaks::Grpc => &self.grpc,
            Speaks::Http => &self.http,
        }
    }
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// By number, so that the first has taken longest.
    open: BTreeMap<u64, CancellationToken>,
}

/// One that is on its way.
#[derive(Debug)]
pub(in crate::api) struct Handshake {
    load: Arc<Load>,
    speaks: Speaks,
    number: u64,
    gives_way: CancellationToken,
}

impl Load {
    /// Begins one. Where there are too many, the one that has taken longest ends: who means it needs
    /// milliseconds, so that those who never finish can't keep others out.
    pub(in crate::api) fn begin_handshake(self: &Arc<Self>, speaks: Speaks) -> Handshake {
        let gives_way = CancellationToken::new();
        let mut all = self.handshakes.of(speaks).lock();
        while all.open.len() >= self.limits.max_handshakes {
            let Some((_, longest)) = all.open.pop_first() else { break };
            longest.cancel();
            self.metrics.refused_connections.handshake_evicted.add(1);
        }
        let number = all.next;
        all.next += 1;
        all.open.insert(number, gives_way.clone());
        Handshake { load: Arc::clone(self), speaks, number, gives_way }
    }
}

impl Handshake {
    /// Runs `work` within the time that there is for it.
    pub(in crate::api) async fn finish<T>(
        self,
        work: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let refused = &self.load.metrics.refused_connections;
        // Dropped, which closes the connection, after it is counted: who sees the end finds it in the metrics.
        let mut work = pin!(work);
        let ended = tokio::select! {
            biased;
            () = self.gives_way.cancelled() => {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it made room for others"));
            }
            ended = tokio::time::timeout(self.load.limits.handshake, work.as_mut()) => ended,
        };
        match ended {
            Err(_) => {
                refused.handshake_slow.add(1);
                Err(io::ErrorKind::TimedOut.into())
            }
            // What rustls makes of a peer that it can't agree with.
            Ok(Err(why)) if why.kind() == io::ErrorKind::InvalidData => {
                refused.handshake_failed.add(1);
                Err(why)
            }
            Ok(ended) => ended,
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.load.handshakes.of(self.speaks).lock().open.remove(&self.number);
    }
}
