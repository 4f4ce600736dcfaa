//! Requests that are waited for, and the bytes that they hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tonic::Status;

use super::Load;

/// What a request may hold in any case (bytes): a few large ones must not keep out the many that are small,
/// as nearly all checks are.
const SMALL: usize = 8 * 1024;

/// Why a request is not taken up, or not further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::api) enum Shed {
    #[error("too many requests are being answered: try again")]
    Requests,
    #[error("too much is being sent in: try again")]
    Bytes,
    #[error("this server is short of memory: try again")]
    Memory,
}

impl From<Shed> for Status {
    fn from(shed: Shed) -> Self {
        Status::unavailable(shed.to_string())
    }
}

/// A request's share of what is held. Dropped, it is given back.
#[derive(Debug)]
pub(in crate::api) struct Held {
    load: Arc<Load>,
    bytes: AtomicUsize,
}

impl Load {
    /// Refuses where memory is short: all that a check asks whose message is here.
    pub(in crate::api) fn admit(&self) -> Result<(), Shed> {
        if self.memory_is_short.load(Relaxed) { Err(self.shed(Shed::Memory)) } else { Ok(()) }
    }

    /// Takes up a request that is to be waited for.
    pub(in crate::api) fn hold(self: &Arc<Self>) -> Result<Held, Shed> {
        self.admit()?;
        let held = self.hold_anyway();
        if self.requests.load(Relaxed) > self.limits.max_requests {
            return Err(self.shed(Shed::Requests));
        }
        Ok(held)
    }

    /// Takes up a request by which operators see how things are.
    pub(in crate::api) fn hold_anyway(self: &Arc<Self>) -> Held {
        self.requests.fetch_add(1, Relaxed);
        Held { load: Arc::clone(self), bytes: AtomicUsize::new(0) }
    }

    fn shed(&self, why: Shed) -> Shed {
        let refused = &self.metrics.refused;
        match why {
            Shed::Requests => &refused.overloaded_requests,
            Shed::Bytes => &refused.overloaded_bytes,
            Shed::Memory => &refused.overloaded_memory,
        }
        .add(1);
        why
    }
}

impl Held {
    /// Notes how many bytes the request holds now.
    pub(in crate::api) fn set(&self, bytes: usize) -> Result<(), Shed> {
        let before = self.bytes.swap(bytes, Relaxed);
        let load = &self.load;
        if bytes <= before {
            load.bytes.fetch_sub(before - bytes, Relaxed);
            return Ok(());
        }
        let more = bytes - before;
        let all = load.bytes.fetch_add(more, Relaxed).saturating_add(more);
        if bytes > SMALL && all > load.limits.max_body_bytes {
            return Err(load.shed(Shed::Bytes));
        }
        Ok(())
    }

    pub(in crate::api) fn load(&self) -> &Load {
        &self.load
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(*self.bytes.get_mut(), Relaxed);
        self.load.requests.fetch_sub(1, Relaxed);
    }
}
