//! Everything that decides and learns, with time in one's own hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::event::{Announced, Event, Reported, Within};
use crate::api::ask::ask;
use crate::api::label::JsonLabel;
use crate::api::pdp::{Pdp, Published};
use crate::api::question::Question;
use crate::learn::{Bounds, Learner};
use crate::model::Decision::StepUp;
use crate::model::{Direction, Timestamp, Vocabulary};
use crate::policy::compile::compile;
use crate::policy::publisher::feed_specs;
use crate::policy::source::SourceSet;
use crate::signals::{
    Announcement, Cache, Feeds, Geo, GeoTable, Limits, Observations, OwnedPlace, Report,
    ReportedValue, Secrets, Told, Verdict, Window, canonical_id, ingest,
};
use crate::telemetry::DecisionMetrics;

/// A request teaches a few things, a report at most a signal each.
const QUEUE: usize = 4096;
/// How often the cache is swept (events), and how much of it.
const SWEEP_EVERY: u64 = 256;
const SWEEP: usize = 1024;
/// How often a server lets time pass for what it learns (milliseconds), and how often at
/// most for one event here.
const ROUND: i64 = 20;
const MOST_ROUNDS: i64 = 1000;

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("the policies have errors:\n{0}")]
    Policies(String),
}

/// A decision point with a learner, fed one event at a time.
#[derive(Debug)]
pub struct World {
    pdp: Pdp,
    published: Arc<Published>,
    observations: Arc<Observations>,
    learner: Learner,
    now: Timestamp,
    steps: u64,
}

/// Where a network is.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceLine {
    pub country: Option<String>,
    /// Degrees.
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub radius_km: Option<f64>,
}

/// What a decision came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decided {
    /// Milliseconds since 1970.
    pub at: i64,
    pub subject: String,
    pub policy: String,
    pub decision: &'static str,
    /// On the policy's range, unrounded.
    pub score: f64,
    pub level: String,
    pub confidence: f64,
    /// What cost the most trust, costliest first.
    pub reasons: Vec<String>,
    /// In [0, 1], 1 the worst, whatever the policy's range and direction.
    #[serde(skip)]
    pub risk: f64,
}

impl World {
    /// The world of a policy folder. `policy` decides where a request names none.
    ///
    /// # Errors
    /// When the policies can't be used.
    pub fn new(folder: &Path, policy: &str, seed: u64) -> Result<Self, WorldError> {
        let vocabulary = Arc::new(Vocabulary::new());
        let set = SourceSet::read(folder);
        let (snapshot, diagnostics) = compile(&set, &vocabulary);
        let snapshot = snapshot
            .filter(|snapshot| !diagnostics.has_errors() && !snapshot.policies.is_empty())
            .ok_or_else(|| WorldError::Policies(diagnostics.render(false)))?;
        let feeds = Arc::new(Feeds::new(feed_specs(&snapshot, folder), None));
        feeds.reload(Timestamp::now());
        let metrics = Arc::new(DecisionMetrics::default());
        let published = Arc::new(Published::new(snapshot, feeds, &metrics));
        // Keys that the seed makes: a replay is the same each time, also where two values
        // share what is kept of a hash, and in what is swept when.
        let mut random = fastrand::Rng::with_seed(seed);
        let secrets =
            Secrets::of_keys(random.u128(..).to_le_bytes(), random.u128(..).to_le_bytes());
        let cache = Arc::new(Cache::new(Limits::default(), secrets));
        let observations = Arc::new(Observations::new(QUEUE));
        let mut learner = Learner::new(Arc::clone(&cache), Bounds::default(), seed);
        learner.follow(Arc::clone(&published.snapshot.plan));
        let pdp = Pdp::new(cache, vocabulary, metrics, Arc::clone(&observations), policy);
        pdp.publish(Arc::clone(&published));
        Ok(World { pdp, published, observations, learner, now: Timestamp::EPOCH, steps: 0 })
    }

    /// Says where addresses are, in place of the policies' own databases.
    ///
    /// # Errors
    /// With what is no address or network.
    pub fn set_places(&mut self, places: BTreeMap<String, PlaceLine>) -> Result<(), String> {
        let mut table = GeoTable::default();
        for (network, place) in places {
            let place = OwnedPlace {
                country: place.country,
                latitude: place.lat,
                longitude: place.lon,
                radius_km: place.radius_km,
                ..OwnedPlace::default()
            };
            if !table.insert(&network, place) {
                return Err(network);
            }
        }
        self.published.feeds.give(Geo::table(table));
        Ok(())
    }

    /// Lets one event happen. A request is decided, and says what it came to.
    ///
    /// # Errors
    /// When the event can't have happened, with the reason.
    pub fn step(&mut self, event: &Event) -> Result<Option<Decided>, String> {
        self.pass_until(event.at);
        self.steps += 1;
        if self.steps.is_multiple_of(SWEEP_EVERY) {
            self.pdp.cache.sweep(&self.published.snapshot.catalog, self.now, SWEEP);
        }
        let decided = match &event.within {
            Within::Request { question, proves, then, .. } => {
                let (decided, asked) = self.decide(question)?;
                let mut through = permits(&decided);
                if let (true, Some(acr)) = (proves, asked) {
                    through = permits(&self.prove(question, &decided, &acr)?);
                }
                if through {
                    for reported in then {
                        self.report(reported, self.now)?;
                    }
                }
                Some(decided)
            }
            Within::Report(reported) => {
                self.report(reported, event.at)?;
                None
            }
            Within::Label(label) => {
                self.label(label)?;
                None
            }
            Within::Announcement(announced) => {
                self.announce(announced)?;
                None
            }
        };
        // As in a server, labels come before what was seen.
        while let Some(Told::Label(label)) = self.observations.pop_told() {
            self.learner.label(&label);
            self.observations.set_labels_full(self.learner.is_full_of_labels());
        }
        while let Some(observation) = self.observations.pop() {
            self.learner.observe(&observation);
        }
        Ok(decided)
    }

    /// Lets time pass. It doesn't go back: what comes late, comes now.
    fn pass_until(&mut self, at: Timestamp) {
        let rounds = at.millis().saturating_sub(self.now.millis()) / ROUND;
        self.now = self.now.max(at);
        for _ in 0..rounds.clamp(1, MOST_ROUNDS) {
            self.learner.advance(self.now);
            if self.learner.is_settled() {
                break;
            }
        }
    }

    /// Decides, and says what a `step_up` asks for.
    fn decide(&self, question: &Question) -> Result<(Decided, Option<String>), String> {
        let now = self.now;
        ask(&self.pdp, &self.published, question, now, None, |decided| {
            let (policy, outcome) = (decided.policy, decided.outcome);
            let share = policy.range.share(outcome.score);
            let asked = outcome.chosen(policy).filter(|_| outcome.decision == Some(StepUp));
            let acr = asked.and_then(|chosen| chosen.step_up.acr.first()).map(ToString::to_string);
            let decided = Decided {
                at: now.millis(),
                subject: question.subject.id.clone(),
                policy: policy.name.to_string(),
                decision: outcome.decision.map_or("deny", |decision| decision.name()),
                score: outcome.score,
                level: policy.level_name(policy.level_of(outcome.score)).to_owned(),
                confidence: outcome.confidence,
                reasons: crate::api::answer::reason_names(policy, outcome),
                risk: match policy.direction {
                    Direction::Risk => share,
                    Direction::Trust => 1.0 - share,
                },
            };
            (decided, asked.map(|_| acr.unwrap_or_default()))
        })
        .map_err(|why| why.to_string())
    }

    /// Somebody proves who they are, and asks again: what they did is then learned.
    fn prove(&self, question: &Question, decided: &Decided, acr: &str) -> Result<Decided, String> {
        let session = format!("proven by {}", decided.subject);
        let signals = serde_json::json!({"acr": acr, "authenticated_at": self.now_text()});
        let Json::Object(signals) = signals else { return Err("no signals".to_owned()) };
        let (kind, id) = ("session".to_owned(), session.clone());
        self.report(&Reported { kind, id, signals, observed_at: None }, self.now)?;
        let mut again = question.clone();
        let entities = again.context.entry("entities").or_insert_with(|| Json::Object(Map::new()));
        if let Some(entities) = entities.as_object_mut() {
            entities.insert("session".to_owned(), Json::String(session));
        }
        self.decide(&again).map(|(decided, _)| decided)
    }

    fn now_text(&self) -> String {
        let now = jiff::Timestamp::from_millisecond(self.now.millis());
        now.map(|now| now.to_string()).unwrap_or_default()
    }

    fn announce(&self, announced: &Announced) -> Result<(), String> {
        let Announced { kind, entity, id, change, from, until, values, reference } = announced;
        let values = Window::join(values);
        let window = Window::new(id, change, *from, *until).said(reference, "").only(&values);
        let announcement = Announcement { kind, entity, window };
        let catalog = &self.published.snapshot.catalog;
        let done = self.pdp.cache.announce(catalog, &announcement, self.now);
        done.map(|_| ()).map_err(|why| why.to_string())
    }

    fn report(&self, reported: &Reported, at: Timestamp) -> Result<(), String> {
        let Reported { kind, id, signals, observed_at } = reported;
        let report = Report {
            kind: kind.into(),
            id: canonical_id(kind, id),
            signals: signals
                .iter()
                .map(|(name, value)| (name.into(), ReportedValue::from_json(value)))
                .collect(),
            observed_at: Some(observed_at.unwrap_or(at)),
        };
        let catalog = &self.published.snapshot.catalog;
        let outcome = ingest(catalog, &self.pdp.cache, &self.observations, &report, self.now);
        if let Some(why) = outcome.refused {
            return Err(why.to_string());
        }
        for (_, verdict) in outcome.exceptions {
            if let Verdict::Rejected(why) = verdict {
                return Err(why.to_string());
            }
        }
        Ok(())
    }

    fn label(&self, label: &JsonLabel) -> Result<(), String> {
        let catalog = &self.published.snapshot.catalog;
        let label = label.label(&self.pdp.vocabulary, catalog, self.now)?;
        self.pdp.observations.label(label).map_err(|why| why.to_string())
    }
}

fn permits(decided: &Decided) -> bool {
    matches!(decided.decision, "allow" | "restrict")
}
