//! The server's shape: one acceptor, and a runtime a core.
//!
//! Envoy opens one connection per worker thread and keeps it. Each connection
//! is dealt, in turn, to a `current_thread` runtime on a thread of its own and
//! stays there: no task ever moves between cores. (Letting the kernel deal, by
//! `SO_REUSEPORT`, put both of two connections on one core in 4 of 9 runs.)

mod acceptor;
mod listen;
pub(in crate::api) mod opening;
mod peer;
pub(crate) mod socket;
mod tls;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use listen::{BindError, Listen, ListenParseError, Owner};
pub use peer::{ForPeer, Peer};
pub use tls::{Speaks, Tls};

pub(in crate::api) use listen::Bound;
pub(in crate::api) use socket::shake_hands;

use super::BoxError;
use super::load::Load;

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that serve connections; one a core when 0.
    pub workers: usize,
    /// Streams that one connection may have open; Envoy puts all checks of a worker on one.
    pub max_streams: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 0, max_streams: 4096 }
    }
}

/// Sockets that are bound, with nobody serving them yet: clients wait in the backlog.
#[derive(Debug)]
pub struct Listeners {
    bound: Vec<Bound>,
    addresses: Vec<Listen>,
    tls: Option<Arc<Tls>>,
    load: Arc<Load>,
}

impl Listeners {
    /// Binds all of `addresses`, or none.
    pub fn bind(addresses: &[Listen]) -> Result<Self, BindError> {
        Self::bind_owned(addresses, Owner::default())
    }

    /// As [`bind`](Self::bind), and gives Unix sockets to an owner.
    pub fn bind_owned(addresses: &[Listen], owner: Owner) -> Result<Self, BindError> {
        let bind = |address| Bound::bind(address, owner);
        let bound = addresses.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        let addresses = bound
            .iter()
            .zip(addresses)
            .map(|(bound, asked)| {
                let address = asked.clone();
                bound.address().map_err(|source| BindError { address, source })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { bound, addresses, tls: None, load: Arc::default() })
    }

    /// Every connection must begin with a TLS handshake.
    #[must_use]
    pub fn secured(mut self, tls: Option<Arc<Tls>>) -> Self {
        self.tls = tls;
        self
    }

    /// What is held counts in `load`, with whatever else does.
    #[must_use]
    pub fn limited(mut self, load: Arc<Load>) -> Self {
        self.load = load;
        self
    }

    /// The addresses as bound, in the order of asking: with a port where 0 was asked for.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// The sockets, for a server of another shape.
    pub(in crate::api) fn into_bound(self) -> (Vec<Bound>, Option<Arc<Tls>>, Arc<Load>) {
        (self.bound, self.tls, self.load)
    }

    /// Serves `service` until [`Server::shutdown`]. Fails only where threads can't be had.
    ///
    /// Every connection gets [its own](ForPeer) of `service` and calls it without asking whether it is ready:
    /// it must always be, as routers are.
    pub fn serve<S, B>(self, service: S, options: Options) -> io::Result<Server>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + ForPeer + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = if options.workers == 0 { cores } else { options.workers };
        let stop = CancellationToken::new();
        let deadline = Arc::new(worker::Deadline::default());
        let mut server = Server {
            addresses: self.addresses,
            stop,
            deadline,
            acceptor: None,
            workers: Vec::with_capacity(count),
        };
        let mut queues = Vec::with_capacity(count);
        for number in 0..count {
            let (queue, accepted) = mpsc::channel(worker::QUEUE);
            let worker = worker::Worker {
                accepted,
                service: service.clone(),
                // A token a worker: workers must not meet in one lock.
                stop: server.stop.child_token(),
                deadline: Arc::clone(&server.deadline),
                max_streams: options.max_streams,
                tls: self.tls.clone(),
                load: Arc::clone(&self.load),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let name = format!("plimsoll-rpc-{number}");
            let thread =
                thread::Builder::new().name(name).spawn(move || runtime.block_on(worker.run()))?;
            server.workers.push(thread);
            queues.push(queue);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (bound, stop) = (self.bound, server.stop.child_token());
        let thread = thread::Builder::new()
            .name("plimsoll-accept".to_owned())
            .spawn(move || runtime.block_on(acceptor::run(bound, queues, stop)))?;
        server.acceptor = Some(thread);
        Ok(server)
    }
}

/// A server that runs. Dropping it asks it to stop and doesn't wait.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<Listen>,
    stop: CancellationToken,
    deadline: Arc<worker::Deadline>,
    acceptor: Option<JoinHandle<io::Result<()>>>,
    workers: Vec<JoinHandle<usize>>,
}

impl Server {
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// Whether all its threads still run: they end only by [`Server::shutdown`] or by a fault.
    pub fn is_whole(&self) -> bool {
        self.acceptor.as_ref().is_some_and(|thread| !thread.is_finished())
            && self.workers.iter().all(|thread| !thread.is_finished())
    }

    /// Stops listening, lets open streams finish for at most `patience`, and then closes what is left.
    ///
    /// Blocks until all threads have ended. Returns how many connections were overrun.
    pub fn shutdown(mut self, patience: Duration) -> usize {
        self.deadline.set(Instant::now() + patience);
        self.stop.cancel();
        match self.acceptor.take().map(JoinHandle::join) {
            Some(Err(_)) => tracing::error!("the acceptor has panicked"),
            Some(Ok(Err(error))) => tracing::error!(%error, "the acceptor has failed"),
            Some(Ok(Ok(()))) | None => {}
        }
        let mut overrun = 0;
        for worker in self.workers.drain(..) {
            match worker.join() {
                Ok(connections) => overrun += connections,
                Err(_) => tracing::error!("a worker has panicked"),
            }
        }
        if overrun > 0 {
            let seconds = patience.as_secs_f64();
            tracing::warn!(connections = overrun, seconds, "closed connections that didn't drain");
        }
        overrun
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
