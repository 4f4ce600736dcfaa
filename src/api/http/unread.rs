//! Bodies that nobody reads.
//!
//! Who is refused before its body was read has its connection closed: what comes there
//! next might be the rest of that body. A client of HTTP/1.1 that isn't told may send its
//! next request into the closing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::http::{HeaderValue, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};

/// A request's body, which notes that it was read to its end.
pub(super) struct Watched<B> {
    body: B,
    read: Arc<AtomicBool>,
}

/// Whether a request's body was left unread.
#[derive(Clone)]
pub(super) struct Unread {
    read: Arc<AtomicBool>,
}

impl Unread {
    pub(super) fn watch<B: Body>(request: Request<B>) -> (Request<Watched<B>>, Self) {
        // Streams of HTTP/2 end by themselves.
        let nothing = request.version() > Version::HTTP_11 || request.body().is_end_stream();
        let read = Arc::new(AtomicBool::new(nothing));
        let unread = Unread { read: Arc::clone(&read) };
        (request.map(|body| Watched { body, read }), unread)
    }

    /// Says in the answer that the connection ends with it, where it does.
    pub(super) fn told<B>(&self, mut response: Response<B>) -> Response<B> {
        if !self.read.load(Relaxed) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.read.store(true, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
