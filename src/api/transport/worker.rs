//! A thread that serves connections.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::BoxError;
use super::opening::{Opened, open};
use super::peer::{ForPeer, Peer};
use super::socket::{Accepted, Connection};
use super::tls::{Speaks, Tls};
use crate::api::load::Load;

/// Connections that wait for a worker to take them up.
pub(super) const QUEUE: usize = 256;

/// How much a client may send ahead, in bytes: roomy, so that window updates are rare.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;

/// When draining ends. Set before the stop is given.
#[derive(Debug, Default)]
pub(super) struct Deadline(OnceLock<Instant>);

impl Deadline {
    pub(super) fn set(&self, at: Instant) {
        let _ = self.0.set(at);
    }

    /// Now, where nobody has set one: a server that was dropped.
    fn at(&self) -> tokio::time::Instant {
        self.0.get().copied().unwrap_or_else(Instant::now).into()
    }
}

pub(super) struct Worker<S> {
    pub(super) accepted: Receiver<Accepted>,
    pub(super) service: S,
    pub(super) stop: CancellationToken,
    pub(super) deadline: Arc<Deadline>,
    pub(super) max_streams: u32,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) load: Arc<Load>,
}

impl<S, B> Worker<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + ForPeer + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Serves until told to stop; returns how many connections didn't drain in time.
    pub(super) async fn run(mut self) -> usize {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(self.max_streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(self.load.limits.max_header_bytes)
            // gRPC has no use for it, and it would cost a header an answer.
            .auto_date_header(false);
        let connections = TaskTracker::new();
        let overrun = Arc::new(AtomicUsize::new(0));
        while let Some(accepted) = self.next().await {
            // In a rush of connections those that are here come first: else the first bytes of
            // hundreds would lie unread while more are taken up.
            tokio::task::yield_now().await;
            let connection =
                Connection::try_from(accepted).and_then(|c| c.peer().map(|peer| (c, peer)));
            let (connection, mut peer) = match connection {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(%error, "can't take up a connection");
                    continue;
                }
            };
            let Some(seat) = self.load.seat(Speaks::Grpc, &peer) else { continue };
            let handshake = self.load.begin_handshake(Speaks::Grpc);
            let (stop, deadline) = (self.stop.clone(), Arc::clone(&self.deadline));
            let overrun = Arc::clone(&overrun);
            let tls = self.tls.as_ref().map(|tls| tls.config(Speaks::Grpc));
            let (mut http, service) = (http.clone(), self.service.clone());
            if let Some((every, patience)) = self.load.limits.ping(peer.is_local()) {
                http.keep_alive_interval(every).keep_alive_timeout(patience);
            }
            connections.spawn(async move {
                let _seat = seat;
                let opened = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    opened = handshake.finish(begin(connection, tls, &mut peer)) => opened,
                };
                let connection = match opened {
                    Ok(connection) => connection,
                    Err(error) => {
                        tracing::debug!(%error, address = ?peer.address, "a connection came to nothing");
                        return;
                    }
                };
                let service = PerConnection(RefCell::new(service.for_peer(&peer)));
                drop(peer);
                let serving = http.serve_connection(TokioIo::new(connection), service);
                let mut serving = pin!(serving);
                tokio::select! {
                    biased;
                    ended = serving.as_mut() => return log_end(ended),
                    () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
                }
                match tokio::time::timeout_at(deadline.at(), serving).await {
                    Ok(ended) => log_end(ended),
                    Err(_) => {
                        overrun.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        connections.close();
        connections.wait().await;
        overrun.load(Relaxed)
    }

    async fn next(&mut self) -> Option<Accepted> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            accepted = self.accepted.recv() => accepted,
        }
    }
}

/// Brings a connection to where it can ask. What doesn't begin as HTTP/2 does is refused by that layer.
async fn begin(
    connection: Connection,
    tls: Option<Arc<rustls::ServerConfig>>,
    peer: &mut Peer,
) -> std::io::Result<Opened<Connection>> {
    let connection = match tls {
        Some(tls) => connection.secure(tls, peer).await?,
        None => connection,
    };
    open(connection).await
}

/// One connection's service, called without a clone a request: a clone's reference counts would be
/// written to by every core.
struct PerConnection<S>(RefCell<S>);

impl<S: Service<Request<Incoming>>> hyper::service::Service<Request<Incoming>>
    for PerConnection<S>
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> S::Future {
        self.0.borrow_mut().call(request)
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        let cause = std::error::Error::source(&error).map(tracing::field::display);
        tracing::debug!(%error, cause, "a connection broke off");
    }
}
