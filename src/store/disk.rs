//! The database below the store: opening it, and refusing what must not be touched.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::names::Names;
use super::shelf::Room;
use crate::background;

/// What the layout of keys and values is called. Another number is another layout.
const FORMAT: u32 = 1;

const FORMAT_KEY: &str = "format";
const VALUE_KEY: &str = "value_key";

/// Locked by the process that has the store open, from before it makes one.
const LOCK: &str = "plimsoll.lock";
/// There while a store is made: what else is there then may be part of one.
const UNFINISHED: &str = "unfinished";
/// What the database itself makes first and last.
const KEYSPACES: &str = "keyspaces";
const VERSION: &str = "version";

/// Memory that the database may use: it is written, and read once.
const CACHE_BYTES: u64 = 8 << 20;
const MEMTABLE_BYTES: u64 = 16 << 20;
/// What is read again at the start, at most.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Why a store can't be used. It was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "another process has the store in `{0}` open: stop that one, or give each a folder of its own"
    )]
    Locked(PathBuf),
    #[error(
        "the store in `{folder}` was written by a newer version (format {found}, this one reads {FORMAT}): \
         run that version, or set `data` to another folder"
    )]
    Newer { folder: PathBuf, found: String },
    #[error(
        "the store in `{folder}` is damaged ({why}); it was left as it is. Put a backup in its place, \
         or move it away (`mv {folder} {folder}-damaged`) to start with nothing known"
    )]
    Damaged { folder: PathBuf, why: String },
    #[error(
        "`{0}` has files that are no store, and were left as they are: set `data` to a folder of its own"
    )]
    Foreign(PathBuf),
    #[error(
        "the store in `{folder}` can't be opened ({why}): let this process write there, \
         set `data` to a folder where it can, or to `memory` to keep nothing"
    )]
    Unusable { folder: PathBuf, why: String },
}

/// What went wrong below, of which the folder is told above.
#[derive(Debug)]
pub(super) enum Fault {
    Database(fjall::Error),
    Damaged(String),
}

impl From<fjall::Error> for Fault {
    fn from(why: fjall::Error) -> Self {
        Fault::Database(why)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Database(fjall::Error::Io(why)) => write!(f, "{why}"),
            Fault::Database(why) => write!(f, "{why:?}"),
            Fault::Damaged(why) => f.write_str(why),
        }
    }
}

impl Fault {
    pub(super) fn of(self, folder: &Path) -> OpenError {
        use fjall::Error;
        let folder = folder.to_owned();
        match self {
            Fault::Database(Error::Locked) => OpenError::Locked(folder),
            Fault::Database(Error::InvalidVersion(Some(found))) => {
                OpenError::Newer { folder, found: format!("of the database: {found:?}") }
            }
            Fault::Database(Error::Io(why)) if is_of_the_system(&why) => {
                OpenError::Unusable { folder, why: why.to_string() }
            }
            why => OpenError::Damaged { folder, why: why.to_string() },
        }
    }
}

/// Whether the system refuses, rather than that a file is not as it should be.
fn is_of_the_system(why: &io::Error) -> bool {
    use io::ErrorKind::{
        FileTooLarge, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    matches!(
        why.kind(),
        PermissionDenied
            | ReadOnlyFilesystem
            | StorageFull
            | QuotaExceeded
            | FileTooLarge
            | NotADirectory
    )
}

/// An open database.
pub(super) struct Disk {
    pub(super) database: Database,
    meta: Keyspace,
    pub(super) names: Keyspace,
    pub(super) entities: Keyspace,
    profiles: Keyspace,
    links: Keyspace,
    labels: Keyspace,
    /// What could not be read (`aside`).
    pub(super) aside: Keyspace,
    _lock: File,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// Opens it, or makes it. Gives the key of value hashes that is kept in it.
    pub(super) fn open(folder: &Path) -> Result<(Self, [u8; 16]), OpenError> {
        let (lock, is_new) = prepare(folder)?;
        // The database's threads tidy up, which can wait. A damaged file may be met by an
        // assertion rather than an error.
        let opened = background::run(|| Self::open_database(folder, lock))
            .unwrap_or_else(|_| Err(Fault::Damaged("its files contradict each other".to_owned())));
        let disk = opened.map_err(|why| why.of(folder))?;
        let key = disk.check(folder, is_new)?;
        if is_new {
            finish(folder).map_err(|why| unusable(folder, &why))?;
        }
        Ok((disk, key))
    }

    /// Opens the one that was open before. Where it is gone none is made: a disk that isn't
    /// mounted would be written to where it is not, and values hashed by a key that is not theirs.
    pub(super) fn open_again(folder: &Path, value_key: [u8; 16]) -> Result<Self, Fault> {
        if !folder.join(VERSION).exists() {
            return Err(Fault::Damaged(format!("the store in `{}` is gone", folder.display())));
        }
        let (disk, key) = Self::open(folder).map_err(|why| Fault::Damaged(why.to_string()))?;
        if key != value_key {
            let folder = folder.display();
            return Err(Fault::Damaged(format!("in `{folder}` is another store than before")));
        }
        Ok(disk)
    }

    fn open_database(folder: &Path, lock: File) -> Result<Self, Fault> {
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let keyspace = |name| database.keyspace(name, options);
        let (meta, names) = (keyspace("meta")?, keyspace("names")?);
        let (entities, profiles) = (keyspace("entities")?, keyspace("profiles")?);
        // Those that an older version didn't know are made here.
        let (links, labels) = (keyspace("links")?, keyspace("labels")?);
        let aside = keyspace("aside")?;
        Ok(Disk { database, meta, names, entities, profiles, links, labels, aside, _lock: lock })
    }

    pub(super) fn room(&self, room: Room) -> &Keyspace {
        match room {
            Room::Profiles => &self.profiles,
            Room::Links => &self.links,
            Room::Labels => &self.labels,
        }
    }

    /// Looks whether this build can read it; writes into a new one what it is.
    fn check(&self, folder: &Path, is_new: bool) -> Result<[u8; 16], OpenError> {
        let fault = |why: fjall::Error| Fault::from(why).of(folder);
        let damaged =
            |why: &str| OpenError::Damaged { folder: folder.to_owned(), why: why.to_owned() };
        let format = self.meta.get(FORMAT_KEY).map_err(fault)?;
        let Some(format) = format else {
            if !is_new {
                return Err(damaged("it doesn't say what format it has"));
            }
            let mut key = [0; 16];
            getrandom::fill(&mut key).map_err(|why| unusable(folder, &why))?;
            let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
            batch.insert(&self.meta, FORMAT_KEY, FORMAT.to_be_bytes());
            batch.insert(&self.meta, VALUE_KEY, key);
            batch.commit().map_err(fault)?;
            return Ok(key);
        };
        let format = format.as_ref().try_into().map(u32::from_be_bytes);
        match format.map_err(|_| damaged("its format is no number"))? {
            FORMAT => {}
            found if found > FORMAT => {
                let found = found.to_string();
                return Err(OpenError::Newer { folder: folder.to_owned(), found });
            }
            found => return Err(damaged(&format!("there never was a format {found}"))),
        }
        let key = self.meta.get(VALUE_KEY).map_err(fault)?;
        let key = key.as_deref().and_then(|key| key.try_into().ok());
        key.ok_or_else(|| damaged("the key of its value hashes is not there"))
    }

    pub(super) fn names(&self) -> Result<Names, Fault> {
        let mut names = Names::default();
        for entry in self.names.iter() {
            let (key, value) = entry.into_inner()?;
            names.read(&key, &value).map_err(|()| Fault::Damaged("a name can't be read".into()))?;
        }
        Ok(names)
    }
}

/// Works on a database: a damaged file may be met by an assertion rather than an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let contradiction = || Fault::Damaged("its files contradict each other".to_owned());
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(contradiction()))
}

fn unusable(folder: &Path, why: &dyn std::fmt::Display) -> OpenError {
    OpenError::Unusable { folder: folder.to_owned(), why: why.to_string() }
}

/// Makes the folder, for this user only, and takes it for this process; refuses one that
/// is somebody else's. Says whether a store is to be made in it.
fn prepare(folder: &Path) -> Result<(File, bool), OpenError> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let unusable = |why: io::Error| unusable(folder, &why);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let is_there = |file: &str| folder.join(file).try_exists().map_err(unusable);
    let lost = |file: &str| {
        let why = format!("`{file}` is not there");
        Err(OpenError::Damaged { folder: folder.to_owned(), why })
    };
    let of_a_store = [LOCK, UNFINISHED, VERSION, KEYSPACES];
    let is_empty = fs::read_dir(folder).map_err(unusable)?.next().is_none();
    if !is_empty && !of_a_store.iter().any(|name| folder.join(name).exists()) {
        return Err(OpenError::Foreign(folder.to_owned()));
    }
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    let lock = options.open(folder.join(LOCK)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(why)) => return Err(unusable(why)),
    }
    // Without `version` a database is made anew, whatever else is there.
    match (is_there(UNFINISHED)?, is_there(VERSION)?, folder.join(KEYSPACES).is_dir()) {
        (true, ..) => Ok((lock, true)),
        (false, true, true) => Ok((lock, false)),
        (false, true, false) => lost(KEYSPACES),
        (false, false, true) => lost(VERSION),
        (false, false, false) => {
            File::create(folder.join(UNFINISHED)).map_err(unusable)?;
            sync(folder).map_err(unusable)?;
            Ok((lock, true))
        }
    }
}

/// The store is whole: from now on, what is not there was lost.
fn finish(folder: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(UNFINISHED))?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
