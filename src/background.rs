//! Threads that give way to those that answer requests.

use std::thread;

/// How much nicer than those that answer: of a core that both want, a tenth is left.
const NICER: i32 = 10;

/// From now on this thread, and those that it starts, run where requests leave time.
pub fn give_way() {
    // Elsewhere it is of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(why) = rustix::process::nice(NICER) {
        tracing::debug!(%why, "a thread in the background runs like all others");
    }
}

/// Runs something in a thread of its own that gives way, as do those that it starts.
///
/// # Errors
/// Where it panics.
pub fn run<T: Send>(work: impl FnOnce() -> T + Send) -> thread::Result<T> {
    let work = || {
        give_way();
        work()
    };
    thread::scope(|scope| scope.spawn(work).join())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process as niceness;

    use super::run;

    #[test]
    fn what_runs_in_the_background_gives_way_and_so_does_what_it_starts() {
        let before = niceness(None).unwrap();
        let started =
            run(|| std::thread::spawn(|| niceness(None).unwrap()).join().unwrap()).unwrap();
        assert_eq!(started, (before + super::NICER).min(19));
        assert_eq!(niceness(None).unwrap(), before, "here nothing has changed");
        assert!(run(|| panic!("as it should")).is_err());
    }
}
