//! Serves the router, on TCP and on Unix sockets.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::unread::Unread;
use super::{Problem, problem};
use crate::api::access::{Access, Door, http_need, takes_own_token};
use crate::api::load::{Kind, LimitedBody, Load};
use crate::api::transport::opening::{Opened, open};
use crate::api::transport::{Bound, Listen, Listeners, Peer, Speaks, Tls, shake_hands};

/// An HTTP server that runs. Dropping it ends it at once.
#[derive(Debug)]
pub struct HttpServer {
    addresses: Vec<Listen>,
    listening: JoinSet<()>,
    shared: Shared,
}

#[derive(Clone, Debug)]
struct Shared {
    router: Router,
    door: Door,
    tls: Option<Arc<Tls>>,
    load: Arc<Load>,
    /// No more connections, and the open ones end with what they are at.
    stop: CancellationToken,
    /// No more waiting either.
    cut: CancellationToken,
    connections: TaskTracker,
    overrun: Arc<AtomicUsize>,
}

impl HttpServer {
    /// Serves `router` on the runtime that this is called in.
    ///
    /// # Errors
    /// When a socket can't be had from the runtime.
    pub fn start(listeners: Listeners, router: Router) -> io::Result<Self> {
        Self::start_guarded(listeners, router, None)
    }

    /// As [`start`](Self::start), and lets in only who may come in.
    ///
    /// # Errors
    /// As there.
    pub fn start_guarded(
        listeners: Listeners,
        router: Router,
        access: Option<Arc<Access>>,
    ) -> io::Result<Self> {
        let addresses = listeners.addresses().to_vec();
        let (bound, tls, load) = listeners.into_bound();
        let shared = Shared {
            router,
            door: Door::new(access),
            tls,
            load,
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            connections: TaskTracker::new(),
            overrun: Arc::default(),
        };
        let mut listening = JoinSet::new();
        for bound in bound {
            let shared = shared.clone();
            match bound {
                Bound::Tcp(listener) => {
                    let listener = TcpListener::from_std(listener)?;
                    listening
                        .spawn(shared.accept_all(listener, |address| Peer::at(Some(*address))));
                }
                Bound::Unix(listener, file) => {
                    let listener = UnixListener::from_std(listener)?;
                    listening.spawn(async move {
                        shared.accept_all(listener, |_| Peer::at(None)).await;
                        // Unlinks the path, after the listening has ended.
                        drop(file);
                    });
                }
            }
        }
        Ok(Self { addresses, listening, shared })
    }

    /// The addresses as bound.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// Stops listening, lets open requests finish for at most `patience`, and
    /// closes what is left: returns how many connections that were.
    pub async fn shutdown(mut self, patience: Duration) -> usize {
        let shared = &self.shared;
        shared.stop.cancel();
        while self.listening.join_next().await.is_some() {}
        shared.connections.close();
        let deadline = Instant::now() + patience;
        if tokio::time::timeout_at(deadline, shared.connections.wait()).await.is_err() {
            shared.cut.cancel();
            shared.connections.wait().await;
        }
        shared.overrun.load(Relaxed)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.cut.cancel();
    }
}

impl Shared {
    /// The listener itself deals with what can go wrong in accepting.
    async fn accept_all<L: Listener>(self, mut listener: L, peer: fn(&L::Addr) -> Peer) {
        loop {
            let (stream, address) = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            self.connections.spawn(self.clone().take_up(stream, peer(&address)));
            // In a rush of connections those that are here come first.
            tokio::task::yield_now().await;
        }
    }

    async fn take_up<S>(self, stream: S, mut peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(_seat) = self.load.seat(Speaks::Http, &peer) else { return };
        let handshake = self.load.begin_handshake(Speaks::Http);
        let begun = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            begun = handshake.finish(self.begin(stream, &mut peer)) => begun,
        };
        match begun {
            Ok(stream) => self.serve(stream, peer).await,
            Err(error) => {
                tracing::debug!(%error, address = ?peer.address, "a connection came to nothing");
            }
        }
    }

    /// Brings a connection to where it can ask.
    async fn begin<S>(&self, stream: S, peer: &mut Peer) -> io::Result<Opened<Box<dyn Io>>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream: Box<dyn Io> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(shake_hands(stream, tls.config(Speaks::Http), peer).await?),
        };
        open(stream).await
    }

    async fn serve(&self, stream: Opened<Box<dyn Io>>, peer: Peer) {
        let limits = &self.load.limits;
        let http = auto::Builder::new(TokioExecutor::new());
        // What is spoken is known already: nobody is waited for again.
        let mut http = if stream.is_http2() { http.http2_only() } else { http.http1_only() };
        let max_header_bytes = limits.max_header_bytes;
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            .max_buf_size(usize::try_from(max_header_bytes).unwrap_or(usize::MAX));
        http.http2().timer(TokioTimer::new()).max_header_list_size(max_header_bytes);
        if let Some((every, patience)) = limits.ping(peer.is_local()) {
            http.http2().keep_alive_interval(every).keep_alive_timeout(patience);
        }
        let door = Mutex::new(self.door.for_peer(&peer));
        let load = Arc::clone(&self.load);
        let guarded = Guarded { door: Arc::new(door), router: self.router.clone(), load };
        let service = TowerToHyperService::new(guarded);
        let mut serving = pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        tokio::select! {
            biased;
            ended = serving.as_mut() => return log_end(ended),
            () = self.stop.cancelled() => serving.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            biased;
            ended = serving => log_end(ended),
            () = self.cut.cancelled() => {
                self.overrun.fetch_add(1, Relaxed);
            }
        }
    }
}

/// A connection, with TLS or without.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// One connection's router, behind its door and within its limits.
#[derive(Clone, Debug)]
struct Guarded {
    door: Arc<Mutex<Door>>,
    router: Router,
    load: Arc<Load>,
}

impl Service<Request<Incoming>> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (mut request, unread) = Unread::watch(request);
        let path = request.uri().path();
        let refused = |response| Box::pin(std::future::ready(Ok(unread.told(response))));
        let mut door = self.door.lock();
        if let Err(refusal) = door.admit(http_need(path), request.headers(), takes_own_token(path))
        {
            door.audit(path, &refusal);
            return refused(problem::refused(&refusal));
        }
        let caller = door.caller();
        drop(door);
        let held = match is_operators(path) {
            true => self.load.hold_anyway(),
            false => match self.load.hold() {
                Ok(held) => held,
                Err(shed) => return refused(Problem::from(shed).into_response()),
            },
        };
        request.extensions_mut().insert(caller);
        let held = Arc::new(held);
        let body =
            |body| axum::body::Body::new(LimitedBody::new(body, Arc::clone(&held), Kind::Whole));
        let answering = self.router.call(request.map(body));
        Box::pin(async move {
            let load = held.load();
            let Ok(answered) = tokio::time::timeout(load.limits.request, answering).await else {
                load.count_slow();
                return Ok(unread.told(problem::too_slow()));
            };
            answered.map(|response| unread.told(response))
        })
    }
}

/// What is answered under any load: by these one sees it.
fn is_operators(path: &str) -> bool {
    matches!(path, "/live" | "/ready" | "/status" | "/metrics")
}

fn log_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke off");
    }
}
