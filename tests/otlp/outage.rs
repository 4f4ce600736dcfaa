//! A collector that is away, or says nothing: decisions go on.

use std::net::TcpListener;
use std::time::Instant;

use serde_json::json;

use super::collector::{Collector, Received, TOKEN};
use super::support::PATIENCE;
use super::support::client::Request;
use super::support::plimsoll::Plimsoll;
use super::{Caller, serve, set_header};

/// The most spans of one export: what the exporter holds beside its queue.
const BATCH: u64 = 512;
const QUEUE: u64 = 8;

fn metric(plimsoll: &Plimsoll, sample: &str) -> u64 {
    let page = plimsoll.ask(&Request::get("/metrics")).body;
    let value = page.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {sample} in {page}"))
}

fn dropped(plimsoll: &Plimsoll) -> u64 {
    metric(plimsoll, r#"plimsoll_spans_dropped_total{cause="queue_full"}"#)
}

fn failed(plimsoll: &Plimsoll) -> u64 {
    metric(plimsoll, r#"plimsoll_otlp_exports_total{what="traces",outcome="failed"}"#)
}

#[test]
fn an_absent_collector_costs_spans_and_no_decision() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let otlp = json!({"endpoint": format!("http://{address}"), "sample": 1.0, "queue": QUEUE,
        "metrics": false, "headers": {"authorization": TOKEN}});
    let plimsoll = serve(&otlp);
    let mut caller = Caller::of(&plimsoll);
    let asked = 1200;
    for _ in 0..asked {
        let answer = caller.check(&[], &[("x-risk", "low")]);
        assert_eq!(set_header(&answer, "x-plimsoll-score").as_deref(), Some("10"));
    }
    let lost = dropped(&plimsoll);
    // Of the decisions and of the first load.
    assert!(lost >= asked - QUEUE - BATCH, "{lost}");
    assert!(lost < asked, "what there is room for is kept");

    plimsoll.wait_for("the collector takes no exports", 0);
    plimsoll.wait_for("spans are dropped", 0);
    let status = plimsoll.ask(&Request::get("/status")).json();
    assert_eq!(status["degraded"], json!(["telemetry.otlp"]), "{status}");
    assert_eq!(status["stage"], "ready");

    let first = failed(&plimsoll);
    let deadline = Instant::now() + PATIENCE;
    while failed(&plimsoll) == first {
        assert!(Instant::now() < deadline, "it is not tried again");
    }
    for message in ["the collector takes no exports", "spans are dropped"] {
        assert_eq!(plimsoll.process.count(|line| line.contains(message)), 1, "{message}");
    }

    // It comes back, and gets what was kept.
    let collector = Collector::at(address);
    let kept = asked + 1 - dropped(&plimsoll);
    let mut came = 0;
    collector.wait_for("the spans that were kept", |received| {
        if let Received::Spans { spans, .. } = received {
            came += spans.len() as u64;
        }
        (came == kept).then_some(())
    });
    plimsoll.wait_for("the collector takes exports again", 0);
    let status = plimsoll.ask(&Request::get("/status")).json();
    assert_eq!(status["degraded"], json!([]), "{status}");
}

#[test]
fn a_collector_that_never_answers_holds_nothing_up() {
    // Connections end in its backlog.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let plimsoll = serve(&json!({"endpoint": endpoint, "sample": 1.0, "queue": QUEUE,
        "interval_seconds": 0.1}));
    // The export of the first load's span hangs from here on.
    let (_connection, _) = silent.accept().unwrap();
    let mut caller = Caller::of(&plimsoll);
    for _ in 0..100 {
        let answer = caller.check(&[], &[("x-risk", "low")]);
        assert_eq!(set_header(&answer, "x-plimsoll-score").as_deref(), Some("10"));
    }
    // All were answered while that one export still waits for its answer.
    assert_eq!(failed(&plimsoll), 0);
    assert_eq!(dropped(&plimsoll), 100 - QUEUE, "the queue is bounded, whatever waits");
}

#[test]
fn a_collector_that_refuses_is_told_of() {
    let collector = Collector::start();
    let plimsoll = serve(&json!({"endpoint": collector.endpoint, "metrics": false}));
    let line = plimsoll.wait_for("the collector takes no exports", 0);
    assert!(line["why"].as_str().unwrap().contains("who is this?"), "{line}");
    // It would say no again: not kept for another try.
    let rejected = r#"plimsoll_spans_dropped_total{cause="rejected"}"#;
    assert_eq!(metric(&plimsoll, rejected), 1);
}
