//! Reading the policy folder.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::document::{self, Document};
use super::{MAX_FILE_BYTES, MAX_FILES, MAX_FOLDER_BYTES, MAX_FOLDER_DEPTH, MAX_FOLDER_NODES};
use crate::policy::diagnostic::{Diagnostics, Place, SourceFile};

/// Every document of a folder, or of texts in memory.
#[derive(Clone, Debug, Default)]
pub struct SourceSet {
    /// All policy files that are text, also those with errors, by path.
    pub files: Vec<Arc<SourceFile>>,
    /// In the order of the files, then of the text. Those of a known kind.
    pub documents: Vec<Document>,
    /// What is wrong so far.
    pub diagnostics: Diagnostics,
    /// A hash of all files' relative paths and bytes: 16 hexadecimal digits.
    pub revision: String,
}

/// A file's bytes, or why there are none.
struct Found {
    /// With `/` between the parts on every system.
    relative: String,
    shown: String,
    bytes: Result<Vec<u8>, String>,
}

impl SourceSet {
    /// Reads every `*.yaml` and `*.yml` below `dir` (or the one file that it is).
    /// Never fails: what can't be read is among the diagnostics.
    pub fn read(dir: &Path) -> Self {
        let mut walk = Walk::default();
        if dir.is_file() {
            walk.file(dir, dir.file_name().unwrap_or_default().to_string_lossy().into_owned());
        } else {
            walk.folder(dir, "", 0);
        }
        let mut set = Self::of(walk.found);
        set.diagnostics.append(walk.diagnostics);
        set
    }

    /// The same from memory: paths and texts.
    pub fn from_memory<P: Into<String>, T: AsRef<[u8]>>(
        files: impl IntoIterator<Item = (P, T)>,
    ) -> Self {
        let found = files.into_iter().map(|(path, text)| {
            let (path, bytes) = (path.into(), text.as_ref());
            let bytes = match u64::try_from(bytes.len()) {
                Ok(length) if length <= MAX_FILE_BYTES => Ok(bytes.to_vec()),
                _ => Err(too_large()),
            };
            Found { relative: path.clone(), shown: path, bytes }
        });
        Self::of(found.collect())
    }

    fn of(mut found: Vec<Found>) -> Self {
        found.sort_by(|a, b| a.relative.cmp(&b.relative));
        let mut set = Self::default();
        let mut hash = Sha256::new();
        let mut budget = MAX_FOLDER_NODES;
        for Found { relative, shown, bytes } in found {
            match bytes {
                Ok(bytes) => {
                    // Lengths first: moving a byte from path to text is another revision.
                    hash.update((relative.len() as u64).to_le_bytes());
                    hash.update(&relative);
                    hash.update((bytes.len() as u64).to_le_bytes());
                    hash.update(&bytes);
                    set.add(shown, &bytes, &mut budget);
                }
                Err(why) => {
                    let file = Arc::new(SourceFile::new(shown, ""));
                    set.diagnostics.error(Place::start_of(&file), why);
                }
            }
        }
        set.revision = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        set
    }

    fn add(&mut self, shown: String, bytes: &[u8], budget: &mut usize) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let file = Arc::new(SourceFile::new(shown, text));
                self.files.push(Arc::clone(&file));
                self.documents.extend(document::read(&file, budget, &mut self.diagnostics));
            }
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let file = Arc::new(SourceFile::new(shown, String::from_utf8_lossy(good)));
                let span = error.valid_up_to()..error.valid_up_to();
                self.diagnostics
                    .error(Place { file, span }, "the file is not UTF-8 from here on")
                    .help("save the file as UTF-8");
            }
        }
    }
}

fn too_large() -> String {
    format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20)
}

#[derive(Default)]
struct Walk {
    found: Vec<Found>,
    bytes: u64,
    diagnostics: Diagnostics,
    /// Real paths: what several links lead to is read once, and a circle ends.
    seen: HashSet<PathBuf>,
    full: bool,
}

impl Walk {
    fn folder(&mut self, folder: &Path, relative: &str, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            let message = format!("folders nest deeper than {MAX_FOLDER_DEPTH} levels");
            return self.error(folder, message);
        }
        let entries =
            match self.enter(folder).and_then(|new| new.then(|| names(folder)).transpose()) {
                Ok(entries) => entries.unwrap_or_default(),
                Err(error) => {
                    return self
                        .error(folder, format!("the folder can't be read: {}", plain(&error)));
                }
            };
        for name in entries {
            let path = folder.join(&name);
            let name = name.to_string_lossy();
            let relative =
                if relative.is_empty() { name.into_owned() } else { format!("{relative}/{name}") };
            // Follows links; a dangling one is a file that can't be read.
            if fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                self.folder(&path, &relative, depth + 1);
            } else if is_yaml(&path) {
                self.file(&path, relative);
            }
        }
    }

    /// Whether the file or folder is new.
    fn enter(&mut self, path: &Path) -> io::Result<bool> {
        Ok(self.seen.insert(fs::canonicalize(path)?))
    }

    fn file(&mut self, path: &Path, relative: String) {
        if self.full {
            return;
        }
        if self.found.len() >= MAX_FILES || self.bytes > MAX_FOLDER_BYTES {
            self.full = true;
            let bytes = MAX_FOLDER_BYTES >> 20;
            return self
                .error(path, format!("more than {MAX_FILES} policy files or {bytes} MiB of them"));
        }
        let bytes = match self.enter(path) {
            Ok(true) => read(path),
            Ok(false) => return,
            Err(error) => Err(error),
        };
        self.bytes += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let bytes = match bytes {
            Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => Err(too_large()),
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(format!("the file can't be read: {}", plain(&error))),
        };
        self.found.push(Found { relative, shown: path.display().to_string(), bytes });
    }

    fn error(&mut self, path: &Path, message: String) {
        let file = Arc::new(SourceFile::new(path.display().to_string(), ""));
        self.diagnostics.error(Place::start_of(&file), message);
    }
}

/// The names in a folder in byte order, without those that begin with a dot
/// (ConfigMap mounts keep their data in such folders, editors their drafts).
fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// At most one byte more than is allowed. Only plain files: opening a pipe
/// would wait for its writer.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `permission denied`: the system's words without their number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
