//! From the policy folder to decisions: loads, publishes, and watches for changes.
//!
//! The folder is looked at several times a second. Watching by polling is the
//! one way that sees every kind of change alike: an edit, an editor's rename, a
//! ConfigMap's symlink swap, a deletion, a folder that comes into being later,
//! and mounts that send no notifications. A look costs a `stat` a file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::compile::compile;
use super::diagnostic::{Diagnostics, Severity};
use super::source::SourceSet;
use super::testing;
use crate::api::pdp::{Pdp, Published};
use crate::engine::{GeoDecl, Snapshot};
use crate::model::{ListSource, ListUrl, Timestamp};
use crate::signals::{FeedSpec, FeedState, Feeds, GeoSource, Keep};

/// How often the folder is looked at. A change is taken up once two looks in a
/// row agree, so that a file is not read while it is written.
const LOOK: Duration = Duration::from_millis(100);

/// Folders below the policy folder are followed so deep.
const MAX_DEPTH: usize = 32;

/// Loads the policy folder and publishes what is good.
#[derive(Debug)]
pub struct Publisher {
    folder: PathBuf,
    pdp: Arc<Pdp>,
    /// Where lists by URL are kept.
    keep: Option<Keep>,
    state: Mutex<State>,
}

/// How loading goes: what `/status` tells.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The revision that decides.
    pub revision: Option<Arc<str>>,
    pub loaded_at: Option<Timestamp>,
    pub policies: Vec<Arc<str>>,
    /// What was last refused, where the folder as it is now is not what decides.
    pub refused: Option<Refused>,
    pub warnings: usize,
    pub applied: u64,
    pub refusals: u64,
}

/// A folder that was not published.
#[derive(Clone, Debug)]
pub struct Refused {
    pub at: Timestamp,
    pub revision: String,
    pub errors: usize,
    /// As `plimsoll check` prints them.
    pub text: String,
    /// The same, one by one.
    pub diagnostics: Json,
}

impl Publisher {
    pub fn new(folder: PathBuf, pdp: Arc<Pdp>) -> Self {
        Publisher { folder, pdp, keep: None, state: Mutex::default() }
    }

    /// The same, looking for lists by URL where they are kept.
    #[must_use]
    pub fn keeping(mut self, keep: Option<Keep>) -> Self {
        self.keep = keep;
        self
    }

    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// How the lists and databases of the deciding revision fare.
    pub fn feeds(&self) -> Vec<FeedState> {
        self.pdp.published().as_ref().map(|p| p.feeds.states()).unwrap_or_default()
    }

    /// Reads the folder, and publishes it unless something is wrong with it.
    /// Says whether it is what decides now.
    pub fn load(&self) -> bool {
        let now = Timestamp::now();
        let set = SourceSet::read(&self.folder);
        {
            let state = self.state.lock();
            let seen = match &state.refused {
                Some(refused) => Some(refused.revision.as_str()),
                None => state.revision.as_deref(),
            };
            if seen == Some(&set.revision) {
                return state.refused.is_none();
            }
        }
        let mut span = self.pdp.traces.begin_reload();
        let (snapshot, mut diagnostics) = compile(&set, &self.pdp.vocabulary);
        if let Some(snapshot) = &snapshot {
            testing::read(&set, snapshot, &mut diagnostics);
        }
        let errors = match snapshot.filter(|s| !diagnostics.has_errors() && !s.policies.is_empty())
        {
            Some(snapshot) => {
                self.publish(snapshot, &diagnostics, now);
                0
            }
            None => self.refuse(&set.revision, &diagnostics, now),
        };
        if let Some(span) = &mut span {
            span.reloaded(&set.revision, errors);
        }
        errors == 0
    }

    fn publish(&self, snapshot: Snapshot, diagnostics: &Diagnostics, now: Timestamp) {
        let earlier = self.pdp.published();
        let specs = feed_specs(&snapshot, &self.folder);
        let feeds = Feeds::new(specs, earlier.as_ref().map(|p| &*p.feeds));
        let feeds = Arc::new(feeds.kept_in(self.keep.clone()));
        // So that it decides with its lists from the first request on.
        feeds.reload(now);
        let (revision, policies) = (
            snapshot.revision.clone(),
            snapshot.policies.iter().map(|p| p.name.clone()).collect::<Vec<_>>(),
        );
        let default = self.pdp.default_policy();
        if snapshot.find(default).is_none() {
            tracing::warn!(
                policy = default,
                ?policies,
                "the default policy does not exist: requests that name none are refused, until `default_policy` names one of these"
            );
        }
        self.pdp.publish(Arc::new(Published::new(snapshot, feeds, &self.pdp.metrics)));
        let mut state = self.state.lock();
        state.applied += 1;
        state.warnings = diagnostics.len();
        tracing::info!(%revision, policies = policies.len(), warnings = state.warnings, "policies published");
        state.revision = Some(revision);
        state.policies = policies;
        state.loaded_at = Some(now);
        state.refused = None;
    }

    /// Says how many errors there are.
    fn refuse(&self, revision: &str, diagnostics: &Diagnostics, now: Timestamp) -> usize {
        let errors = diagnostics.sorted().iter().filter(|d| d.severity == Severity::Error).count();
        let text = if errors == 0 {
            format!("there is no policy in `{}`", self.folder.display())
        } else {
            diagnostics.render(false)
        };
        let mut state = self.state.lock();
        let going_on = state.revision.as_deref().unwrap_or("none");
        tracing::error!(deciding = going_on, "the policies were not published\n{text}");
        state.refusals += 1;
        state.refused = Some(Refused {
            at: now,
            revision: revision.to_owned(),
            errors: errors.max(1),
            text,
            diagnostics: serde_json::to_value(diagnostics).unwrap_or(Json::Null),
        });
        errors.max(1)
    }

    /// Looks at the folder until `stop` says so or its sender is gone, and loads
    /// what changes. `published` is called whenever what is loaded decides.
    pub fn watch(&self, stop: &Receiver<()>, published: impl Fn()) {
        // Not what is there now: it may have changed since it was loaded.
        let mut loaded = None;
        let mut before = None;
        while stop.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let seen = Some(self.fingerprint());
            if seen != loaded && seen == before {
                if self.load() {
                    published();
                }
                loaded.clone_from(&seen);
            }
            before = seen;
        }
    }

    /// What `/status` says of policies and feeds.
    pub fn status(&self) -> Json {
        let state = self.state();
        let time = |at: Timestamp| {
            jiff::Timestamp::from_millisecond(at.millis())
                .map(|t| t.to_string())
                .unwrap_or_default()
        };
        let feeds: Vec<Json> = self
            .feeds()
            .iter()
            .map(|feed| {
                json!({
                    "feed": feed.spec.label(),
                    "entries": feed.entries,
                    "loaded_at": feed.loaded_at.map(time),
                    "as_of": feed.as_of.map(time),
                    "bad_lines": feed.bad_lines.count,
                    "error": feed.error,
                    "absent": feed.absent,
                })
            })
            .collect();
        let failing = feeds.iter().filter(|feed| !feed["error"].is_null());
        let failing = failing.map(|feed| feed["feed"].clone());
        let refused = state.refused.iter().map(|_| Json::from("policy"));
        let degraded: Vec<Json> = refused.chain(failing).collect();
        json!({
            "policy": {
                "folder": self.folder.display().to_string(),
                "revision": state.revision.as_deref(),
                "loaded_at": state.loaded_at.map(time),
                "policies": state.policies.iter().map(|name| &**name).collect::<Vec<_>>(),
                "warnings": state.warnings,
                "reloads_applied": state.applied,
                "reloads_refused": state.refusals,
                "refused": state.refused.map(|refused| json!({
                    "at": time(refused.at),
                    "revision": refused.revision,
                    "errors": refused.errors,
                    "text": refused.text,
                    "diagnostics": refused.diagnostics,
                })),
            },
            "feeds": feeds,
            "degraded": degraded,
        })
    }

    /// All files of the folder as the file system shows them.
    fn fingerprint(&self) -> Vec<FileLook> {
        let mut looks = Vec::new();
        let mut seen = HashSet::new();
        look(&self.folder, 0, &mut looks, &mut seen);
        looks.sort();
        looks
    }
}

/// A file, told from what it was before without reading it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileLook {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

fn look(path: &Path, depth: usize, into: &mut Vec<FileLook>, seen: &mut HashSet<PathBuf>) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if metadata.is_dir() {
        // A link back up must not lead round in a circle.
        let Ok(real) = path.canonicalize() else { return };
        if depth > MAX_DEPTH || !seen.insert(real) {
            return;
        }
        let Ok(entries) = std::fs::read_dir(path) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_string_lossy().starts_with('.') {
                look(&entry.path(), depth + 1, into, seen);
            }
        }
        return;
    }
    let is_policy = depth == 0
        || path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"));
    if is_policy {
        use std::os::unix::fs::MetadataExt as _;
        into.push(FileLook {
            path: path.to_owned(),
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode: metadata.ino(),
        });
    }
}

/// Where a snapshot's lists and databases come from, lists in the order of their
/// numbers.
pub fn feed_specs(snapshot: &Snapshot, folder: &Path) -> Vec<FeedSpec> {
    let base = if folder.is_file() { folder.parent().unwrap_or(folder) } else { folder };
    let mut specs: Vec<FeedSpec> = snapshot
        .lists
        .iter()
        .map(|list| FeedSpec::List {
            name: list.name.clone(),
            kind: list.kind,
            source: located(&list.source, base),
            half_life: list.half_life,
        })
        .collect();
    let geo = |of: &GeoDecl| GeoSource { path: base.join(&of.path), optional: of.optional };
    specs.extend(snapshot.geo.city.iter().map(|city| FeedSpec::GeoCity(geo(city))));
    specs.extend(snapshot.geo.asn.iter().map(|asn| FeedSpec::GeoAsn(geo(asn))));
    specs
}

/// With its files as seen from the policy folder.
fn located(source: &ListSource, base: &Path) -> ListSource {
    match source {
        ListSource::File(path) => ListSource::File(base.join(path)),
        ListSource::Url(from) => ListSource::Url(Arc::new(ListUrl {
            ca: from.ca.as_ref().map(|path| base.join(path)),
            token_file: from.token_file.as_ref().map(|path| base.join(path)),
            ..(**from).clone()
        })),
    }
}
