//! What the rooms say of themselves at the moment of a scrape.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::export::ExportCounts;
use super::family::{Family, Point, Value, counts, single};
use super::names::{self, Name};
use crate::model::Timestamp;

/// What the process knows of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauges {
    pub ready: bool,
    pub revision: Option<Arc<str>>,
    pub loaded_at: Option<Timestamp>,
    pub policy_errors: u64,
    pub reloads_applied: u64,
    pub reloads_refused: u64,
    /// Lists and geo databases.
    pub lists: Vec<Loaded>,
    /// Certificates, tokens, key sets.
    pub files: Vec<Loaded>,
    /// When the first certificate of what the listeners show ends.
    pub certificate_ends: Option<Timestamp>,
    pub entities: u64,
    pub cache_bytes: u64,
    pub evicted: u64,
    pub expired: u64,
    pub cache_refused: u64,
    pub signals_accepted: u64,
    pub signals_older: u64,
    pub signals_rejected: u64,
    pub learning: LearningGauges,
    pub connections: u64,
    pub requests_in_flight: u64,
    pub body_bytes: u64,
    pub spans_waiting: u64,
    /// As their queue was full.
    pub spans_dropped: u64,
    pub exports: ExportCounts,
    pub store: StoreGauges,
    /// By kind of change, what is announced and in force.
    pub announced: BTreeMap<Arc<str>, u64>,
}

/// What learning says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LearningGauges {
    /// Observations in the queue.
    pub waiting: u64,
    /// Observations that their signal's `learn.delay` holds back.
    pub delayed: u64,
    pub learned: u64,
    /// As the queue was full.
    pub dropped: u64,
    /// As too many are held back.
    pub crowded_out: u64,
    /// Of entities that are labelled as fraud.
    pub mistrusted: u64,
    /// Of a clock that has jumped.
    pub disbelieved: u64,
    pub profiles: u64,
    pub profiles_evicted: u64,
    pub summaries_refused: u64,
    pub linked: u64,
    pub links: u64,
    pub links_evicted: u64,
    pub labels: u64,
}

/// What a store says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreGauges {
    pub waiting: u64,
    pub batches: u64,
    pub failures: u64,
    pub failing: bool,
    pub checkpoints: u64,
    pub checkpoint_seconds: f64,
    pub loaded: u64,
    pub written: u64,
    pub learned: u64,
    pub unreadable: u64,
}

/// Something that is read from files again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub name: Arc<str>,
    pub entries: u64,
    /// When what is used was loaded; `None`: never.
    pub at: Option<Timestamp>,
    /// The file as it is now can't be used.
    pub failing: bool,
    /// It isn't there, and need not be.
    pub absent: bool,
}

impl Gauges {
    pub(super) fn families(&self, now: Timestamp) -> Vec<Family> {
        let number = |name, value: u64| single(name, Value::Count(value));
        let mut all = self.policy(now);
        all.extend(self.files(now));
        all.extend([
            number(names::ENTITIES, self.entities),
            number(names::CACHE_BYTES, self.cache_bytes),
            number(names::EVICTED, self.evicted),
            number(names::EXPIRED, self.expired),
            number(names::CACHE_REFUSED, self.cache_refused),
            counts(
                names::SIGNALS,
                "outcome",
                &[
                    ("accepted", self.signals_accepted),
                    ("older", self.signals_older),
                    ("rejected", self.signals_rejected),
                ],
            ),
            number(names::CONNECTIONS, self.connections),
            number(names::REQUESTS_IN_FLIGHT, self.requests_in_flight),
            number(names::BODY_BYTES, self.body_bytes),
            counts(
                names::SPANS_DROPPED,
                "cause",
                &[("queue_full", self.spans_dropped), ("rejected", self.exports.spans_rejected)],
            ),
            number(names::SPANS_WAITING, self.spans_waiting),
            self.exports.family(),
        ]);
        all.extend(self.learning.families());
        let announced = self.announced.iter();
        let announced = announced
            .map(|(change, count)| Point::new([("change", change.clone())], Value::Count(*count)));
        all.push(Family::new(names::ANNOUNCED, announced.collect()));
        all.extend(self.store.families());
        all
    }

    fn policy(&self, now: Timestamp) -> Vec<Family> {
        let revision = self
            .revision
            .as_ref()
            .map(|revision| Point::new([("revision", revision.clone())], Value::Info));
        let loaded = self.loaded_at.map(since_epoch);
        let version = [("version", Arc::from(env!("CARGO_PKG_VERSION")))];
        vec![
            Family::new(names::BUILD_INFO, vec![Point::new(version, Value::Info)]),
            single(names::READY, Value::Count(u64::from(self.ready))),
            Family::new(names::POLICY_INFO, revision.into_iter().collect()),
            single(names::POLICY_LOADED, loaded),
            single(names::POLICY_AGE, self.loaded_at.map(|at| age(at, now))),
            single(names::POLICY_ERRORS, Value::Count(self.policy_errors)),
            counts(
                names::RELOADS,
                "outcome",
                &[("applied", self.reloads_applied), ("refused", self.reloads_refused)],
            ),
        ]
    }

    fn files(&self, now: Timestamp) -> Vec<Family> {
        vec![
            each(names::LIST_ENTRIES, "list", &self.lists, |list| Some(Value::Count(list.entries))),
            each(names::LIST_AGE, "list", &self.lists, |list| list.at.map(|at| age(at, now))),
            each(names::LIST_FAILING, "list", &self.lists, |list| Some(flag(list.failing))),
            each(names::LIST_ABSENT, "list", &self.lists, |list| Some(flag(list.absent))),
            each(names::FILE_AGE, "file", &self.files, |file| file.at.map(|at| age(at, now))),
            each(names::FILE_FAILING, "file", &self.files, |file| Some(flag(file.failing))),
            single(names::CERTIFICATE_ENDS, self.certificate_ends.map(since_epoch)),
        ]
    }
}

impl LearningGauges {
    fn families(&self) -> Vec<Family> {
        let number = |name, value: u64| single(name, Value::Count(value));
        let dropped = [
            ("queue_full", self.dropped),
            ("delayed_full", self.crowded_out),
            ("fraud", self.mistrusted),
            ("clock", self.disbelieved),
        ];
        vec![
            counts(names::OBSERVATIONS_DROPPED, "cause", &dropped),
            number(names::OBSERVATIONS_WAITING, self.waiting),
            number(names::OBSERVATIONS_DELAYED, self.delayed),
            number(names::OBSERVATIONS_LEARNED, self.learned),
            number(names::PROFILES, self.profiles),
            number(names::PROFILES_EVICTED, self.profiles_evicted),
            number(names::SUMMARIES_REFUSED, self.summaries_refused),
            number(names::LINKED, self.linked),
            number(names::LINKS, self.links),
            number(names::LINKS_EVICTED, self.links_evicted),
            number(names::LABELS, self.labels),
        ]
    }
}

impl StoreGauges {
    fn families(&self) -> [Family; 10] {
        let number = |name, value: u64| single(name, Value::Count(value));
        [
            number(names::STORE_WAITING, self.waiting),
            number(names::STORE_BATCHES, self.batches),
            number(names::STORE_FAILURES, self.failures),
            number(names::STORE_FAILING, u64::from(self.failing)),
            number(names::STORE_CHECKPOINTS, self.checkpoints),
            single(names::STORE_CHECKPOINT_SECONDS, Value::Number(self.checkpoint_seconds)),
            number(names::STORE_LOADED, self.loaded),
            number(names::STORE_WRITTEN, self.written),
            number(names::STORE_LEARNED, self.learned),
            number(names::STORE_UNREADABLE, self.unreadable),
        ]
    }
}

/// A clock that was set back makes nothing younger than new.
fn age(at: Timestamp, now: Timestamp) -> Value {
    Value::Number(now.seconds_since(at).max(0.0))
}

fn since_epoch(at: Timestamp) -> Value {
    Value::Number(at.seconds_since(Timestamp::EPOCH))
}

fn flag(is_so: bool) -> Value {
    Value::Count(u64::from(is_so))
}

fn each(
    name: Name,
    label: &'static str,
    all: &[Loaded],
    value: impl Fn(&Loaded) -> Option<Value>,
) -> Family {
    let point = |of: &Loaded| Some(Point::new([(label, of.name.clone())], value(of)?));
    Family::new(name, all.iter().filter_map(point).collect())
}
