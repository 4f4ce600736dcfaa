//! A request's body on its way in, within the account.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;

use super::{Held, Shed};
use crate::api::BoxError;

/// Bytes of a gRPC message's prefix: a flag and the length.
const PREFIX: usize = 5;

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(in crate::api) enum BodyError {
    #[error(transparent)]
    Shed(Shed),
    #[error("the message took too long")]
    TooSlow,
    #[error("the body broke off")]
    Broken(#[source] BoxError),
}

impl From<BodyError> for Status {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Shed(shed) => shed.into(),
            BodyError::TooSlow => Status::deadline_exceeded(error.to_string()),
            BodyError::Broken(why) => Status::from_error(why),
        }
    }
}

/// What is in a body.
#[derive(Debug)]
pub(in crate::api) enum Kind {
    /// One thing: all of it is held until the request is answered, which has a deadline.
    Whole,
    /// gRPC messages without end: each is held, and waited for, until it is whole.
    Messages(Message),
}

/// The message that is coming in.
#[derive(Debug, Default)]
pub(in crate::api) struct Message {
    prefix: [u8; PREFIX],
    /// How much of it has come, with its prefix.
    here: usize,
}

impl Message {
    /// Goes on by `data`; says how many bytes are of a message that is not whole.
    fn advance(&mut self, mut data: &[u8]) -> usize {
        loop {
            if let Some(room) = self.prefix.get_mut(self.here..).filter(|room| !room.is_empty()) {
                let (now, rest) = data.split_at(room.len().min(data.len()));
                room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
                self.here += now.len();
                data = rest;
            }
            if self.here < PREFIX {
                return self.here;
            }
            let [_, length @ ..] = self.prefix;
            let whole =
                PREFIX + usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX / 2);
            let now = (whole - self.here).min(data.len());
            self.here += now;
            if self.here < whole {
                return self.here;
            }
            self.here = 0;
            data = data.get(now..).unwrap_or_default();
        }
    }
}

#[derive(Debug)]
pub(in crate::api) struct LimitedBody<B> {
    body: B,
    held: Arc<Held>,
    kind: Kind,
    bytes: usize,
    /// Until when the message that has begun must be whole.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<B> LimitedBody<B> {
    pub(in crate::api) fn new(body: B, held: Arc<Held>, kind: Kind) -> Self {
        LimitedBody { body, held, kind, bytes: 0, deadline: None }
    }

    fn note(&mut self, data: &[u8]) -> Result<(), Shed> {
        match &mut self.kind {
            Kind::Whole => self.bytes += data.len(),
            Kind::Messages(message) => {
                let was_whole = self.bytes == 0;
                self.bytes = message.advance(data);
                let patience = self.held.load().limits.request;
                // A frame may end one message and begin the next: that one's time begins now.
                let begins = was_whole || self.bytes < data.len();
                match &mut self.deadline {
                    None if self.bytes > 0 => self.deadline = Some(Box::pin(sleep(patience))),
                    Some(sleep) if begins => sleep.as_mut().reset(Instant::now() + patience),
                    _ => {}
                }
            }
        }
        self.held.set(self.bytes)
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let noted = frame.data_ref().map_or(Ok(()), |data| this.note(data));
                Poll::Ready(Some(noted.map(|()| frame).map_err(BodyError::Shed)))
            }
            Poll::Ready(Some(Err(why))) => Poll::Ready(Some(Err(BodyError::Broken(why.into())))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let Some(deadline) = this.deadline.as_mut().filter(|_| this.bytes > 0) else {
                    return Poll::Pending;
                };
                ready!(deadline.as_mut().poll(cx));
                this.held.load().count_slow();
                Poll::Ready(Some(Err(BodyError::TooSlow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
