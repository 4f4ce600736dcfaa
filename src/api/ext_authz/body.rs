//! The bodies that go out on the port where checks come in.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::service::ok_trailers;

/// An answer: nothing, or one message and the trailers that say it is whole.
#[derive(Debug, Default)]
pub struct CheckBody {
    next: Next,
}

#[derive(Debug, Default)]
enum Next {
    Message(Bytes),
    Trailers,
    #[default]
    End,
}

impl CheckBody {
    pub(super) fn empty() -> Self {
        Self::default()
    }

    pub(super) fn answer(message: Bytes) -> Self {
        Self { next: Next::Message(message) }
    }
}

// No size hint: an exact one would become a `content-length`, which no gRPC client needs.
impl Body for CheckBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (frame, next) = match std::mem::take(&mut self.next) {
            Next::Message(message) => (Frame::data(message), Next::Trailers),
            Next::Trailers => (Frame::trailers(ok_trailers()), Next::End),
            Next::End => return Poll::Ready(None),
        };
        self.next = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.next, Next::End)
    }
}
