//! Lists that were fetched, kept on disk: a restart without their server goes on
//! with the last good ones.
//!
//! `NAME.json` says what is kept and names the content's file by its hash, so that one
//! rename replaces both. What doesn't fit together is not used.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::reading::{Fresh, MAX_BYTES};
use crate::model::{ListKind, Timestamp};

/// What is said of a list is not longer (bytes).
const MAX_NOTE: u64 = 64 * 1024;

/// How a server tells a version of a list from the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub etag: Option<String>,
    /// As `Last-Modified` says.
    pub modified: Option<String>,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
}

/// A folder of lists that were fetched.
#[derive(Clone, Debug)]
pub struct Keep(PathBuf);

/// What is said of a list beside its content.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    url: String,
    /// When the server last said that this is the list.
    confirmed_at: String,
    #[serde(flatten)]
    version: Version,
}

/// A kept list.
pub(super) struct Kept {
    pub(super) fresh: Fresh,
    pub(super) version: Version,
    pub(super) confirmed_at: Timestamp,
}

impl Keep {
    pub fn in_folder(folder: PathBuf) -> Self {
        Keep(folder)
    }

    /// What is kept of a list; nothing where that is of another URL, or there is nothing.
    ///
    /// # Errors
    /// Why what is there can't be used.
    pub(super) fn read(
        &self,
        name: &str,
        kind: ListKind,
        url: &str,
    ) -> Result<Option<Kept>, String> {
        let path = self.note(name);
        let damaged = |path: &Path, why: &str| {
            format!("the kept copy `{}` is damaged ({why}) and not used", path.display())
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(format!("the kept copy `{}`: {why}", path.display())),
        };
        let note = serde_json::from_reader::<_, Note>(BufReader::new(file.take(MAX_NOTE)));
        let note = note.map_err(|why| damaged(&path, &why.to_string()))?;
        if note.url != url {
            return Ok(None);
        }
        let confirmed = note.confirmed_at.parse::<jiff::Timestamp>();
        let confirmed = confirmed.map_err(|_| damaged(&path, "`confirmed_at` is no time"))?;
        let path = self.content(name, &note.version.sha256);
        let file = File::open(&path).map_err(|why| damaged(&path, &why.to_string()))?;
        let bytes = file.metadata().ok().map(|metadata| metadata.len());
        let mut hashing = Hashing { inner: file.take(MAX_BYTES), hash: Sha256::new() };
        let fresh = Fresh::read(kind, BufReader::with_capacity(64 * 1024, &mut hashing), bytes);
        let fresh = fresh.map_err(|why| damaged(&path, &why))?;
        if hex(hashing.hash) != note.version.sha256 {
            return Err(damaged(&path, "it is not what was fetched"));
        }
        let confirmed_at = Timestamp::from_millis(confirmed.as_millisecond());
        Ok(Some(Kept { fresh, version: note.version, confirmed_at }))
    }

    /// Begins to write a list's content, beside what is kept of it.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(&self, name: &str) -> io::Result<Writing<'_>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.0.join(format!(".{name}.part"));
        let file = File::create(&path)?;
        Ok(Writing { keep: self, name: name.to_owned(), path, file })
    }

    /// Notes that what is kept of a list was confirmed.
    ///
    /// # Errors
    /// The disk's.
    pub fn confirm(
        &self,
        name: &str,
        url: &str,
        version: &Version,
        confirmed_at: Timestamp,
    ) -> io::Result<()> {
        if !self.content(name, &version.sha256).is_file() {
            // Nothing is kept: it was had before there was a folder, or was taken away.
            return Ok(());
        }
        let at = jiff::Timestamp::from_millisecond(confirmed_at.millis());
        let note = Note {
            url: url.to_owned(),
            confirmed_at: at.map_err(io::Error::other)?.to_string(),
            version: version.clone(),
        };
        let beside = self.0.join(format!(".{name}.json"));
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(&note)?)?;
        file.sync_all()?;
        fs::rename(beside, self.note(name))
    }

    fn note(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }

    /// `sha256` may be anything that somebody has written.
    fn content(&self, name: &str, sha256: &str) -> PathBuf {
        let hex: String = sha256.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        self.0.join(format!("{name}.{hex}.list"))
    }

    /// Takes away the content of earlier versions.
    fn clear(&self, name: &str, but: &Path) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let is_content = file
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".list"))
                .is_some();
            if is_content && path != but {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Content that is being written.
#[derive(Debug)]
pub struct Writing<'k> {
    keep: &'k Keep,
    name: String,
    path: PathBuf,
    file: File,
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Writing<'_> {
    /// Makes it what is kept of the list.
    ///
    /// # Errors
    /// The disk's.
    pub fn commit(self, url: &str, version: &Version, confirmed_at: Timestamp) -> io::Result<()> {
        self.file.sync_all()?;
        let content = self.keep.content(&self.name, &version.sha256);
        fs::rename(&self.path, &content)?;
        self.keep.confirm(&self.name, url, version, confirmed_at)?;
        self.keep.clear(&self.name, &content)
    }

    /// Forgets it. What is kept stays.
    pub fn abandon(self) {
        // What is left is overwritten by the next one.
        let _ = fs::remove_file(&self.path);
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.hash.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
