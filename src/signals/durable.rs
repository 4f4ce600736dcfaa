//! Waiting until a store has what was written.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
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
    #[error("what was sent is taken, but is not known to be on disk yet: send it again later")]
    Late,
}

/// How far a store has come: it tells, others wait.
#[derive(Debug)]
pub struct Durable {
    kept: Mutex<Kept>,
    /// Rounds of writing that have begun.
    begun: AtomicU64,
    waiting: AtomicUsize,
    /// Whether the store fails; told at each sync as well.
    told: watch::Sender<bool>,
}

/// What is on disk.
#[derive(Debug, Default)]
struct Kept {
    /// Of the cache.
    upto: Marks,
    /// All that was left before this round began.
    round: u64,
}

impl Default for Durable {
    fn default() -> Self {
        let (told, _) = watch::channel(false);
        let (kept, begun) = (Mutex::default(), AtomicU64::new(0));
        Durable { kept, begun, waiting: AtomicUsize::new(0), told }
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
    /// When the store fails, or is late.
    pub async fn wait(&self, marks: &Marks) -> Result<(), NotDurable> {
        self.until(|kept| kept.upto.cover(marks)).await
    }

    /// Waits until the store has all on disk that was left for it until now.
    ///
    /// # Errors
    /// When the store fails, or is late.
    pub async fn wait_for_all(&self) -> Result<(), NotDurable> {
        // The round that goes on may have looked before.
        let next = self.begun.load(SeqCst) + 1;
        self.until(|kept| kept.round >= next).await
    }

    async fn until(&self, is_there: impl Fn(&Kept) -> bool) -> Result<(), NotDurable> {
        let mut told = self.told.subscribe();
        self.waiting.fetch_add(1, SeqCst);
        let _waiting = Waiting(&self.waiting);
        let kept = async {
            loop {
                let failing = *told.borrow_and_update();
                if is_there(&self.kept.lock()) {
                    return Ok(());
                }
                if failing || told.changed().await.is_err() {
                    return Err(NotDurable::Failing);
                }
            }
        };
        tokio::time::timeout(PATIENCE, kept).await.unwrap_or(Err(NotDurable::Late))
    }

    /// Whether somebody waits: the store then syncs at once.
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// The store looks what there is to write.
    pub fn begin(&self) {
        self.begun.fetch_add(1, SeqCst);
    }

    /// The store has all on disk that it found as it began, and all writes up to `upto`.
    pub fn reached(&self, upto: Marks) {
        *self.kept.lock() = Kept { upto, round: self.begun.load(SeqCst) };
        self.told.send_replace(false);
    }

    pub fn failed(&self) {
        self.told.send_replace(true);
    }
}
