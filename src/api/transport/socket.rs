//! A connection, of either kind.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::peer::Peer;

/// A connection between the acceptor, which has it from its own runtime, and the worker that will serve it.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A connection in its worker's runtime.
#[derive(Debug)]
pub(crate) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<Connection>>),
}

impl Connection {
    /// Fails where a TCP peer has gone already: without an address it would
    /// pass for one on a Unix socket.
    pub(super) fn peer(&self) -> io::Result<Peer> {
        Ok(Peer::at(match self {
            Self::Tcp(stream) => Some(stream.peer_addr()?),
            Self::Tls(stream) => return stream.get_ref().0.peer(),
            Self::Unix(_) => None,
        }))
    }

    /// Shakes hands; tells who the peer has proved to be.
    pub(super) async fn secure(
        self,
        config: Arc<rustls::ServerConfig>,
        peer: &mut Peer,
    ) -> io::Result<Self> {
        Ok(Self::Tls(Box::new(shake_hands(self, config, peer).await?)))
    }
}

/// The handshake of a TLS server.
pub(in crate::api) async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: Arc<rustls::ServerConfig>,
    peer: &mut Peer,
) -> io::Result<TlsStream<S>> {
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    if let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first) {
        peer.certified(certificate);
    }
    Ok(stream)
}

impl TryFrom<Accepted> for Connection {
    type Error = io::Error;

    fn try_from(accepted: Accepted) -> io::Result<Self> {
        Ok(match accepted {
            Accepted::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream) => Self::Unix(UnixStream::from_std(stream)?),
        })
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

// `is_write_vectored` stays false: where it is true, h2 0.4 writes every DATA frame of 256 bytes
// or more in a system call of its own, and the answers of one wake-up no longer go out together.
impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
