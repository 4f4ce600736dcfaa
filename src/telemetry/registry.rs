//! `/metrics`: everything that is counted, in OpenMetrics text.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::counters::Counter;
use super::decisions::DecisionMetrics;
use super::names::{self, Name};
use crate::model::{Decision, Timestamp};

/// What the process knows of itself at the moment of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauges {
    pub revision: Option<Arc<str>>,
    pub loaded_at: Option<Timestamp>,
    pub policy_errors: u64,
    pub reloads_applied: u64,
    pub reloads_refused: u64,
    pub entities: u64,
    pub cache_bytes: u64,
    pub evicted: u64,
    pub expired: u64,
    pub cache_refused: u64,
    pub signals_accepted: u64,
    pub signals_older: u64,
    pub signals_rejected: u64,
    pub observations_dropped: u64,
    pub observations_waiting: u64,
    pub connections: u64,
    pub requests_in_flight: u64,
    pub body_bytes: u64,
}

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// `gauges` is asked at each scrape.
    pub fn new(
        decisions: Arc<DecisionMetrics>,
        gauges: impl Fn() -> Gauges + Send + Sync + 'static,
    ) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Decisions(decisions)));
        registry.register_collector(Box::new(Process(Box::new(gauges))));
        Metrics { registry }
    }

    /// The text that `/metrics` answers.
    ///
    /// # Errors
    /// When a value can't be written, which none of ours is.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Decisions(Arc<DecisionMetrics>);

pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Collector for Decisions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.0;
        family(&mut encoder, names::DECISIONS, MetricType::Counter, |encoder| {
            let mut result = Ok(());
            metrics.each(|policy, lasting| {
                let mut decided: Vec<_> = lasting
                    .decided
                    .lock()
                    .iter()
                    .map(|(by, counters)| (by.clone(), counters.clone()))
                    .collect();
                decided.sort_by(|(a, _), (b, _)| a.cmp(b));
                for (by, counters) in decided {
                    for (decision, counter) in Decision::ALL.iter().zip(&counters.0) {
                        let count = counter.read();
                        if count == 0 {
                            continue;
                        }
                        let labels: Labels<'_, 3> = [
                            ("policy", policy),
                            ("decision", decision.name()),
                            ("decided_by", &by),
                        ];
                        result = result.and(count_of(encoder, &labels, count));
                    }
                }
            });
            result
        })?;
        for (name, pick) in [(names::UNKNOWN_ENTITIES, 0), (names::SHADOW_DIFFERENCES, 1)] {
            family(&mut encoder, name, MetricType::Counter, |encoder| {
                let mut result = Ok(());
                metrics.each(|policy, lasting| {
                    let counter = match pick {
                        0 => &lasting.unknown_entities,
                        _ => &lasting.shadow_differences,
                    };
                    let labels: Labels<'_, 1> = [("policy", policy)];
                    let counted = count_of(encoder, &labels, counter.read());
                    result = std::mem::replace(&mut result, Ok(())).and(counted);
                });
                result
            })?;
        }
        for (name, pick) in [(names::DECISION_SECONDS, 0), (names::SCORES, 1)] {
            family(&mut encoder, name, MetricType::Histogram, |encoder| {
                let mut result = Ok(());
                metrics.each(|policy, lasting| {
                    let histogram = if pick == 0 { &lasting.latency } else { &lasting.scores };
                    let (sum, buckets) = histogram.read();
                    let count = buckets.iter().map(|(_, n)| n).sum();
                    let labels: Labels<'_, 1> = [("policy", policy)];
                    let encoded = encoder.encode_family(&labels).and_then(|mut encoder| {
                        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
                    });
                    result = std::mem::replace(&mut result, Ok(())).and(encoded);
                });
                result
            })?;
        }
        let refused = &metrics.refused;
        let causes: [(&str, &Counter); 11] = [
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
        family(&mut encoder, names::REFUSED, MetricType::Counter, |encoder| {
            for (cause, counter) in causes {
                let labels: Labels<'_, 1> = [("cause", cause)];
                count_of(encoder, &labels, counter.read())?;
            }
            Ok(())
        })?;
        let refused = &metrics.refused_connections;
        let causes: [(&str, &Counter); 5] = [
            ("too_many", &refused.all),
            ("too_many_of_peer", &refused.peer),
            ("handshake_evicted", &refused.handshake_evicted),
            ("handshake_slow", &refused.handshake_slow),
            ("handshake_failed", &refused.handshake_failed),
        ];
        family(&mut encoder, names::REFUSED_CONNECTIONS, MetricType::Counter, |encoder| {
            for (cause, counter) in causes {
                let labels: Labels<'_, 1> = [("cause", cause)];
                count_of(encoder, &labels, counter.read())?;
            }
            Ok(())
        })?;
        metrics.tokens.encode(&mut encoder)
    }
}

struct Process(Box<dyn Fn() -> Gauges + Send + Sync>);

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = (self.0)();
        if let Some(revision) = &now.revision {
            family(&mut encoder, names::POLICY_INFO, MetricType::Info, |encoder| {
                let labels: Labels<'_, 1> = [("revision", revision)];
                encoder.encode_info(&labels)
            })?;
        }
        if let Some(at) = now.loaded_at {
            let seconds = at.millis() as f64 / 1e3;
            family(&mut encoder, names::POLICY_LOADED, MetricType::Gauge, |encoder| {
                encoder.encode_gauge(&seconds)
            })?;
        }
        for (name, value) in [
            (names::POLICY_ERRORS, now.policy_errors),
            (names::ENTITIES, now.entities),
            (names::CACHE_BYTES, now.cache_bytes),
            (names::OBSERVATIONS_WAITING, now.observations_waiting),
            (names::CONNECTIONS, now.connections),
            (names::REQUESTS_IN_FLIGHT, now.requests_in_flight),
            (names::BODY_BYTES, now.body_bytes),
        ] {
            family(&mut encoder, name, MetricType::Gauge, |encoder| {
                encoder.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
            })?;
        }
        for (name, value) in [
            (names::EVICTED, now.evicted),
            (names::EXPIRED, now.expired),
            (names::CACHE_REFUSED, now.cache_refused),
            (names::OBSERVATIONS_DROPPED, now.observations_dropped),
        ] {
            family(&mut encoder, name, MetricType::Counter, |encoder| {
                encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
            })?;
        }
        for (name, outcomes) in [
            (
                names::RELOADS,
                vec![("applied", now.reloads_applied), ("refused", now.reloads_refused)],
            ),
            (
                names::SIGNALS,
                vec![
                    ("accepted", now.signals_accepted),
                    ("older", now.signals_older),
                    ("rejected", now.signals_rejected),
                ],
            ),
        ] {
            family(&mut encoder, name, MetricType::Counter, |encoder| {
                for (outcome, count) in &outcomes {
                    let labels: Labels<'_, 1> = [("outcome", outcome)];
                    count_of(encoder, &labels, *count)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

pub(super) fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: Name,
    kind: MetricType,
    fill: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    fill(&mut encoder.encode_descriptor(name.name, name.help, None, kind)?)
}

pub(super) fn count_of<const N: usize>(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels<'_, N>,
    count: u64,
) -> fmt::Result {
    encoder.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}
