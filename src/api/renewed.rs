//! What is read from files and read anew when they change: certificates, token
//! files, key sets. (Key sets by URL: `jwt::remote`.)
//!
//! Polled, as the policy folder is: a rename, a ConfigMap's symlink swap and a
//! mount without notifications all look alike then. What can't be used never
//! replaces what can: the old one goes on, and the log and `/status` say why.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

pub(super) use crate::fetch::read_file;
use crate::model::Timestamp;

/// A value made of files.
pub struct Renewed<T> {
    name: &'static str,
    paths: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    now: ArcSwap<T>,
    watch: Mutex<Watch>,
}

#[derive(Debug)]
struct Watch {
    loaded: Vec<Look>,
    before: Vec<Look>,
    state: FileState,
}

/// How such a value fares: what `/status` tells.
#[derive(Clone, Debug)]
pub struct FileState {
    pub name: &'static str,
    /// Nothing where it was never had.
    pub loaded_at: Option<Timestamp>,
    /// How often it was read anew.
    pub renewed: u64,
    /// Why the files as they are now are not what is used.
    pub error: Option<String>,
}

/// A file, told from what it was before without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look(Option<(SystemTime, u64, u64)>);

/// Renewed values of any kind, for the one thread that looks after them.
pub trait Renew: Send + Sync {
    /// Looks once whether there is something new, and takes it up. Never waits for
    /// another machine.
    fn look(&self);
    fn state(&self) -> FileState;
}

impl<T> fmt::Debug for Renewed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T: Send + Sync> Renewed<T> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// What `read` says.
    pub fn new(
        name: &'static str,
        paths: Vec<PathBuf>,
        read: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        // Before the reading: a change in between is seen by the next look.
        let loaded = looks(&paths);
        let now = ArcSwap::from_pointee(read()?);
        let state = FileState { name, loaded_at: Some(Timestamp::now()), renewed: 0, error: None };
        let watch = Watch { before: loaded.clone(), loaded, state };
        Ok(Renewed { name, paths, read: Box::new(read), now, watch: Mutex::new(watch) })
    }

    pub fn now(&self) -> Guard<std::sync::Arc<T>> {
        self.now.load()
    }
}

impl<T: Send + Sync> Renew for Renewed<T> {
    fn look(&self) {
        let mut watch = self.watch.lock();
        let seen = looks(&self.paths);
        // Two looks must agree, so that a file is not read while it is written.
        if seen != watch.loaded && seen == watch.before {
            match (self.read)() {
                Ok(value) => {
                    self.now.store(std::sync::Arc::new(value));
                    tracing::info!(what = self.name, "files have changed and are in use");
                    watch.state.loaded_at = Some(Timestamp::now());
                    watch.state.renewed += 1;
                    watch.state.error = None;
                }
                Err(error) => {
                    tracing::error!(what = self.name, %error, "files have changed and can't be used: what was read before goes on");
                    watch.state.error = Some(error);
                }
            }
            watch.loaded.clone_from(&seen);
        }
        watch.before = seen;
    }

    fn state(&self) -> FileState {
        self.watch.lock().state.clone()
    }
}

fn looks(paths: &[PathBuf]) -> Vec<Look> {
    paths.iter().map(|path| look(path)).collect()
}

fn look(path: &Path) -> Look {
    use std::os::unix::fs::MetadataExt as _;
    Look(std::fs::metadata(path).ok().map(|metadata| {
        (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), metadata.ino())
    }))
}

#[cfg(test)]
mod tests {
    use super::{Renew as _, Renewed};

    #[test]
    fn a_change_is_taken_up_once_it_rests_and_garbage_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let file = path.clone();
        let read = move || {
            let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
            text.parse::<u32>().map_err(|e| e.to_string())
        };
        let number = Renewed::new("number", vec![path.clone()], read).unwrap();
        std::fs::write(&path, "22").unwrap();
        number.look();
        assert_eq!(**number.now(), 1, "not before two looks agree");
        number.look();
        assert_eq!((**number.now(), number.state().renewed), (22, 1));
        std::fs::write(&path, "garbage").unwrap();
        number.look();
        number.look();
        assert_eq!(**number.now(), 22);
        assert!(number.state().error.is_some());
        std::fs::remove_file(&path).unwrap();
        number.look();
        number.look();
        assert_eq!(**number.now(), 22);
        std::fs::write(&path, "333").unwrap();
        number.look();
        number.look();
        assert_eq!(**number.now(), 333);
        assert!(number.state().error.is_none());
    }
}
