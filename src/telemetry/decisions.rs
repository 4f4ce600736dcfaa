//! What decisions leave in metrics. Handles are made when a policy is published.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::counters::{Counter, Histogram};
use super::family::{Family, Point, Value, counts};
use super::names;
use super::tokens::TokenMetrics;
use crate::engine::{DecidedBy, Outcome, Policy};
use crate::model::{AGE_BOUNDS, Decision, SignalUse};

/// Seconds. Look-up, evaluation and encoding take microseconds.
const LATENCIES: [f64; 12] = [
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_05,
    0.000_1,
    0.000_25,
    0.001,
    0.005,
    0.025,
    0.1,
];

/// Shares of a policy's range.
const SHARES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Counters of all policies, for as long as the process lives: a reload doesn't reset them.
#[derive(Debug, Default)]
pub struct DecisionMetrics {
    policies: Mutex<HashMap<Arc<str>, Arc<Lasting>>>,
    /// Requests answered without a decision, by cause.
    pub refused: Refusals,
    pub refused_connections: RefusedConnections,
    pub tokens: TokenMetrics,
}

/// Causes of an answer without a decision.
#[derive(Debug, Default)]
pub struct Refusals {
    pub no_policy: Counter,
    pub unknown_policy: Counter,
    pub malformed: Counter,
    pub panicked: Counter,
    /// Of callers who proved nothing, or showed an unknown token.
    pub unauthenticated: Counter,
    /// Of callers who may do other things.
    pub permission_denied: Counter,
    /// From addresses that showed too many unknown tokens.
    pub rate_limited: Counter,
    /// That took longer than they may.
    pub too_slow: Counter,
    /// That came while too many others were in flight, too many bytes, or memory was short.
    pub overloaded_requests: Counter,
    pub overloaded_bytes: Counter,
    pub overloaded_memory: Counter,
}

/// Causes of a connection that was closed before it could ask.
#[derive(Debug, Default)]
pub struct RefusedConnections {
    /// There were too many in all, or from one address.
    pub all: Counter,
    pub peer: Counter,
    /// Its handshake made room for others, took too long, or came to nothing.
    pub handshake_evicted: Counter,
    pub handshake_slow: Counter,
    pub handshake_failed: Counter,
}

/// What outlives a policy's revisions.
#[derive(Debug)]
struct Lasting {
    latency: Histogram,
    scores: Histogram,
    unknown_entities: Counter,
    shadow_differences: Counter,
    present: Counter,
    missing: Counter,
    stale: Counter,
    ages: Histogram,
    /// By what decided: a rule's name, `default` or `min_confidence`.
    decided: Mutex<HashMap<Arc<str>, Arc<ByDecision>>>,
}

/// One counter a decision, in the order of `Decision::ALL`.
#[derive(Debug, Default)]
struct ByDecision([Counter; 4]);

/// One revision's handles: no look-up by name on the hot path.
#[derive(Debug)]
pub struct PolicyMetrics {
    lasting: Arc<Lasting>,
    rules: Vec<Arc<ByDecision>>,
    default: Arc<ByDecision>,
    min_confidence: Arc<ByDecision>,
}

impl DecisionMetrics {
    /// The handles of a policy that is about to be published.
    pub fn policy(&self, policy: &Policy) -> Arc<PolicyMetrics> {
        let mut policies = self.policies.lock();
        let lasting = policies.entry(policy.name.clone()).or_insert_with(|| {
            Arc::new(Lasting {
                latency: Histogram::new(&LATENCIES),
                scores: Histogram::new(&SHARES),
                unknown_entities: Counter::default(),
                shadow_differences: Counter::default(),
                present: Counter::default(),
                missing: Counter::default(),
                stale: Counter::default(),
                // Ages add up fast: in tenths of a second the sum lasts for years.
                ages: Histogram::summing(&AGE_BOUNDS, 0.1),
                decided: Mutex::default(),
            })
        });
        let mut decided = lasting.decided.lock();
        let mut handle = |name: &Arc<str>| decided.entry(name.clone()).or_default().clone();
        let metrics = PolicyMetrics {
            lasting: lasting.clone(),
            rules: policy.rules.iter().map(|rule| handle(&rule.name)).collect(),
            default: handle(&"default".into()),
            min_confidence: handle(&"min_confidence".into()),
        };
        Arc::new(metrics)
    }

    /// All that is counted, policies in the order of their names.
    pub(super) fn families(&self) -> Vec<Family> {
        let mut all: Vec<(Arc<str>, Arc<Lasting>)> =
            self.policies.lock().iter().map(|(name, p)| (name.clone(), p.clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        let each = |name, of: &dyn Fn(&Lasting) -> Value| {
            let point = |(policy, lasting): &(Arc<str>, Arc<Lasting>)| {
                Point::new([("policy", policy.clone())], of(lasting))
            };
            Family::new(name, all.iter().map(point).collect())
        };
        let refused = &self.refused;
        let causes = [
            ("no_policy", &refused.no_policy),
            ("unknown_policy", &refused.unknown_policy),
            ("malformed", &refused.malformed),
            ("panicked", &refused.panicked),
            ("unauthenticated", &refused.unauthenticated),
            ("permission_denied", &refused.permission_denied),
            ("rate_limited", &refused.rate_limited),
            ("too_slow", &refused.too_slow),
            ("overloaded_requests", &refused.overloaded_requests),
            ("overloaded_bytes", &refused.overloaded_bytes),
            ("overloaded_memory", &refused.overloaded_memory),
        ];
        let closed = &self.refused_connections;
        let closed = [
            ("too_many", &closed.all),
            ("too_many_of_peer", &closed.peer),
            ("handshake_evicted", &closed.handshake_evicted),
            ("handshake_slow", &closed.handshake_slow),
            ("handshake_failed", &closed.handshake_failed),
        ]
        .map(|(cause, count)| (cause, count.read()));
        let looked_up = all.iter().flat_map(|(policy, lasting)| {
            let outcomes = [
                ("present", &lasting.present),
                ("missing", &lasting.missing),
                ("stale", &lasting.stale),
            ];
            outcomes.map(|(outcome, counter)| {
                let labels = [("policy", policy.clone()), ("outcome", outcome.into())];
                Point::new(labels, Value::Count(counter.read()))
            })
        });
        let mut families = vec![
            Family::new(
                names::DECISIONS,
                all.iter().flat_map(|(policy, lasting)| lasting.decisions(policy)).collect(),
            ),
            each(names::DECISION_SECONDS, &|lasting| Value::of(&lasting.latency)),
            each(names::SCORES, &|lasting| Value::of(&lasting.scores)),
            each(names::UNKNOWN_ENTITIES, &|lasting| Value::Count(lasting.unknown_entities.read())),
            each(names::SHADOW_DIFFERENCES, &|lasting| {
                Value::Count(lasting.shadow_differences.read())
            }),
            Family::new(names::SIGNAL_LOOKUPS, looked_up.collect()),
            each(names::SIGNAL_AGES, &|lasting| Value::of(&lasting.ages)),
            counts(names::REFUSED, "cause", &causes.map(|(cause, count)| (cause, count.read()))),
            counts(names::REFUSED_CONNECTIONS, "cause", &closed),
        ];
        families.extend(self.tokens.families());
        families
    }
}

impl Lasting {
    /// A point for each decision that was ever made, by what decided.
    fn decisions(&self, policy: &Arc<str>) -> Vec<Point> {
        let mut decided: Vec<_> =
            self.decided.lock().iter().map(|(by, c)| (by.clone(), c.clone())).collect();
        decided.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut points = Vec::new();
        for (by, counters) in decided {
            for (decision, counter) in Decision::ALL.iter().zip(&counters.0) {
                let count = counter.read();
                if count > 0 {
                    let labels = [
                        ("policy", policy.clone()),
                        ("decision", decision.name().into()),
                        ("decided_by", by.clone()),
                    ];
                    points.push(Point::new(labels, Value::Count(count)));
                }
            }
        }
        points
    }
}

impl PolicyMetrics {
    /// Notes one decision.
    pub fn record(
        &self,
        policy: &Policy,
        outcome: &Outcome,
        unknown_entities: u64,
        signals: &SignalUse,
        took: Duration,
    ) {
        let by = match outcome.decided_by {
            DecidedBy::Rule(at) => self.rules.get(at).unwrap_or(&self.default),
            DecidedBy::Default => &self.default,
            DecidedBy::MinConfidence => &self.min_confidence,
        };
        let at = Decision::ALL.iter().position(|d| outcome.decision == Some(*d));
        if let Some(counter) = at.and_then(|at| by.0.get(at)) {
            counter.add(1);
        }
        self.lasting.latency.observe_duration(took);
        self.lasting.scores.observe(policy.range.share(outcome.score));
        for (counter, count) in [
            (&self.lasting.present, signals.present),
            (&self.lasting.missing, signals.missing),
            (&self.lasting.stale, signals.stale),
        ] {
            if count > 0 {
                counter.add(count.into());
            }
        }
        if signals.present > 0 {
            self.lasting.ages.observe_counted(&signals.ages, signals.age_sum);
        }
        if unknown_entities > 0 {
            self.lasting.unknown_entities.add(unknown_entities);
        }
        if outcome.shadow_decision.is_some() {
            self.lasting.shadow_differences.add(1);
        }
    }
}
