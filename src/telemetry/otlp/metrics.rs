//! Metrics as OTLP has them: the same families that `/metrics` shows.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::resource::{scope, text};
use crate::telemetry::family::{Family, Point, Value};
use crate::telemetry::names::Kind;

pub(super) fn resource_metrics(
    families: &[Family],
    resource: &Resource,
    started: u64,
    now: u64,
) -> ResourceMetrics {
    let times = Times { started, now };
    let scope_metrics = ScopeMetrics {
        scope: Some(scope()),
        metrics: families.iter().filter_map(|family| times.metric(family)).collect(),
        ..ScopeMetrics::default()
    };
    ResourceMetrics {
        resource: Some(resource.clone()),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    }
}

#[derive(Clone, Copy)]
struct Times {
    started: u64,
    now: u64,
}

impl Times {
    /// Nothing where there are no points, which OTLP has no word for.
    fn metric(self, family: &Family) -> Option<Metric> {
        if family.points.is_empty() {
            return None;
        }
        let cumulative = AggregationTemporality::Cumulative.into();
        let numbers = || family.points.iter().map(|point| self.number(point)).collect();
        let data = match family.name.kind {
            Kind::Counter => Data::Sum(Sum {
                data_points: numbers(),
                aggregation_temporality: cumulative,
                is_monotonic: true,
            }),
            Kind::Gauge | Kind::Info => Data::Gauge(Gauge { data_points: numbers() }),
            Kind::Histogram => Data::Histogram(Histogram {
                data_points: family.points.iter().filter_map(|p| self.histogram(p)).collect(),
                aggregation_temporality: cumulative,
            }),
        };
        Some(Metric {
            name: family.name.name.to_owned(),
            description: family.name.help.to_owned(),
            unit: unit(family.name.name).to_owned(),
            data: Some(data),
            ..Metric::default()
        })
    }

    fn number(self, point: &Point) -> NumberDataPoint {
        let value = match point.value {
            Value::Count(n) => {
                number_data_point::Value::AsInt(i64::try_from(n).unwrap_or(i64::MAX))
            }
            Value::Number(x) => number_data_point::Value::AsDouble(x),
            Value::Info | Value::Histogram { .. } => number_data_point::Value::AsInt(1),
        };
        NumberDataPoint {
            attributes: attributes(point),
            start_time_unix_nano: self.started,
            time_unix_nano: self.now,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    fn histogram(self, point: &Point) -> Option<HistogramDataPoint> {
        let Value::Histogram { sum, buckets } = &point.value else { return None };
        let (_unbounded, bounded) = buckets.split_last()?;
        Some(HistogramDataPoint {
            attributes: attributes(point),
            start_time_unix_nano: self.started,
            time_unix_nano: self.now,
            count: buckets.iter().map(|(_, n)| n).sum(),
            sum: Some(*sum),
            bucket_counts: buckets.iter().map(|(_, n)| *n).collect(),
            explicit_bounds: bounded.iter().map(|(bound, _)| *bound).collect(),
            ..HistogramDataPoint::default()
        })
    }
}

fn attributes(point: &Point) -> Vec<KeyValue> {
    point.labels.iter().map(|(name, value)| text(name, &**value)).collect()
}

/// Units as UCUM writes them, by how our names end.
fn unit(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_seconds") => "s",
        _ if name.ends_with("_bytes") => "By",
        _ if name.ends_with("_ratio") => "1",
        _ => "",
    }
}
