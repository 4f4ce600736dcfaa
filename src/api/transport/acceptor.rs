//! Takes connections in and deals them out.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::listen::{Bound, SocketFile};
use super::socket::Accepted;

/// How long to leave the listener alone when the process has no file descriptor to spare.
/// The connection stays in the backlog, so that trying at once would be a busy loop.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// After how much silence the kernel asks whether the peer's machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "unlinks the path when dropped")] SocketFile),
}

pub(super) async fn run(
    bound: Vec<Bound>,
    queues: Vec<Sender<Accepted>>,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut listeners = JoinSet::new();
    for (at, bound) in bound.into_iter().enumerate() {
        let listener = match bound {
            Bound::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener, file) => Listener::Unix(UnixListener::from_std(listener)?, file),
        };
        let dealer = Dealer { queues: queues.clone(), next: at };
        listeners.spawn(stop.clone().run_until_cancelled_owned(accept(listener, dealer)));
    }
    while listeners.join_next().await.is_some() {}
    Ok(())
}

async fn accept(listener: Listener, mut dealer: Dealer) {
    // A peer that is gone without a word would hold its connection for ever.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                stream.into_std().map(Accepted::Tcp)
            }),
            Listener::Unix(listener, _) => listener
                .accept()
                .await
                .and_then(|(stream, _)| stream.into_std().map(Accepted::Unix)),
        };
        match accepted {
            Ok(connection) => dealer.deal(connection).await,
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

/// Errors of one connection that went away before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}

/// Deals connections to the workers in turn.
struct Dealer {
    queues: Vec<Sender<Accepted>>,
    next: usize,
}

impl Dealer {
    async fn deal(&mut self, mut connection: Accepted) {
        for _ in 0..self.queues.len() {
            let Some(queue) = self.queues.get(self.next % self.queues.len()) else { return };
            self.next = self.next.wrapping_add(1);
            // A worker that is behind, or gone, is passed over while another has room.
            connection = match queue.try_send(connection) {
                Ok(()) => return,
                Err(TrySendError::Full(back) | TrySendError::Closed(back)) => back,
            };
        }
        // All are behind: whoever connects next waits in the backlog.
        for queue in &self.queues {
            connection = match queue.send(connection).await {
                Ok(()) => return,
                Err(SendError(back)) => back,
            };
        }
        tracing::error!("no worker is left to take a connection");
    }
}
