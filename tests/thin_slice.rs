//! The whole way of a decision, once, in one process: decode, look up, evaluate,
//! encode, observe, learn; and a decision that is recorded and replayed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::sync::Arc;

use plimsoll::api::pdp::{Pdp, Published, with_arena};
use plimsoll::api::question::Question;
use plimsoll::engine::{Evaluation, RecordedView, evaluate};
use plimsoll::learn::{Bounds, Learner};
use plimsoll::model::{Decision, Timestamp, Vocabulary};
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;
use plimsoll::signals::{
    Cache, Feeds, Limits, Observations, Report, ReportedValue, Secrets, ingest,
};
use plimsoll::telemetry::DecisionMetrics;
use serde_json::json;

const POLICY: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
signals:
  user.device: {type: string, observe: device.id, learn: {familiar: {keep: 2, forget_after: 30d}}}
  user.age_days: {type: number, half_life: 10d}
context: {bad: bool}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 1]
  direction: trust
  missing: worst
  factors:
    device: {value: "familiar(user.device, device.id)", weight: 0.7}
    age: {value: user.age_days, curve: {log10: {to: 100}}, weight: 0.3}
levels: {low: {from: 0}, high: {from: 0.5}}
rules:
  - {name: all, when: 'score >= 0', decision: allow}
  - {name: bad, when: 'context.bad', unknown: skip, decision: deny}
"#;

/// 2026-06-01T09:00:00Z
const NOW: i64 = 1_780_304_400_000;

struct World {
    pdp: Pdp,
    published: Arc<Published>,
    observations: Arc<Observations>,
    learner: RefCell<Learner>,
}

impl World {
    fn new() -> Self {
        Self::of(POLICY)
    }

    fn of(policies: &str) -> Self {
        let vocabulary = Arc::new(Vocabulary::new());
        let set = SourceSet::from_memory([("policy.yaml", policies)]);
        let (snapshot, diagnostics) = compile(&set, &vocabulary);
        let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
        let metrics = Arc::new(DecisionMetrics::default());
        let feeds = Arc::new(Feeds::new(Vec::new(), None));
        let published = Arc::new(Published::new(snapshot, feeds, &metrics));
        let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
        let observations = Arc::new(Observations::new(16));
        let pdp = Pdp::new(cache, vocabulary, metrics, Arc::clone(&observations), "session");
        pdp.publish(Arc::clone(&published));
        let mut learner = Learner::new(Arc::clone(&pdp.cache), Bounds::default(), 1);
        learner.follow(Arc::clone(&published.snapshot.plan));
        World { pdp, published, observations, learner: RefCell::new(learner) }
    }

    fn report(&self, at: i64, days: f64) {
        let report = Report {
            kind: "user".into(),
            id: "u1".into(),
            signals: vec![("age_days".into(), ReportedValue::Number(days))],
            observed_at: Some(Timestamp::from_millis(at)),
        };
        let now = Timestamp::from_millis(NOW);
        let catalog = &self.published.snapshot.catalog;
        assert_eq!(ingest(catalog, &self.pdp.cache, &self.observations, &report, now).accepted, 1);
    }

    fn ask(&self, device: &str, bad: bool, at: i64) -> (Decision, f64, RecordedView, u64) {
        let question = Question::from_json(&json!({
            "subject": {"type": "user", "id": "u1"},
            "action": {"name": "read"},
            "resource": {"type": "page", "id": "p"},
            "context": {"bad": bad, "entities": {"device": device}},
        }))
        .unwrap();
        let snapshot = &self.published.snapshot;
        with_arena(|arena| {
            let now = Timestamp::from_millis(at);
            let request = question.request(snapshot, &self.pdp.vocabulary, now, arena).unwrap();
            self.pdp
                .decide(&self.published, "", &request, arena, |decided| {
                    let outcome = decided.outcome;
                    let recorded =
                        RecordedView::record(snapshot, decided.policy_id, decided.view).unwrap();
                    let bits = outcome.confidence.to_bits();
                    (outcome.decision.unwrap(), outcome.score, recorded, bits)
                })
                .unwrap()
        })
    }

    /// Learns what came, as a server does: time goes on after each round.
    fn learn_all(&self, now: i64) {
        let mut learner = self.learner.borrow_mut();
        while let Some(observation) = self.observations.pop() {
            learner.observe(&observation);
        }
        learner.advance(Timestamp::from_millis(now));
    }
}

const DAY: i64 = 86_400_000;

#[test]
fn a_device_becomes_familiar_and_is_forgotten() {
    let world = World::new();
    assert_eq!(world.ask("d1", false, NOW).1, 0.0, "nothing is known yet");
    world.learn_all(NOW);
    let known = world.ask("d1", false, NOW + DAY).1;
    assert!((known - 0.7).abs() < 1e-9, "{known}");
    assert_eq!(world.ask("d2", true, NOW + DAY).0, Decision::Deny);
    world.learn_all(NOW + DAY);
    assert_eq!(world.ask("d2", false, NOW + 2 * DAY).1, 0.0, "a denied request taught nothing");
    // d1 was last seen a day after NOW.
    world.learner.borrow_mut().advance(Timestamp::from_millis(NOW + 40 * DAY));
    assert_eq!(world.ask("d1", false, NOW + 40 * DAY).1, 0.0, "forgotten after 30 days");
}

/// Whoever is let through all the same: a new device of somebody known is a high risk, and
/// would be none the next time. Where nothing is known there is none to go by.
#[test]
fn what_is_known_to_be_risky_teaches_only_where_the_catalog_says_so() {
    for (learning, taught) in [("", false), ("learning: {risk_up_to: 0.7}\n", true)] {
        let world = World::of(&POLICY.replacen("context:", &format!("{learning}context:"), 1));
        world.ask("d1", false, NOW);
        world.learn_all(NOW);
        assert_eq!(world.ask("d2", false, NOW + DAY).0, Decision::Allow);
        world.learn_all(NOW + DAY);
        let again = world.ask("d2", false, NOW + 2 * DAY).1;
        assert!((again - if taught { 0.7 } else { 0.0 }).abs() < 1e-9, "{learning}: {again}");
    }
}

/// A door that is open to everybody makes nobody known.
#[test]
fn what_an_exemption_lets_through_teaches_nothing() {
    let exempt =
        "rules:\n  - {name: open, exempt: true, when: 'action.name == \"read\"', decision: allow}";
    let world = World::of(&POLICY.replacen("rules:", exempt, 1));
    world.ask("d1", false, NOW);
    world.learn_all(NOW);
    assert_eq!(world.ask("d1", false, NOW + DAY).1, 0.0);
}

/// The catalog can have a signal learn from everything.
#[test]
fn a_signal_learns_of_what_is_denied_where_the_catalog_says_so() {
    for (from, score) in [("", 0.0), (", from: all", 0.7)] {
        let learn = format!("forget_after: 30d}}{from}}}");
        let world = World::of(&POLICY.replacen("forget_after: 30d}}", &learn, 1));
        assert_eq!(world.ask("d1", true, NOW).0, Decision::Deny);
        world.learn_all(NOW);
        let known = world.ask("d1", false, NOW + DAY).1;
        assert!((known - score).abs() < 1e-9, "{from}: {known}");
    }
}

#[test]
fn a_full_queue_drops_and_counts() {
    let world = World::new();
    for _ in 0..20 {
        world.ask("d1", false, NOW);
    }
    assert_eq!((world.observations.len(), world.observations.dropped()), (16, 4));
}

#[test]
fn a_live_decision_replays_to_the_same_bits() {
    let world = World::new();
    world.ask("d1", false, NOW);
    world.learn_all(NOW);
    world.report(NOW - 3 * DAY, 12.34);
    let (decision, score, recorded, confidence) = world.ask("d1", false, NOW + 1);
    assert!(score > 0.7 && f64::from_bits(confidence) < 1.0, "{score}: the report has aged");

    let log = serde_json::to_string(&recorded).unwrap();
    // What was known changes; the record does not.
    world.report(NOW, 99.0);
    let recorded: RecordedView = serde_json::from_str(&log).unwrap();
    let snapshot = &world.published.snapshot;
    assert_eq!(*recorded.revision, *snapshot.revision);
    let id = recorded.policy(snapshot).unwrap();
    let mut view = recorded.view(snapshot);
    let mut evaluation = Evaluation::new();
    evaluate(snapshot, id, &mut view, &mut evaluation);
    let replayed = evaluation.outcome(id).unwrap();
    assert_eq!(replayed.decision, Some(decision));
    assert_eq!(replayed.score.to_bits(), score.to_bits());
    assert_eq!(replayed.confidence.to_bits(), confidence);
}
