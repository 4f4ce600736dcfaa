use std::collections::BTreeSet;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, number_data_point};
use serde_json::json;

use super::collector::{Collector, Received, TOKEN, attribute};
use super::support::client::Request;
use super::{Caller, serve};

fn by_name<'m>(metrics: &'m [Metric], name: &str) -> &'m Data {
    let metric = metrics.iter().find(|metric| metric.name == name);
    metric.unwrap_or_else(|| panic!("no {name}")).data.as_ref().unwrap()
}

/// How many decisions, by what was decided.
fn decisions(metrics: &[Metric]) -> Vec<(String, i64)> {
    if !metrics.iter().any(|metric| metric.name == "plimsoll_decisions") {
        return Vec::new();
    }
    let Data::Sum(sum) = by_name(metrics, "plimsoll_decisions") else { panic!("no sum") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
    let count = |value: &Option<number_data_point::Value>| match value {
        Some(number_data_point::Value::AsInt(n)) => *n,
        other => panic!("{other:?}"),
    };
    let points = sum.data_points.iter();
    points.map(|p| (attribute(&p.attributes, "decision").unwrap(), count(&p.value))).collect()
}

#[test]
fn the_collector_sees_the_numbers_of_the_metrics_page() {
    let collector = Collector::start();
    let plimsoll = serve(&json!({"endpoint": collector.endpoint, "traces": false,
        "interval_seconds": 0.2, "headers": {"authorization": TOKEN}}));
    let mut caller = Caller::of(&plimsoll);
    for risk in ["low", "low", "high"] {
        caller.check(&[], &[("x-risk", risk)]);
    }
    let expected = [("allow".to_owned(), 2), ("deny".to_owned(), 1)];
    let metrics = collector.wait_for("the decisions", |received| match received {
        Received::Metrics(metrics) => (decisions(&metrics) == expected).then_some(metrics),
        Received::Spans { .. } => None,
    });

    let Data::Histogram(histogram) = by_name(&metrics, "plimsoll_score_ratio") else {
        panic!("no histogram")
    };
    let of_session = |attributes: &_| attribute(attributes, "policy").as_deref() == Some("session");
    let scores = histogram.data_points.iter().find(|p| of_session(&p.attributes)).unwrap();
    assert_eq!(scores.count, 3);
    assert!((scores.sum.unwrap() - (0.105 * 2.0 + 0.9)).abs() < 1e-6, "{:?}", scores.sum);
    assert_eq!(scores.bucket_counts.len(), scores.explicit_bounds.len() + 1);
    assert_eq!(scores.bucket_counts[1], 2, "from 0.1 to 0.2");
    assert!(scores.start_time_unix_nano > 0 && scores.time_unix_nano > scores.start_time_unix_nano);

    // Whatever has points on the page goes to the collector, and nothing else.
    let page = plimsoll.ask(&Request::get("/metrics")).body;
    let exported: BTreeSet<&str> = metrics.iter().map(|metric| &*metric.name).collect();
    let on_page: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| page.lines().any(|line| line.starts_with(name)))
        .collect();
    assert!(exported.len() > 20, "{exported:?}");
    assert_eq!(exported, on_page);
    for (name, unit) in
        [("plimsoll_signal_cache_bytes", "By"), ("plimsoll_decision_duration_seconds", "s")]
    {
        assert_eq!(metrics.iter().find(|m| m.name == name).unwrap().unit, unit);
    }
}
