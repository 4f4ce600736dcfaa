//! A store that fails while the process runs: decisions go on, and it is mended.

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::links::label;
use crate::support::plimsoll::Plimsoll;
use crate::{metric, report, report_durably, score, serve, status, until};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// How large the process may make files from now on; `None`: as large as it likes.
fn limit_files(server: &Plimsoll, bytes: Option<u64>) {
    let pid = Pid::from_raw(server.process.id() as i32);
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

#[test]
fn a_full_disk_leaves_decisions_going_and_is_caught_up_with() {
    let data = TempDir::new().unwrap();
    // Who writes too much is told so, and not ended.
    let server = Plimsoll::serve_by(
        &["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""],
        "tests/store/policies",
        &json!({"data": data.path()}),
    );
    server.wait_for("ready", 0);
    report_durably(&server, "ann", &json!({"standing": 10}));

    limit_files(&server, Some(0));
    let answer = report(&server, "/v1/signals?durable=true", "ann", &json!({"standing": 5}));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("not on disk"), "{answer:?}");
    let labelled = label(&server, "/v1/labels?durable=true", "eve", Timestamp::now());
    assert_eq!(labelled.status, 503, "{labelled:?}");
    // It is known all the same, and so is what is reported now.
    assert_eq!(score(&server, "ann", "d1"), 15.0);
    assert_eq!(report(&server, "/v1/signals", "bob", &json!({"standing": 10})).status, 200);
    assert_eq!(score(&server, "bob", "d1"), 30.0);
    let told = until(|| status(&server), |status| status["store"]["error"].is_string());
    assert!(told["degraded"].as_array().unwrap().contains(&json!("store")), "{told}");
    let metric = |name: &str| metric(&server, name);
    assert_eq!(metric("plimsoll_store_failing"), 1.0);
    // Told once, however often it is tried.
    until(|| metric("plimsoll_store_failures_total"), |failures| *failures >= 2.0);
    let fails = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["fields"]["message"].as_str().is_some_and(|text| text.contains("the store fails"))
    };
    assert_eq!(server.process.count(fails), 1);

    limit_files(&server, None);
    server.wait_for("the store works again", 0);
    until(|| status(&server), |status| status["store"]["error"].is_null());
    assert_eq!(metric("plimsoll_store_failing"), 0.0);
    report_durably(&server, "eve", &json!({"standing": 10}));
    drop(server);
    let next = serve(data.path());
    let scores = ["ann", "bob", "eve"].map(|user| score(&next, user, "d2"));
    assert_eq!(scores, [15.0, 30.0, 30.0]);
}
