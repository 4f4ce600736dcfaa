//! The metrics page after real decisions, held against its documentation.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use super::support::PATIENCE;
use super::support::client::Request;
use super::support::plimsoll::Plimsoll;
use super::{POLICIES, ask, report};

fn page(plimsoll: &Plimsoll) -> String {
    let answer = plimsoll.ask(&Request::get("/metrics"));
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"));
    answer.body
}

fn value(page: &str, sample: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {sample} in {page}")).parse().unwrap()
}

/// A server that has decided: two requests of a user of whom one signal is fresh and one too
/// old, one of a user that nothing is known of.
fn busy() -> Plimsoll {
    let plimsoll = Plimsoll::serve(POLICIES, &json!({}));
    report(&plimsoll, "u1", "alarms", &json!(9), 120);
    report(&plimsoll, "u1", "client", &json!("legacy"), 7200);
    assert_eq!(ask(&plimsoll, "u1")["decision"], false);
    assert_eq!(ask(&plimsoll, "u1")["decision"], false);
    assert_eq!(ask(&plimsoll, "u2")["decision"], true);
    plimsoll
}

#[test]
fn decisions_are_counted_as_they_were_made() {
    let plimsoll = busy();
    let page = page(&plimsoll);
    for (sample, expected) in [
        (r#"plimsoll_decisions_total{policy="session",decision="deny",decided_by="refuse"}"#, 2.0),
        (r#"plimsoll_decisions_total{policy="session",decision="allow",decided_by="anyone"}"#, 1.0),
        (r#"plimsoll_decision_duration_seconds_count{policy="session"}"#, 3.0),
        (r#"plimsoll_score_ratio_count{policy="session"}"#, 3.0),
        (r#"plimsoll_signal_lookups_total{policy="session",outcome="present"}"#, 2.0),
        (r#"plimsoll_signal_lookups_total{policy="session",outcome="stale"}"#, 2.0),
        (r#"plimsoll_signal_lookups_total{policy="session",outcome="missing"}"#, 2.0),
        (r#"plimsoll_signal_age_seconds_count{policy="session"}"#, 2.0),
        (r#"plimsoll_signal_age_seconds_bucket{le="60.0",policy="session"}"#, 0.0),
        (r#"plimsoll_signal_age_seconds_bucket{le="600.0",policy="session"}"#, 2.0),
        // Without this one Prometheus knows no quantile.
        (r#"plimsoll_signal_age_seconds_bucket{le="+Inf",policy="session"}"#, 2.0),
        (r#"plimsoll_signals_total{outcome="accepted"}"#, 2.0),
        (r#"plimsoll_policy_reloads_total{outcome="applied"}"#, 1.0),
        (r#"plimsoll_policy_reloads_total{outcome="refused"}"#, 0.0),
        (r#"plimsoll_list_entries{list="malicious_addresses"}"#, 2.0),
        (r#"plimsoll_list_failing{list="malicious_addresses"}"#, 0.0),
        (r#"plimsoll_spans_dropped_total{cause="queue_full"}"#, 0.0),
        ("plimsoll_ready", 1.0),
        ("plimsoll_policy_errors", 0.0),
        (r#"plimsoll_observations_dropped_total{cause="queue_full"}"#, 0.0),
        ("plimsoll_entities", 1.0),
    ] {
        assert_eq!(value(&page, sample), expected, "{sample} in {page}");
    }
    let age = value(&page, r#"plimsoll_signal_age_seconds_sum{policy="session"}"#);
    assert!((240.0..340.0).contains(&age), "{age}");
    for age in
        ["plimsoll_policy_age_seconds", r#"plimsoll_list_age_seconds{list="malicious_addresses"}"#]
    {
        assert!((0.0..60.0).contains(&value(&page, age)), "{age}");
    }
    let status = plimsoll.ask(&Request::get("/status")).json();
    let revision = status["policy"]["revision"].as_str().unwrap();
    assert_eq!(value(&page, &format!("plimsoll_policy_info{{revision=\"{revision}\"}}")), 1.0);
}

/// A feed that died two days ago, and a process that began just now.
#[test]
fn a_list_is_as_old_as_its_file() {
    let plimsoll = busy();
    let file = plimsoll.policies().join("feeds/malicious.netset");
    let dead = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
    std::fs::write(&file, "203.0.113.9\n").unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(dead).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let age =
            value(&page(&plimsoll), r#"plimsoll_list_age_seconds{list="malicious_addresses"}"#);
        if (172_800.0..172_900.0).contains(&age) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{age}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured() {
    let page = page(&busy());
    assert!(value(&page, "process_resident_memory_bytes") > 1e6);
    assert!(value(&page, "process_open_fds") > 3.0);
    assert!(value(&page, "process_max_fds") >= value(&page, "process_open_fds"));
    assert!(value(&page, "process_threads") > 3.0);
    assert!(value(&page, "process_cpu_seconds_total") >= 0.0);
    let now = jiff::Timestamp::now().as_second() as f64;
    let started = value(&page, "process_start_time_seconds");
    assert!((started - now).abs() < 120.0, "{started} {now}");
}

#[test]
fn a_failing_list_and_refused_policies_show() {
    let plimsoll = busy();
    let logged = plimsoll.process.logged();
    plimsoll.put("session.yaml", "kind: TrustPolicy\n");
    plimsoll.wait_for("the policies were not published", logged);
    let page = page(&plimsoll);
    assert!(value(&page, "plimsoll_policy_errors") >= 1.0);
    assert_eq!(value(&page, r#"plimsoll_policy_reloads_total{outcome="refused"}"#), 1.0);
    let status = plimsoll.ask(&Request::get("/status")).json();
    assert_eq!(status["degraded"], json!(["policy"]), "{status}");
}

/// Name, as it is queried, and kind.
fn shown(page: &str) -> BTreeMap<String, String> {
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    families
        .map(|(name, kind)| {
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            (format!("{name}{suffix}"), kind.to_owned())
        })
        .collect()
}

/// Name, type and labels, out of the table's rows: "| `name` | type | unit | labels | ... |".
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let text = fs::read_to_string("docs/telemetry.md").unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("` |")?;
        let cells: Vec<&str> = rest.split('|').map(str::trim).collect();
        let is_metric = name.starts_with("plimsoll_") || name.starts_with("process_");
        let labels = cells.get(2)?.split('`').skip(1).step_by(2).map(str::to_owned);
        is_metric.then(|| (name.to_owned(), (cells[0].to_owned(), labels.collect())))
    })
    .collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let page = page(&busy());
    let (shown, documented) = (shown(&page), documented());
    assert!(shown.len() > 30, "{shown:?}");
    let kinds = documented.iter().map(|(name, (kind, _))| (name.clone(), kind.clone()));
    assert_eq!(shown, kinds.collect(), "left: /metrics, right: docs/telemetry.md");
    // The labels of each sample are those that are documented, neither more nor fewer.
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let (name, rest) = line.split_at(end);
        let of = documented.iter().find(|(documented, (kind, _))| match &**kind {
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|suffix| name.strip_suffix(suffix) == Some(documented)),
            _ => name == **documented,
        });
        let (_, (_, labels)) = of.unwrap_or_else(|| panic!("{line}"));
        let named: Vec<&str> = rest
            .split("=\"")
            .filter_map(|before| before.rsplit(['{', ',']).next())
            .filter(|label| label.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .filter(|label| *label != "le" && !label.is_empty())
            .collect();
        assert_eq!(&named, labels, "{line}");
    }
}
