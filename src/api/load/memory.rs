//! The memory of the whole process, as the kernel counts it.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Load;

const LOOK: Duration = Duration::from_millis(50);

impl Load {
    /// Looks at the memory until told to stop. At once done where no limit is configured.
    pub fn watch_memory(&self, stop: &Receiver<()>) {
        let Some(limit) = self.limits.max_resident_bytes else { return };
        // Gives way a little below the limit, so that it doesn't flutter.
        let enough = limit - limit / 20;
        let mut short = false;
        loop {
            let Some(resident) = resident() else {
                tracing::error!(
                    "`server.max_resident_bytes`: /proc/self/status can't be read here"
                );
                return;
            };
            let now = resident > if short { enough } else { limit };
            if now != short {
                short = now;
                self.memory_is_short.store(now, Relaxed);
                tracing::warn!(resident, limit, refusing = now, "resident memory");
            }
            if stop.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
