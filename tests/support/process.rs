//! A child process whose log is read as it is written.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::PATIENCE;

/// A process that is killed when it is dropped.
pub struct Process {
    name: &'static str,
    child: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    read: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    fn read(&self, from: impl Read) {
        for line in BufReader::new(from).split(b'\n') {
            let Ok(line) = line else { break };
            self.read.lock().unwrap().lines.push(String::from_utf8_lossy(&line).into_owned());
            self.more.notify_all();
        }
        self.read.lock().unwrap().ended = true;
        self.more.notify_all();
    }
}

impl Process {
    /// Starts it, and reads its standard error.
    pub fn start(name: &'static str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{name} does not start: {why}"));
        let log = Arc::new(Log::default());
        let (reading, from) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || reading.read(from));
        Process { name, child, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many lines it has logged.
    pub fn logged(&self) -> usize {
        self.log.read.lock().unwrap().lines.len()
    }

    /// How many of its lines `pick` takes.
    pub fn count(&self, pick: impl Fn(&str) -> bool) -> usize {
        self.log.read.lock().unwrap().lines.iter().filter(|line| pick(line)).count()
    }

    /// Waits for a line, from the line number `from` on, that `pick` takes.
    pub fn wait_for<T>(
        &self,
        what: &str,
        from: usize,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut read = self.log.read.lock().unwrap();
        let mut next = from;
        loop {
            while let Some(line) = read.lines.get(next) {
                next += 1;
                if let Some(picked) = pick(line) {
                    return picked;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !read.ended && !left.is_zero(),
                "{} did not log {what}. Its log:\n{}",
                self.name,
                read.lines.join("\n")
            );
            read = self.log.more.wait_timeout(read, left).unwrap().0;
        }
    }

    /// Waits until it ends by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let mut read = self.log.read.lock().unwrap();
        while !read.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} did not end:\n{}", self.name, read.lines.join("\n"));
            read = self.log.more.wait_timeout(read, left).unwrap().0;
        }
        drop(read);
        self.child.wait().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops all its threads where they are, and waits until they have.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let pid = Pid::from_child(&self.child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{} has ended: {status:?}", self.name);
    }

    /// Ends it without a word, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end, which must come within `limit`: gives its exit
/// status, standard output and standard error.
pub fn run(command: &mut Command, limit: Duration) -> (ExitStatus, String, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (told, done) = std::sync::mpsc::channel();
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).unwrap();
        told.send(String::from_utf8_lossy(&text).into_owned())
    });
    let Ok(out) = done.recv_timeout(limit) else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("{command:?} has not ended within {limit:?}");
    };
    (child.wait().unwrap(), out, errors.join().unwrap())
}
