//! Plimsoll is gone, or slow: Envoy's own setting decides, and nothing else.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::client::Request;
use crate::support::envoy::{NO_ANSWER, Options};
use crate::{House, identities};

fn open(failure_mode_allow: bool) -> Options {
    Options { failure_mode_allow, timeout: "0.5s", ..Options::default() }
}

#[test]
fn a_killed_process_leaves_it_to_envoys_failure_mode() {
    for (allow, status) in [(true, 200), (false, NO_ANSWER)] {
        let mut house = House::with(&Options { timeout: "20s", ..open(allow) });
        assert_eq!(house.send(&Request::get("/")).status, 200);
        house.plimsoll.process.kill();
        let answer = house.send(&Request::get("/").header("x-risk", "high"));
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[test]
fn a_slow_process_costs_no_more_than_envoys_timeout() {
    for (allow, status) in [(true, 200), (false, NO_ANSWER)] {
        let house = House::with(&open(allow));
        let high = Request::get("/").header("x-risk", "high");
        assert_eq!(house.send(&high).status, 403);
        house.plimsoll.process.signal(Signal::STOP);
        let asked = Instant::now();
        let answer = house.send(&high);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(asked.elapsed() >= Duration::from_millis(450), "{:?}", asked.elapsed());
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        house.plimsoll.process.signal(Signal::CONT);
        // The first answers may still come too late: until then the mode decides.
        let deadline = Instant::now() + crate::support::PATIENCE;
        while house.send(&high).status != 403 {
            assert!(Instant::now() < deadline, "it does not decide again");
        }
    }
}

/// A process that has no policy yet can't decide: that is no denial of the client's.
#[test]
fn without_a_policy_envoys_failure_mode_decides_too() {
    for (allow, status) in [(true, 200), (false, NO_ANSWER)] {
        let mut settings = identities();
        settings["policies"] = json!("FOLDER/later");
        let house = House::configured(&Options { timeout: "20s", ..open(allow) }, &settings);
        let high = Request::get("/").header("x-risk", "high");
        assert_eq!(house.send(&high).status, status);
        assert_eq!(house.plimsoll.ask(&Request::get("/ready")).status, 503);
        let policies = house.plimsoll.policies();
        std::fs::rename(&policies, policies.with_file_name("later")).unwrap();
        house.plimsoll.wait_for("policies published", 0);
        assert_eq!(house.send(&high).status, 403);
    }
}

/// Whoever lets requests pass unasked should take forged headers away first, as
/// `docs/envoy.yaml` does.
#[test]
fn forged_headers_are_gone_also_when_nobody_was_asked() {
    let mut house = House::with(&Options { strips_our_headers: true, ..open(true) });
    let forged =
        || Request::get("/").header("x-plimsoll-score", "0").header("x-plimsoll-decision", "allow");
    let asked = house.send(&forged().header("x-risk", "low"));
    assert_eq!(asked.upstream_saw("x-plimsoll-score").as_deref(), Some("10"));
    house.plimsoll.process.kill();
    let unasked = house.send(&forged());
    assert_eq!(unasked.upstream_saw("x-plimsoll-score"), None);
    assert_eq!(unasked.upstream_saw("x-plimsoll-decision"), None);
}

/// The file that the README sends people to.
#[test]
fn the_documented_configuration_is_one_that_envoy_takes() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/envoy.yaml");
    let mut envoy = std::process::Command::new(crate::support::envoy::binary());
    envoy.args(["--mode", "validate", "-c"]).arg(file);
    let (status, _, errors) = crate::support::process::run(&mut envoy, crate::support::PATIENCE);
    assert!(status.success(), "{errors}");
}
