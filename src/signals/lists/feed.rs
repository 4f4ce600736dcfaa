//! One list or database of a catalog, with what is loaded of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kept::{Keep, Version};
use super::reading::{Fresh, MAX_BYTES};
use super::{BadLines, List};
use crate::model::{ListKind, ListSource, ListUrl, Seconds, Timestamp};
use crate::signals::geo::GeoFile;

/// What the catalog names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FeedSpec {
    /// In the order of the snapshot's lists: a slot names a list by its place.
    List {
        name: Arc<str>,
        kind: ListKind,
        source: ListSource,
        /// What it says is half as sure with each such age (seconds).
        half_life: Option<u64>,
    },
    GeoCity(GeoSource),
    GeoAsn(GeoSource),
}

/// A geo database's file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GeoSource {
    pub path: PathBuf,
    /// That it isn't there is no failure.
    pub optional: bool,
}

impl FeedSpec {
    /// As `/status` names it.
    pub fn label(&self) -> String {
        match self {
            FeedSpec::List { name, .. } => format!("lists.{name}"),
            FeedSpec::GeoCity(_) => "geo.city".to_owned(),
            FeedSpec::GeoAsn(_) => "geo.asn".to_owned(),
        }
    }

    /// Whether what was loaded of the one is what would be loaded of the other.
    fn has_content_of(&self, other: &FeedSpec) -> bool {
        match (self, other) {
            (
                FeedSpec::List { name, kind, source, .. },
                FeedSpec::List { name: other_name, kind: other_kind, source: other, .. },
            ) => {
                kind == other_kind
                    && match (source, other) {
                        (ListSource::File(path), ListSource::File(other)) => path == other,
                        // It is kept by its name.
                        (ListSource::Url(of), ListSource::Url(other)) => {
                            name == other_name && of.url == other.url
                        }
                        _ => false,
                    }
            }
            (FeedSpec::GeoCity(of), FeedSpec::GeoCity(other))
            | (FeedSpec::GeoAsn(of), FeedSpec::GeoAsn(other)) => of.path == other.path,
            _ => false,
        }
    }

    /// Whether it may be left out.
    fn is_optional(&self) -> bool {
        matches!(self, FeedSpec::GeoCity(of) | FeedSpec::GeoAsn(of) if of.optional)
    }

    /// The file that it is read from.
    fn path(&self) -> Option<&Path> {
        match self {
            FeedSpec::List { source: ListSource::File(path), .. } => Some(path),
            FeedSpec::GeoCity(of) | FeedSpec::GeoAsn(of) => Some(&of.path),
            FeedSpec::List { source: ListSource::Url(_), .. } => None,
        }
    }

    pub(super) fn url(&self) -> Option<&Arc<ListUrl>> {
        match self {
            FeedSpec::List { source: ListSource::Url(url), .. } => Some(url),
            _ => None,
        }
    }
}

/// How a feed fares, for `/status`.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedState {
    pub spec: FeedSpec,
    /// Entries of a list, networks' tree nodes of a database.
    pub entries: usize,
    /// When what is used was loaded; of a list by URL, when its server last confirmed
    /// it. `None`: never.
    pub loaded_at: Option<Timestamp>,
    /// When the file of what is used was written, or its server last confirmed it.
    pub as_of: Option<Timestamp>,
    /// Of what is used.
    pub bad_lines: BadLines,
    /// Why what there is now isn't used.
    pub error: Option<String>,
    /// It may be left out, and has not been there yet.
    pub absent: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Feed {
    pub(super) state: FeedState,
    /// The file as it was when last looked at.
    stamp: Option<Stamp>,
    pub(super) content: Option<FeedContent>,
    pub(super) fetched: Fetched,
}

#[derive(Clone, Debug)]
pub(super) enum FeedContent {
    List(Arc<List>),
    Geo(Arc<GeoFile>),
}

/// How fetching goes, of a list by URL.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched {
    /// Of what is used.
    pub(super) version: Version,
    /// Not before then; nothing: at once.
    pub(super) next: Option<Timestamp>,
    /// One after the other, until now.
    pub(super) failures: u32,
    looked_for_kept: bool,
}

/// Tells whether a file changed. The inode finds what was put in place by a
/// rename or a symlink swap within the same second and at the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<std::time::SystemTime>,
    len: u64,
    inode: u64,
}

/// What a look at a feed found.
pub(super) enum Found {
    /// The same as before.
    Nothing,
    New {
        content: FeedContent,
        entries: usize,
        bad_lines: BadLines,
        as_of: Timestamp,
        stamp: Option<Stamp>,
        version: Version,
    },
    Bad {
        error: String,
        stamp: Option<Stamp>,
    },
    /// Not there, and need not be.
    Absent,
}

impl Feed {
    /// With what `earlier` feeds have of it.
    pub(super) fn new(spec: FeedSpec, earlier: &[Feed]) -> Self {
        let known = earlier.iter().find(|feed| feed.state.spec.has_content_of(&spec));
        let Some(known) = known else {
            let state = FeedState {
                spec,
                entries: 0,
                loaded_at: None,
                as_of: None,
                bad_lines: BadLines::default(),
                error: None,
                absent: false,
            };
            return Feed { state, stamp: None, content: None, fetched: Fetched::default() };
        };
        let mut feed = known.clone();
        if feed.state.spec != spec {
            // Another token, or another time between.
            feed.fetched.next = None;
            feed.state.spec = spec;
        }
        feed
    }

    /// Looks at the file, or once for a kept copy. Takes as long as reading takes.
    pub(super) fn look(&self, keep: Option<&Keep>, now: Timestamp) -> Found {
        let Some(path) = self.state.spec.path() else { return self.look_for_kept(keep) };
        let stamp = match Stamp::of(path) {
            Ok(stamp) => stamp,
            // What was in use and is gone is told all the same.
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && self.state.spec.is_optional()
                    && self.content.is_none() =>
            {
                return Found::Absent;
            }
            // No stamp, so that the file is read when it is back, whatever its stamp.
            Err(error) => return Found::Bad { error: error.to_string(), stamp: None },
        };
        if self.stamp == Some(stamp) {
            return Found::Nothing;
        }
        match self.read(path, stamp) {
            Ok((content, entries, bad_lines)) => Found::New {
                content,
                entries,
                bad_lines,
                as_of: stamp.written(now),
                stamp: Some(stamp),
                version: Version::default(),
            },
            Err(error) => Found::Bad { error, stamp: Some(stamp) },
        }
    }

    fn read(&self, path: &Path, stamp: Stamp) -> Result<(FeedContent, usize, BadLines), String> {
        if let FeedSpec::List { kind, .. } = &self.state.spec {
            let (list, bad) = Fresh::read_path(*kind, path)?.usable(self.state.entries)?;
            let entries = list.len();
            return Ok((FeedContent::List(Arc::new(list)), entries, bad));
        }
        if stamp.len > MAX_BYTES {
            return Err("larger than 1 GiB".to_owned());
        }
        let file = GeoFile::parse(fs::read(path).map_err(|error| error.to_string())?)?;
        match &self.state.spec {
            FeedSpec::GeoCity(_) if !file.has_places() => {
                return Err(format!("it knows no places: it is a database `{}`", file.kind()));
            }
            FeedSpec::GeoAsn(_) if !file.has_networks() => {
                let kind = file.kind();
                return Err(format!("it knows no autonomous systems: it is a database `{kind}`"));
            }
            _ => {}
        }
        let nodes = file.nodes();
        Ok((FeedContent::Geo(Arc::new(file)), nodes, BadLines::default()))
    }

    fn look_for_kept(&self, keep: Option<&Keep>) -> Found {
        let (FeedSpec::List { name, kind, .. }, Some(from)) =
            (&self.state.spec, self.state.spec.url())
        else {
            return Found::Nothing;
        };
        let Some(keep) = keep.filter(|_| self.wants_kept()) else { return Found::Nothing };
        let read = keep.read(name, *kind, &from.url).and_then(|kept| {
            let Some(kept) = kept else { return Ok(Found::Nothing) };
            let (list, bad_lines) = kept.fresh.usable(0)?;
            Ok(Found::New {
                entries: list.len(),
                content: FeedContent::List(Arc::new(list)),
                bad_lines,
                as_of: kept.confirmed_at,
                stamp: None,
                version: kept.version,
            })
        });
        read.unwrap_or_else(|error| Found::Bad { error, stamp: None })
    }

    fn wants_kept(&self) -> bool {
        !self.fetched.looked_for_kept && self.content.is_none()
    }

    /// Takes up what a look at it found. Says whether there is new content.
    pub(super) fn take(&mut self, found: Found, now: Timestamp) -> bool {
        let of_url = self.state.spec.url().map(|from| from.every);
        // A fetch was quicker than the disk.
        let too_late = of_url.is_some() && !self.wants_kept();
        self.fetched.looked_for_kept = true;
        self.state.absent = matches!(found, Found::Absent);
        match found {
            _ if too_late => false,
            Found::Nothing => false,
            Found::Bad { error, stamp } => {
                self.stamp = stamp;
                self.state.error = Some(error);
                false
            }
            Found::Absent => {
                self.stamp = None;
                self.state.error = None;
                false
            }
            Found::New { content, entries, bad_lines, as_of, stamp, version } => {
                self.stamp = stamp;
                self.content = Some(content);
                self.state.entries = entries;
                self.state.bad_lines = bad_lines;
                // A clock that was set back makes nothing younger than new.
                let as_of = as_of.min(now);
                self.state.loaded_at = Some(if of_url.is_some() { as_of } else { now });
                self.state.as_of = Some(as_of);
                self.state.error = None;
                self.fetched.version = version;
                self.fetched.next = of_url.map(|every| as_of.plus(every as Seconds));
                true
            }
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
