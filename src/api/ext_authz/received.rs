//! What of a request's body has come, and what it is to wait for the rest.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::{Sleep, sleep};

use crate::api::load::{Held, Load, Shed};

/// What of the body has come.
#[derive(Debug)]
pub(super) enum Received {
    Nothing,
    /// One frame, which nearly always is the whole message.
    Frame(Bytes),
    Frames(BytesMut),
}

impl Received {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Received::Nothing => &[],
            Received::Frame(bytes) => bytes,
            Received::Frames(bytes) => bytes,
        }
    }

    pub(super) fn push(&mut self, more: Bytes) {
        match self {
            _ if more.is_empty() => {}
            Received::Nothing => *self = Received::Frame(more),
            Received::Frame(first) => {
                let mut all = BytesMut::with_capacity(2 * (first.len() + more.len()));
                all.put_slice(first);
                all.put_slice(&more);
                *self = Received::Frames(all);
            }
            Received::Frames(all) => all.put_slice(&more),
        }
    }

    /// Memory of our own from now on: a frame is a piece of its connection's buffer, and would
    /// keep the whole of that.
    fn keep(&mut self) {
        if !matches!(self, Received::Frames(_)) {
            *self = Received::Frames(BytesMut::from(self.as_slice()));
        }
    }

    fn held(&self) -> usize {
        match self {
            Received::Nothing => 0,
            Received::Frame(bytes) => bytes.len(),
            Received::Frames(bytes) => bytes.capacity(),
        }
    }
}

/// A request whose body is not whole yet.
#[derive(Debug)]
pub(super) struct Waiting {
    held: Held,
    until: Pin<Box<Sleep>>,
}

impl Waiting {
    pub(super) fn begin(load: &Arc<Load>, received: &mut Received) -> Result<Self, Shed> {
        let held = load.hold()?;
        received.keep();
        held.set(received.held())?;
        Ok(Waiting { held, until: Box::pin(sleep(load.limits.request)) })
    }

    /// Notes what it holds now.
    pub(super) fn holds(&self, received: &Received) -> Result<(), Shed> {
        self.held.set(received.held())
    }

    /// Ready when it has waited too long.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ended = self.until.as_mut().poll(cx);
        if ended.is_ready() {
            self.held.load().count_slow();
        }
        ended
    }
}
