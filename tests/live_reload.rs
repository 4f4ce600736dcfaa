//! Policies that are edited while requests pass through the real Envoy.
//!
//! A program of its own, as it looks at the clock: nothing else runs beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use support::PATIENCE;
use support::client::{Connection, Request, Response};
use support::envoy::Options;
use support::house::{House, identities};
use support::plimsoll::{Plimsoll, command};
use support::process::run;

/// From the edit to the first answer that follows it.
const SOON: Duration = Duration::from_secs(1);

/// Ends the load when it is dropped, also by a failed assertion.
struct Ending<'e>(&'e AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// These tests look at the clock: they don't compete with each other.
static CLOCK: Mutex<()> = Mutex::new(());

fn undisturbed() -> MutexGuard<'static, ()> {
    // A test that failed has not spoilt anything for the next.
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes the policies, waits until they are published, and asks: gives the
/// first answer after it.
fn after(house: &House, change: impl FnOnce(&Plimsoll), request: &Request) -> Response {
    let logged = house.plimsoll.process.logged();
    change(&house.plimsoll);
    house.plimsoll.wait_for("policies published", logged);
    house.send(request)
}

/// The times that edits took are soon, by the middle one of them: what else a machine does
/// meanwhile makes some of them late.
fn assert_soon(mut took: Vec<Duration>) {
    took.sort();
    let middle = took[took.len() / 2];
    assert!(middle < SOON, "it took {middle:?}, of {took:?}");
}

#[test]
fn an_edit_flips_a_live_request_within_a_second() {
    let _undisturbed = undisturbed();
    let house = House::new();
    let request = Request::get("/").header("x-risk", "medium");
    assert_eq!(house.send(&request).status, 401);
    let text = house.plimsoll.text_of("session.yaml");
    let mut took = Vec::new();
    for (risk, status) in [("0.2", 200), ("0.8", 403), ("0.5", 401)].repeat(3) {
        let edited = text.replace("medium: 0.5", &format!("medium: {risk}"));
        let began = Instant::now();
        let answer = after(&house, |plimsoll| plimsoll.put("session.yaml", &edited), &request);
        took.push(began.elapsed());
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_soon(took);
}

/// The policy that is shipped, edited as a person would.
#[test]
fn an_edit_of_the_reputation_policy_decides() {
    let _undisturbed = undisturbed();
    let mut settings = identities();
    settings["default_policy"] = json!("reputation");
    let house = House::serving("policies", &Options::default(), &settings);
    let signals = json!({"reports": [{
        "entity": {"type": "user", "id": "u1"},
        "signals": {"account_created_at": "2020-01-01T00:00:00Z", "auth_count": 10},
    }]});
    let report = Request::post("/v1/signals", signals.to_string());
    let receipt = house.plimsoll.ask(&report.header("content-type", "application/json")).json();
    assert_eq!(receipt["accepted"], 2, "{receipt}");
    let posting = Request::post("/posts", "hello").header("x-login", "u1");
    assert_eq!(house.send(&posting).status, 200);
    let withdrawing = Request::post("/withdrawals", "").header("x-login", "u1");
    assert_eq!(house.send(&withdrawing).status, 403);
    let text = house.plimsoll.text_of("reputation.yaml");
    let edited = text.replace("  post: 0.3\n", "  post: 0.6\n");
    assert_ne!(edited, text);
    let answer = after(&house, |plimsoll| plimsoll.put("reputation.yaml", &edited), &posting);
    assert_eq!(answer.status, 403, "{answer:?}");
    let answer = after(&house, |plimsoll| plimsoll.put("reputation.yaml", &text), &posting);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_policy_that_is_deleted_shuts_its_routes() {
    let _undisturbed = undisturbed();
    let house = House::new();
    let request = Request::get("/strict/").header("x-key", "open");
    assert_eq!(house.send(&request).status, 200);
    let delete = |plimsoll: &Plimsoll| {
        std::fs::remove_file(plimsoll.policies().join("strict.yaml")).unwrap();
    };
    assert_eq!(after(&house, delete, &request).status, 500);
}

#[test]
fn reloads_under_load_fail_no_request() {
    const RELOADS: usize = 20;
    let _undisturbed = undisturbed();
    let house = House::new();
    let over = AtomicBool::new(false);
    let request = Request::get("/").header("x-risk", "low");
    thread::scope(|scope| {
        let load = || {
            let mut connection = Connection::to(house.envoy.address);
            let mut revisions = HashSet::new();
            let mut requests = 0;
            while !over.load(Ordering::Relaxed) {
                let answer = connection.send(&request);
                revisions.insert(answer.upstream_saw("x-plimsoll-revision").unwrap());
                requests += 1;
            }
            (revisions, requests)
        };
        let ending = Ending(&over);
        let clients = [scope.spawn(load), scope.spawn(load)];
        let text = house.plimsoll.text_of("session.yaml");
        let mut revision = house.send(&request).upstream_saw("x-plimsoll-revision");
        let mut took = Vec::new();
        for edition in 0..RELOADS {
            let text = format!("{text}# Edition {edition}\n");
            let began = Instant::now();
            let answer = after(&house, |plimsoll| plimsoll.put("session.yaml", &text), &request);
            took.push(began.elapsed());
            let now = answer.upstream_saw("x-plimsoll-revision");
            assert_ne!(now, revision, "edition {edition}");
            revision = now;
        }
        assert_soon(took);
        drop(ending);
        for client in clients {
            let (revisions, requests) = client.join().unwrap();
            // The last may be over before this client asks again.
            assert!(revisions.len() >= RELOADS, "only {} revisions", revisions.len());
            assert!(requests > 10 * RELOADS, "only {requests} requests");
        }
    });
    let status = house.plimsoll.ask(&Request::get("/status")).json();
    assert_eq!(status["policy"]["reloads_applied"], RELOADS + 1);
    assert_eq!(status["policy"]["reloads_refused"], 0);
}

#[test]
fn an_edit_with_a_mistake_changes_nothing_and_is_told() {
    let _undisturbed = undisturbed();
    let house = House::new();
    let request = Request::get("/").header("x-risk", "low");
    let revision = house.send(&request).upstream_saw("x-plimsoll-revision");
    let text = house.plimsoll.text_of("session.yaml");
    let logged = house.plimsoll.process.logged();
    house.plimsoll.put("session.yaml", &text.replace("user.alarms", "user.alarmz"));

    let entry = house.plimsoll.wait_for("the policies were not published", logged);
    let entry = entry["message"].as_str().unwrap();
    assert!(entry.contains("did you mean `user.alarms`"), "{entry}");
    let mut check = command();
    check.arg("check").arg(house.plimsoll.policies());
    let (code, _, told) = run(&mut check, PATIENCE);
    assert!(!code.success());
    assert!(entry.contains(told.trim()), "{entry}\nis not what `check` says:\n{told}");

    let status = house.plimsoll.ask(&Request::get("/status")).json();
    let refused = &status["policy"]["refused"];
    assert_eq!(refused["text"].as_str().unwrap().trim(), told.trim());
    assert_eq!(refused["errors"], 1);
    assert_eq!(status["policy"]["revision"].as_str(), revision.as_deref());
    let metrics = house.plimsoll.ask(&Request::get("/metrics")).body;
    assert!(metrics.contains("\nplimsoll_policy_errors 1\n"), "{metrics}");
    assert_eq!(house.send(&request).upstream_saw("x-plimsoll-revision"), revision);

    let mended = text.replace("low: 0.105", "low: 0.2");
    let answer = after(&house, |plimsoll| plimsoll.put("session.yaml", &mended), &request);
    assert_eq!(answer.upstream_saw("x-plimsoll-score").as_deref(), Some("20"));
    let status = house.plimsoll.ask(&Request::get("/status")).json();
    assert!(status["policy"]["refused"].is_null(), "{status}");
}
