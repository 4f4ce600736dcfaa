//! Reading lists as they come, line by line: what is read is never held as text.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use super::digest::prefix_of;
use super::{BadLines, Content, List};
use crate::model::ListKind;

/// Larger files are refused: 1 GiB.
pub(super) const MAX_BYTES: u64 = 1 << 30;

/// Longer lines are no entries.
const MAX_LINE: usize = 4096;

/// More entries are refused: the smallest take 2 bytes of a file and 8 of memory.
const MAX_ENTRIES: usize = 50_000_000;

/// After so many bytes it is estimated how many entries there will be.
const SAMPLE: u64 = 128 * 1024;

/// What is read of a file at a time (bytes).
const PIECE: usize = 256 * 1024;

/// What `text/html` and such say of content that should be a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media<'m>(pub Option<&'m str>);

impl Media<'_> {
    /// # Errors
    /// Where it is a page or an answer to a program rather than a list.
    pub fn check(self) -> Result<(), String> {
        let no_list = ["text/html", "application/xhtml+xml", "application/json"];
        match self.0 {
            Some(media) if no_list.contains(&media) || media.ends_with("+json") => {
                Err(format!("it answers `{media}`, which is no list"))
            }
            _ => Ok(()),
        }
    }
}

/// A list as it was read, before it is known whether it can be used.
#[derive(Debug)]
pub struct Fresh {
    list: List,
    bad: BadLines,
    meant_to_be_empty: bool,
    is_page: bool,
}

impl Fresh {
    /// Reads all of `input`, of which there are so many bytes, where that is known.
    ///
    /// # Errors
    /// What the input's fault is, or that it has too many entries.
    pub fn read(kind: ListKind, input: impl BufRead, bytes: Option<u64>) -> Result<Self, String> {
        let mut reading = Reading::new(kind);
        reading.take("", input, bytes)?;
        Ok(reading.finish())
    }

    /// Reads a file, or a folder of files by prefix.
    pub(super) fn read_path(kind: ListKind, path: &Path) -> Result<Self, String> {
        let mut reading = Reading::new(kind);
        if !path.is_dir() {
            reading.take_file("", path)?;
            return Ok(reading.finish());
        }
        if !matches!(kind, ListKind::Sha1 | ListKind::Sha256) {
            let why = "it is a folder: only lists of type sha1 and sha256 can be folders, of \
                       files by prefix";
            return Err(why.to_owned());
        }
        let mut files = 0;
        for entry in fs::read_dir(path).map_err(|why| why.to_string())? {
            let entry = entry.map_err(|why| why.to_string())?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let prefix = prefix_of(name).ok_or_else(|| {
                format!("`{name}` in it is not named by a prefix in hex, as `0A1B2` or `0A1B2.txt`")
            })?;
            reading.take_file(prefix, &entry.path())?;
            files += 1;
        }
        if files == 0 {
            return Err("it is a folder without files by prefix, as `0A1B2.txt`".to_owned());
        }
        Ok(reading.finish())
    }

    /// The list, unless it looks like something that went wrong. `had` is how many
    /// entries there were before.
    ///
    /// # Errors
    /// Why it is not to be used.
    pub fn usable(self, had: usize) -> Result<(List, BadLines), String> {
        if self.is_page {
            return Err("it is a page, not a list".to_owned());
        }
        // An error page saved in place of a list, say. A few bad lines are normal.
        if self.bad.count > self.list.len() {
            let first = self.bad.first.first();
            let (line, why) = first.map_or((0, ""), |bad| (bad.line, bad.why));
            return Err(format!("more bad lines than good ones; line {line}: {why}"));
        }
        // A download that went wrong, more often than a list that nobody is on any more.
        if self.list.is_empty() && !self.meant_to_be_empty {
            let why = match had {
                0 => "it has no entries".to_owned(),
                had => format!("it had {had} entries and has none now, so those stay"),
            };
            return Err(format!("{why}; where that is meant, write a line `# empty`"));
        }
        Ok(self.into_parts())
    }

    pub(super) fn into_parts(self) -> (List, BadLines) {
        (self.list, self.bad)
    }
}

/// A list while it is read.
pub(super) struct Reading {
    content: Content,
    bad: BadLines,
    meant_to_be_empty: bool,
    is_page: bool,
    bytes_left: u64,
}

impl Reading {
    pub(super) fn new(kind: ListKind) -> Self {
        Reading {
            content: Content::empty(kind),
            bad: BadLines::default(),
            meant_to_be_empty: false,
            is_page: false,
            bytes_left: MAX_BYTES,
        }
    }

    fn take_file(&mut self, prefix: &str, path: &Path) -> Result<(), String> {
        let metadata = fs::metadata(path).map_err(|why| why.to_string())?;
        // Before it is opened: a pipe would wait for somebody to write.
        if !metadata.is_file() {
            return Err("it is no plain file".to_owned());
        }
        let file = File::open(path).map_err(|why| why.to_string())?;
        let left = self.bytes_left.checked_sub(metadata.len());
        self.bytes_left = left.ok_or("larger than 1 GiB")?;
        // Of a file that grows meanwhile, what it had.
        let file = BufReader::with_capacity(PIECE, file.take(metadata.len()));
        self.take(prefix, file, Some(metadata.len()))
    }

    pub(super) fn take(
        &mut self,
        prefix: &str,
        mut input: impl BufRead,
        bytes: Option<u64>,
    ) -> Result<(), String> {
        let mut line = Vec::with_capacity(MAX_LINE);
        let mut at = 0;
        let mut begun = false;
        let (mut read, mut to_estimate) = (0_u64, bytes.filter(|bytes| *bytes > SAMPLE));
        loop {
            line.clear();
            let mut some = input.by_ref().take(MAX_LINE as u64);
            some.read_until(b'\n', &mut line).map_err(|why| why.to_string())?;
            if line.is_empty() {
                return Ok(());
            }
            at += 1;
            read += line.len() as u64;
            if read > SAMPLE
                && let Some(bytes) = to_estimate.take()
            {
                self.content.expect(rest_of(bytes, read, self.content.added()));
            }
            if line.len() == MAX_LINE && line.last() != Some(&b'\n') {
                input.skip_until(b'\n').map_err(|why| why.to_string())?;
                self.bad.add(at, "longer than 4096 bytes");
                continue;
            }
            let text = if at == 1 { line.strip_prefix(b"\xef\xbb\xbf") } else { None };
            let text = text.unwrap_or(&line).trim_ascii();
            if !begun && !text.is_empty() {
                begun = true;
                self.is_page |= begins_a_page(text);
            }
            self.meant_to_be_empty |= text == b"# empty";
            self.take_line(prefix, at, text);
            if self.content.added() > MAX_ENTRIES {
                return Err(format!("more than {MAX_ENTRIES} entries"));
            }
        }
    }

    fn take_line(&mut self, prefix: &str, at: usize, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else {
            return self.bad.add(at, "not UTF-8");
        };
        let entry = line.split('#').next().unwrap_or_default().trim();
        if !entry.is_empty()
            && let Err(why) = self.content.add(prefix, entry)
        {
            self.bad.add(at, why);
        }
    }

    pub(super) fn finish(self) -> Fresh {
        Fresh {
            list: self.content.finish(),
            bad: self.bad,
            meant_to_be_empty: self.meant_to_be_empty,
            is_page: self.is_page,
        }
    }
}

/// How many entries the rest of the bytes may have, and some more.
fn rest_of(bytes: u64, read: u64, entries: usize) -> usize {
    let rest = bytes.saturating_sub(read) as f64 / read as f64 * entries as f64;
    ((rest * 1.1) as usize).min(MAX_ENTRIES)
}

/// Among plain strings every line is an entry, those of an error page too.
fn begins_a_page(line: &[u8]) -> bool {
    [&b"<!doctype"[..], b"<html", b"<head", b"<?xml"]
        .iter()
        .any(|tag| line.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
}
