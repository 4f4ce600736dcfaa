//! `/metrics`: everything that is counted, in OpenMetrics text.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::decisions::DecisionMetrics;
use super::family::{Family, Point, Value};
use super::gauges::Gauges;
use super::names::Kind;
use super::process;
use crate::model::Timestamp;

/// All metrics of a process.
pub struct Metrics {
    decisions: Arc<DecisionMetrics>,
    gauges: Box<dyn Fn() -> Gauges + Send + Sync>,
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
        Metrics { decisions, gauges: Box::new(gauges) }
    }

    /// All of them, each once and in one order.
    pub(super) fn families(&self) -> Vec<Family> {
        let mut families = self.decisions.families();
        families.extend((self.gauges)().families(Timestamp::now()));
        families.extend(process::families());
        families
    }

    /// The text that `/metrics` answers.
    ///
    /// # Errors
    /// When a value can't be written, which none of ours is.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Families(self.families())));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let kind = match family.name.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
                Kind::Info => MetricType::Info,
            };
            let name = family.name;
            let mut points = encoder.encode_descriptor(name.name, name.help, None, kind)?;
            for point in &family.points {
                write(&mut points, name.kind, point)?;
            }
        }
        Ok(())
    }
}

fn write(encoder: &mut MetricEncoder<'_>, kind: Kind, point: &Point) -> fmt::Result {
    let labels: Vec<(&str, &str)> = point.labels.iter().map(|(name, v)| (*name, &**v)).collect();
    match labels.as_slice() {
        labels if matches!(point.value, Value::Info) => encoder.encode_info(&labels),
        // Without braces, as everybody writes it.
        [] => write_value(encoder, kind, &point.value),
        labels => write_value(&mut encoder.encode_family(&labels)?, kind, &point.value),
    }
}

fn write_value(encoder: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (value, kind) {
        (Value::Histogram { sum, buckets }, _) => {
            let count = buckets.iter().map(|(_, n)| n).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
        (Value::Count(n), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, u64>(n, None),
        (Value::Number(x), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, u64>(x, None),
        (Value::Count(n), _) => encoder.encode_gauge(&i64::try_from(*n).unwrap_or(i64::MAX)),
        (Value::Number(x), _) => encoder.encode_gauge(x),
        (Value::Info, _) => Ok(()),
    }
}
