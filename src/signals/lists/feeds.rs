//! The lists and geo databases of one catalog: read from files and read again when
//! those change, or given by who fetches them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::feed::{Feed, FeedContent, FeedSpec, FeedState};
use super::kept::{Keep, Version};
use super::loaded::{Age, Loaded};
use super::{BadLines, List};
use crate::model::{ListKind, ListUrl, Seconds, Timestamp};
use crate::signals::geo::Geo;

/// All feeds of one catalog.
#[derive(Debug)]
pub struct Feeds {
    loaded: ArcSwap<Loaded>,
    /// Locked for moments only, not while something is read.
    feeds: Mutex<Vec<Feed>>,
    /// Who reads files.
    reading: Mutex<()>,
    /// What was used before, until no request reads it any more.
    retired: Mutex<Vec<Arc<Loaded>>>,
    keep: Option<Keep>,
}

/// A list that is to be fetched now.
#[derive(Clone, Debug)]
pub struct Due {
    pub name: Arc<str>,
    pub kind: ListKind,
    pub from: Arc<ListUrl>,
    /// What is had of it; nothing where there is nothing.
    pub version: Option<Version>,
    pub entries: usize,
    /// How often it has failed without a success.
    pub failures: u32,
}

impl Feeds {
    /// The feeds that a catalog names. Nothing is read yet: [`Feeds::reload`]
    /// does. What `earlier` has of the same files and URLs is carried over.
    pub fn new(specs: Vec<FeedSpec>, earlier: Option<&Feeds>) -> Self {
        let known = earlier.map(|feeds| feeds.feeds.lock().clone()).unwrap_or_default();
        let feeds: Vec<_> = specs.into_iter().map(|spec| Feed::new(spec, &known)).collect();
        Feeds {
            loaded: ArcSwap::from_pointee(collect(&feeds)),
            feeds: Mutex::new(feeds),
            reading: Mutex::default(),
            retired: Mutex::default(),
            keep: earlier.and_then(|feeds| feeds.keep.clone()),
        }
    }

    /// The same, looking for lists by URL among those that were kept.
    #[must_use]
    pub fn kept_in(mut self, keep: Option<Keep>) -> Self {
        self.keep = keep;
        self
    }

    /// What is loaded right now. Lock-free.
    pub fn load(&self) -> arc_swap::Guard<Arc<Loaded>> {
        self.loaded.load()
    }

    /// Takes places as they are given, until a file is read anew.
    pub fn give(&self, geo: Geo) {
        let mut loaded = Loaded { geo, ..Loaded::default() };
        loaded.fill_from(&self.loaded.load());
        self.loaded.store(Arc::new(loaded));
    }

    /// Reads the files that changed since they were last looked at, one after the
    /// other. Says how many are now served from new content. A file that is missing or
    /// broken leaves the last good content in use, and its state says why. Blocks on
    /// files: for a cold thread.
    pub fn reload(&self, now: Timestamp) -> usize {
        let _alone = self.reading.lock();
        self.bury();
        let feeds = self.feeds.lock().len();
        let mut fresh = 0;
        for at in 0..feeds {
            let Some(feed) = self.feeds.lock().get(at).cloned() else { break };
            // What it was before goes on to be used meanwhile.
            let found = feed.look(self.keep.as_ref(), now);
            drop(feed);
            let mut feeds = self.feeds.lock();
            if feeds.get_mut(at).is_some_and(|feed| feed.take(found, now)) {
                fresh += 1;
                self.serve(&feeds);
            }
        }
        fresh
    }

    pub fn states(&self) -> Vec<FeedState> {
        self.feeds.lock().iter().map(|feed| feed.state.clone()).collect()
    }

    /// The lists that are to be fetched.
    pub fn due(&self, now: Timestamp) -> Vec<Due> {
        let feeds = self.feeds.lock();
        let due = feeds.iter().filter_map(|feed| {
            let FeedSpec::List { name, kind, .. } = &feed.state.spec else { return None };
            let from = feed.state.spec.url()?;
            // More than the time between: the clock was set back.
            let rests = feed
                .fetched
                .next
                .is_some_and(|next| next > now && next.seconds_since(now) <= from.every as Seconds);
            let version = feed.content.is_some().then(|| feed.fetched.version.clone());
            (!rests).then(|| Due {
                name: name.clone(),
                kind: *kind,
                from: Arc::clone(from),
                version,
                entries: feed.state.entries,
                failures: feed.fetched.failures,
            })
        });
        due.collect()
    }

    /// A list was fetched, and is what its server has at `now`. Says whether it is used:
    /// the catalog may have changed meanwhile.
    pub fn arrived(
        &self,
        due: &Due,
        (list, bad_lines): (List, BadLines),
        version: Version,
        now: Timestamp,
        next: Timestamp,
    ) -> bool {
        self.with(due, |feed| {
            feed.state.entries = list.len();
            feed.state.bad_lines = bad_lines;
            feed.content = Some(FeedContent::List(Arc::new(list)));
            feed.fetched.version = version;
            confirmed(feed, now, next);
        })
    }

    /// What is had of a list is what its server has at `now`.
    pub fn confirmed(&self, due: &Due, now: Timestamp, next: Timestamp) -> bool {
        self.with(due, |feed| confirmed(feed, now, next))
    }

    /// A list could not be fetched: what is had of it goes on.
    pub fn failed(&self, due: &Due, error: String, next: Timestamp) -> bool {
        self.with(due, |feed| {
            feed.state.error = Some(error);
            feed.fetched.failures = feed.fetched.failures.saturating_add(1);
            feed.fetched.next = Some(next);
        })
    }

    fn with(&self, due: &Due, change: impl FnOnce(&mut Feed)) -> bool {
        let mut feeds = self.feeds.lock();
        let is_it = |feed: &&mut Feed| match &feed.state.spec {
            FeedSpec::List { name, kind, .. } => {
                let url = feed.state.spec.url().map(|from| &from.url);
                *name == due.name && *kind == due.kind && url == Some(&due.from.url)
            }
            _ => false,
        };
        let Some(feed) = feeds.iter_mut().find(is_it) else { return false };
        change(feed);
        self.serve(&feeds);
        true
    }

    /// Lets requests read what the feeds now have. What they read before is kept: to give
    /// back a large list takes a while, and must not fall to the last request that reads it.
    fn serve(&self, feeds: &[Feed]) {
        let before = self.loaded.swap(Arc::new(collect(feeds)));
        self.retired.lock().push(before);
    }

    /// Gives back what no request reads any more.
    fn bury(&self) {
        let unread = |kept: &mut Arc<Loaded>| Arc::strong_count(kept) == 1;
        let dead: Vec<_> = self.retired.lock().extract_if(.., unread).collect();
        drop(dead);
    }
}

fn confirmed(feed: &mut Feed, now: Timestamp, next: Timestamp) {
    feed.state.loaded_at = Some(now);
    feed.state.as_of = Some(now);
    feed.state.error = None;
    feed.fetched.failures = 0;
    feed.fetched.next = Some(next);
}

fn collect(feeds: &[Feed]) -> Loaded {
    let mut loaded = Loaded::default();
    for feed in feeds {
        if let FeedSpec::List { half_life, .. } = &feed.state.spec {
            let age = half_life
                .zip(feed.state.as_of)
                .map(|(half_life, as_of)| Age { as_of, half_life: half_life.max(1) as Seconds });
            loaded.ages.push(age);
        }
        match (&feed.state.spec, &feed.content) {
            (FeedSpec::List { .. }, Some(FeedContent::List(list))) => {
                loaded.lists.push(Some(list.clone()));
            }
            (FeedSpec::List { .. }, _) => loaded.lists.push(None),
            (FeedSpec::GeoCity(_), Some(FeedContent::Geo(file))) => {
                loaded.geo.set_city(file.clone());
            }
            (FeedSpec::GeoAsn(_), Some(FeedContent::Geo(file))) => {
                loaded.geo.set_asn(file.clone());
            }
            (FeedSpec::GeoCity(_) | FeedSpec::GeoAsn(_), _) => {}
        }
    }
    loaded
}
