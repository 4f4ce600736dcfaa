//! The lines of a file, one at a time, and how far one is with them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;

/// As much as one report to a server may have (bytes).
const LONGEST: u64 = 8 << 20;
/// The bar on a terminal moves so often (lines).
const TELL_EVERY: u64 = 20_000;

pub(super) struct Lines {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    /// That of the line that was read last, from 1.
    pub(super) number: u64,
    progress: Progress,
}

/// Why a line has no text.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("is longer than 8 MiB")]
    Long,
    #[error("is not UTF-8")]
    Encoding,
}

impl Lines {
    /// Those of a file; of standard input where its name is `-`.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let (input, size): (Box<dyn BufRead>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), 0)
        } else {
            let file = File::open(path).with_context(|| format!("`{}`", path.display()))?;
            let size = file.metadata().map_or(0, |file| file.len());
            (Box::new(BufReader::with_capacity(1 << 20, file)), size)
        };
        let progress = Progress { size, read: 0, shown: io::stderr().is_terminal() };
        Ok(Lines { input, line: Vec::new(), number: 0, progress })
    }

    /// The next line, `None` after the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<&str, LineError>>> {
        self.line.clear();
        let mut read = self.input.by_ref().take(LONGEST).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        let mut long = false;
        if read as u64 == LONGEST && !self.line.ends_with(b"\n") {
            let rest = self.input.skip_until(b'\n')?;
            long = rest > 0;
            read += rest;
        }
        self.number += 1;
        self.progress.on(read as u64, self.number);
        if long {
            return Ok(Some(Err(LineError::Long)));
        }
        Ok(Some(std::str::from_utf8(&self.line).map_err(|_| LineError::Encoding)))
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if self.progress.shown {
            // A terminal that is gone needs no bar.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
#[derive(Debug)]
struct Progress {
    size: u64,
    read: u64,
    shown: bool,
}

impl Progress {
    fn on(&mut self, bytes: u64, lines: u64) {
        self.read += bytes;
        if self.shown && self.size > 0 && lines.is_multiple_of(TELL_EVERY) {
            let done = (self.read.saturating_mul(40) / self.size).min(40) as usize;
            let (done, left) = ("#".repeat(done), "-".repeat(40 - done));
            let _ = write!(io::stderr(), "\r[{done}{left}] {lines} lines");
        }
    }
}
