//! Waiting until a store has what was written.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::cache::Marks;

/// Who waits longer is told that it isn't there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why what was taken in is not known to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDurable {
    #[error("this server keeps nothing on disk: its `data` is `memory`")]
    NoStore,
    #[error("what was sent is known, but is not on disk, since the store fails: send it again")]
    Failing,
}

/// How far a store has come: it tells, others wait.
#[derive(Debug)]
pub struct Durable {
    kept: Mutex<Marks>,
    waiting: AtomicUsize,
    /// Whether the store fails; told at each sync as well.
    told: watch::Sender<bool>,
}

impl Default for Durable {
    fn default() -> Self {
        let (told, _) = watch::channel(false);
        Durable { kept: Mutex::default(), waiting: AtomicUsize::new(0), told }
    }
}

/// One who waits, as long as it lives.
struct Waiting<'d>(&'d AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Durable {
    /// Waits until the store has all writes up to `marks` on disk.
    ///
    /// # Errors
    /// When the store fails, or takes too long.
    pub async fn wait(&self, marks: &Marks) -> Result<(), NotDurable> {
        let mut told = self.told.subscribe();
        self.waiting.fetch_add(1, SeqCst);
        let _waiting = Waiting(&self.waiting);
        let kept = async {
            loop {
                let failing = *told.borrow_and_update();
                if self.kept.lock().cover(marks) {
                    return Ok(());
                }
                if failing || told.changed().await.is_err() {
                    return Err(NotDurable::Failing);
                }
            }
        };
        tokio::time::timeout(PATIENCE, kept).await.unwrap_or(Err(NotDurable::Failing))
    }

    /// Whether somebody waits: the store then syncs at once.
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// The store has all writes up to `marks` on disk.
    pub fn reached(&self, marks: Marks) {
        *self.kept.lock() = marks;
        self.told.send_replace(false);
    }

    pub fn failed(&self) {
        self.told.send_replace(true);
    }
}
