//! The lists and geo databases of one catalog, read from files and read again
//! when those change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{BadLines, List};
use crate::model::{ListKind, Seconds, Timestamp, Value};
use crate::signals::geo::{Geo, GeoFile};

/// Larger files are refused: 1 GiB.
const MAX_FILE: u64 = 1 << 30;

/// A file that the catalog names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FeedSpec {
    /// In the order of the snapshot's lists: a slot names a list by its place.
    List {
        name: Arc<str>,
        kind: ListKind,
        path: PathBuf,
        /// What it says is half as sure with each such age of its file (seconds).
        half_life: Option<u64>,
    },
    GeoCity {
        path: PathBuf,
    },
    GeoAsn {
        path: PathBuf,
    },
}

/// What is loaded right now: one consistent picture for one request.
#[derive(Debug, Default)]
pub struct Loaded {
    lists: Vec<Option<Arc<List>>>,
    /// By list, for those that age.
    ages: Vec<Option<Age>>,
    geo: Geo,
}

/// How a list ages.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Age {
    /// When its file was written.
    as_of: Timestamp,
    half_life: Seconds,
}

impl Loaded {
    /// Given lists and geo data, as policy tests write them.
    pub fn new(lists: Vec<Option<Arc<List>>>, geo: Geo) -> Self {
        Loaded { lists, ages: Vec::new(), geo }
    }

    /// Takes from `other` what it doesn't have itself.
    pub fn fill_from(&mut self, other: &Loaded) {
        if self.lists.len() < other.lists.len() {
            self.lists.resize(other.lists.len(), None);
        }
        self.ages.clone_from(&other.ages);
        for (list, other) in self.lists.iter_mut().zip(&other.lists) {
            if list.is_none() {
                list.clone_from(other);
            }
        }
        if self.geo.is_empty() {
            self.geo = other.geo.clone();
        }
    }

    /// Whether the value is in the list; missing while the list was never loaded.
    pub fn listed(&self, list: u16, value: Value<'_>) -> Value<'static> {
        match self.lists.get(usize::from(list)) {
            Some(Some(list)) => list.contains(value),
            _ => Value::Missing,
        }
    }

    /// How sure one can be of what the list says, in [0, 1].
    pub fn freshness(&self, list: u16, now: Timestamp) -> f64 {
        let Some(Some(age)) = self.ages.get(usize::from(list)) else { return 1.0 };
        libm::exp2(-now.seconds_since(age.as_of).max(0.0) / age.half_life)
    }

    pub fn geo(&self) -> &Geo {
        &self.geo
    }
}

/// How a feed fares, for `/status`.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedState {
    pub spec: FeedSpec,
    /// Entries of a list, networks' tree nodes of a database.
    pub entries: usize,
    /// When what is used was loaded; `None`: never.
    pub loaded_at: Option<Timestamp>,
    /// When the file of what is used was written.
    pub as_of: Option<Timestamp>,
    /// Of what is used.
    pub bad_lines: BadLines,
    /// Why the file as it is now isn't used.
    pub error: Option<String>,
}

/// All feeds of one catalog.
#[derive(Debug)]
pub struct Feeds {
    loaded: ArcSwap<Loaded>,
    feeds: Mutex<Vec<Feed>>,
}

#[derive(Clone, Debug)]
struct Feed {
    state: FeedState,
    /// The file as it was when last looked at.
    stamp: Option<Stamp>,
    content: Option<Content>,
}

#[derive(Clone, Debug)]
enum Content {
    List(Arc<List>),
    Geo(Arc<GeoFile>),
}

/// Tells whether a file changed. The inode finds what was put in place by a
/// rename or a symlink swap within the same second and at the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<std::time::SystemTime>,
    len: u64,
    inode: u64,
}

impl Feeds {
    /// The feeds that a catalog names. Nothing is read yet: [`Feeds::reload`]
    /// does. What `earlier` has of the same files is carried over.
    pub fn new(specs: Vec<FeedSpec>, earlier: Option<&Feeds>) -> Self {
        let earlier = earlier.map(|feeds| feeds.feeds.lock().clone()).unwrap_or_default();
        let feeds = specs
            .into_iter()
            .map(|spec| {
                let known = earlier.iter().find(|feed| feed.state.spec == spec);
                known.cloned().unwrap_or_else(|| Feed::new(spec))
            })
            .collect::<Vec<_>>();
        Feeds { loaded: ArcSwap::from_pointee(collect(&feeds)), feeds: Mutex::new(feeds) }
    }

    /// What is loaded right now. Lock-free.
    pub fn load(&self) -> arc_swap::Guard<Arc<Loaded>> {
        self.loaded.load()
    }

    /// Takes places as they are given, until a file is read anew.
    pub fn give(&self, geo: Geo) {
        let mut loaded = Loaded { lists: Vec::new(), ages: Vec::new(), geo };
        loaded.fill_from(&self.loaded.load());
        self.loaded.store(Arc::new(loaded));
    }

    /// Reads the files that changed since they were last looked at. Says how many
    /// are now served from new content. A file that is missing or broken leaves
    /// the last good content in use, and its state says why. Blocks on files:
    /// for a cold thread.
    pub fn reload(&self, now: Timestamp) -> usize {
        let mut feeds = self.feeds.lock();
        let fresh = feeds.iter_mut().map(|feed| usize::from(feed.reload(now))).sum();
        if fresh > 0 {
            self.loaded.store(Arc::new(collect(&feeds)));
        }
        fresh
    }

    pub fn states(&self) -> Vec<FeedState> {
        self.feeds.lock().iter().map(|feed| feed.state.clone()).collect()
    }
}

fn collect(feeds: &[Feed]) -> Loaded {
    let mut loaded = Loaded::default();
    for feed in feeds {
        if let FeedSpec::List { half_life, .. } = &feed.state.spec {
            let as_of = feed.state.as_of;
            let age = half_life
                .zip(as_of)
                .map(|(half_life, as_of)| Age { as_of, half_life: half_life.max(1) as f64 });
            loaded.ages.push(age);
        }
        match (&feed.state.spec, &feed.content) {
            (FeedSpec::List { .. }, Some(Content::List(list))) => {
                loaded.lists.push(Some(list.clone()));
            }
            (FeedSpec::List { .. }, _) => loaded.lists.push(None),
            (FeedSpec::GeoCity { .. }, Some(Content::Geo(file))) => {
                loaded.geo.set_city(file.clone());
            }
            (FeedSpec::GeoAsn { .. }, Some(Content::Geo(file))) => loaded.geo.set_asn(file.clone()),
            (FeedSpec::GeoCity { .. } | FeedSpec::GeoAsn { .. }, _) => {}
        }
    }
    loaded
}

impl Feed {
    fn new(spec: FeedSpec) -> Self {
        let state = FeedState {
            spec,
            entries: 0,
            loaded_at: None,
            as_of: None,
            bad_lines: BadLines::default(),
            error: None,
        };
        Feed { state, stamp: None, content: None }
    }

    fn reload(&mut self, now: Timestamp) -> bool {
        let stamp = match Stamp::of(self.path()) {
            Ok(stamp) => stamp,
            Err(error) => {
                // So that the file is read when it is back, whatever its stamp.
                self.stamp = None;
                self.state.error = Some(error.to_string());
                return false;
            }
        };
        if self.stamp == Some(stamp) {
            return false;
        }
        self.stamp = Some(stamp);
        match self.read(stamp) {
            Ok((content, entries, bad_lines)) => {
                self.content = Some(content);
                self.state.entries = entries;
                self.state.bad_lines = bad_lines;
                self.state.loaded_at = Some(now);
                self.state.as_of = Some(stamp.written(now));
                self.state.error = None;
                true
            }
            Err(error) => {
                self.state.error = Some(error);
                false
            }
        }
    }

    fn read(&self, stamp: Stamp) -> Result<(Content, usize, BadLines), String> {
        if stamp.len > MAX_FILE {
            return Err("larger than 1 GiB".to_owned());
        }
        let bytes = fs::read(self.path()).map_err(|error| error.to_string())?;
        let FeedSpec::List { kind, .. } = &self.state.spec else {
            let file = GeoFile::parse(bytes)?;
            let nodes = file.nodes();
            return Ok((Content::Geo(Arc::new(file)), nodes, BadLines::default()));
        };
        let (list, bad) = List::parse(*kind, &bytes);
        // An error page saved in place of a list, say. A few bad lines are normal.
        if bad.count > list.len() {
            let first = bad.first.first();
            let (line, why) = first.map_or((0, ""), |bad| (bad.line, bad.why));
            return Err(format!("more bad lines than good ones; line {line}: {why}"));
        }
        let entries = list.len();
        // A download that went wrong, more often than a list that nobody is on any more.
        if entries == 0 && self.state.entries > 0 && !List::is_meant_to_be_empty(&bytes) {
            return Err(format!(
                "it had {} entries and has none now, so those stay; where that is meant, write a \
                 line `# empty`",
                self.state.entries
            ));
        }
        Ok((Content::List(Arc::new(list)), entries, bad))
    }

    fn path(&self) -> &Path {
        match &self.state.spec {
            FeedSpec::List { path, .. }
            | FeedSpec::GeoCity { path }
            | FeedSpec::GeoAsn { path } => path,
        }
    }
}

impl Stamp {
    fn written(&self, now: Timestamp) -> Timestamp {
        let since = self.modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let millis = since.and_then(|since| i64::try_from(since.as_millis()).ok());
        // A file of the future is of now.
        millis.map_or(now, |millis| Timestamp::from_millis(millis).min(now))
    }

    fn of(path: &Path) -> std::io::Result<Self> {
        let file = fs::metadata(path)?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&file);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Stamp { modified: file.modified().ok(), len: file.len(), inode })
    }
}
