//! A connection's first bytes, which tell what is spoken on it.
//!
//! HTTP libraries wait for them without an end. Here they are read before the connection is handed on, so
//! that a peer who connects and says nothing has a deadline.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes were read, and will be read again.
#[derive(Debug)]
pub(in crate::api) struct Opened<S> {
    first: [u8; PREFACE.len()],
    /// What of `first` has come, and what of it was given out.
    here: usize,
    given: usize,
    stream: S,
}

/// Waits for as many bytes as tell HTTP/2 from anything else.
pub(in crate::api) async fn open<S: AsyncRead + Unpin>(stream: S) -> io::Result<Opened<S>> {
    let mut opened = Opened { first: [0; PREFACE.len()], here: 0, given: 0, stream };
    while opened.is_preface_so_far() {
        let Some(room) = opened.first.get_mut(opened.here..).filter(|room| !room.is_empty()) else {
            break;
        };
        match opened.stream.read(room).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => opened.here += read,
        }
    }
    Ok(opened)
}

impl<S> Opened<S> {
    /// Whether HTTP/2 is spoken.
    pub(in crate::api) fn is_http2(&self) -> bool {
        self.first == *PREFACE
    }

    fn is_preface_so_far(&self) -> bool {
        self.first.get(..self.here).is_some_and(|here| PREFACE.starts_with(here))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.given < this.here {
            let left = this.first.get(this.given..this.here).unwrap_or_default();
            let now = left.get(..left.len().min(buffer.remaining())).unwrap_or_default();
            buffer.put_slice(now);
            this.given += now.len();
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{PREFACE, open};

    async fn opened(bytes: &[u8]) -> std::io::Result<(bool, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(bytes).await.unwrap();
        drop(client);
        let mut opened = open(server).await?;
        let is_http2 = opened.is_http2();
        let mut all = Vec::new();
        opened.read_to_end(&mut all).await?;
        Ok((is_http2, all))
    }

    #[tokio::test]
    async fn what_was_read_is_read_again() {
        let h2 = [&PREFACE[..], b"more"].concat();
        assert_eq!(opened(&h2).await.unwrap(), (true, h2.clone()));
        for other in [&b"G"[..], b"PRI * HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nhost: x\r\n\r\n"] {
            assert_eq!(opened(other).await.unwrap(), (false, other.to_vec()));
        }
        assert!(opened(b"PRI").await.is_err());
        assert!(opened(b"").await.is_err());
    }
}
