//! `plimsoll explain`.

use serde_json::Value as Json;

use crate::folder::folder;
use crate::server::Server;
use crate::{run, run_with_input};

/// The picture without what differs from run to run.
fn settled(out: &str, revision: &str) -> String {
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    lines.join("\n").replace(revision, "REVISION")
}

fn near(found: &Json, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

#[test]
fn a_policy_test_is_drawn_as_a_waterfall() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    let json = run(&["explain", "--policies", path, "--test", "a young account", "--json"]);
    assert_eq!(json.code, Some(0), "{}", json.err);
    let answer: Json = serde_json::from_str(&json.out).unwrap();
    assert_eq!(answer["decision"], "step_up");
    assert_eq!(answer["rule"], "prove");
    near(&answer["score"], 44.0);
    near(&answer["factors"][0]["contribution"], 20.0);
    let drawn = run(&["explain", "--policies", path, "--test", "young"]);
    assert_eq!(drawn.code, Some(0), "{}", drawn.err);
    assert!(!drawn.out.contains('\x1b'), "no colours where there is no terminal");
    let revision = answer["policy"]["revision"].as_str().unwrap();
    insta::assert_snapshot!(settled(&drawn.out, revision));
}

#[test]
fn a_request_brings_its_signals_and_reads_the_folders_lists() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    let args = ["explain", "--policies", path, "--request", "-", "--json"];
    let request = r#"{
        "signals": {"user": {"age_days": 100, "sign_ins": 10, "country": "QQ"}},
        "request": {"subject": {"type": "user", "id": "u1"}, "action": {"name": "enter"}, "resource": {"type": "room", "id": "r"}}
    }"#;
    let listed = run_with_input(&args, request);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let answer: Json = serde_json::from_str(&listed.out).unwrap();
    near(&answer["score"], 70.0);
    assert_eq!(answer["adjustments"][0]["name"], "odd_country");
    assert_eq!(answer["reason_admin"][0], "Odd country");
    // What the request gives itself counts before the folder's own.
    let given = request.replacen('{', r#"{"given": {"lists": {"odd_countries": []}},"#, 1);
    let unlisted: Json = serde_json::from_str(&run_with_input(&args, &given).out).unwrap();
    near(&unlisted["score"], 80.0);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    let near = run(&["explain", "--policies", path, "--test", "a yuong account"]);
    assert_eq!(near.code, Some(1));
    assert!(near.err.contains("did you mean `a young account`?"), "{}", near.err);
    let two = run(&["explain", "--policies", path, "--test", "account"]);
    assert_eq!(two.code, Some(1));
    assert!(two.err.contains("door: an old account"), "{}", two.err);
    let args = ["explain", "--policies", path, "--request", "-"];
    let wrong = run_with_input(&args, "signals:\n  user: {age_dayz: 3}\n");
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("standard input:2:10"), "{}", wrong.err);
    assert!(wrong.err.contains("did you mean `age_days`?"), "{}", wrong.err);
    let nothing = run(&["explain", "--policies", path]);
    assert_eq!(nothing.code, Some(2));
}

#[test]
fn a_running_server_is_asked() {
    let folder = folder();
    let server = Server::start(folder.path());
    let set = run(&[
        "signals",
        "set",
        "user",
        "u1",
        "age_days=50",
        "sign_ins=2",
        "--server",
        &server.grpc,
    ]);
    assert_eq!(set.code, Some(0), "{}{}", set.out, set.err);
    let request = r#"{"policy": "door", "request": {"subject": {"type": "user", "id": "u1"}, "action": {"name": "enter"}, "resource": {"type": "room", "id": "r"}}}"#;
    let args = ["explain", "--server", &server.grpc, "--request", "-"];
    let drawn = run_with_input(&args, request);
    assert_eq!(drawn.code, Some(0), "{}", drawn.err);
    assert!(drawn.out.contains("step_up by `prove`"), "{}", drawn.out);
    assert!(drawn.out.contains("44.0"), "{}", drawn.out);
    // The counterfactual has come over the wire.
    let lines: Vec<&str> = drawn.out.lines().map(str::trim).collect();
    let otherwise = [
        "otherwise    allow, with `age` 0.90 (value at least 90)",
        "Only this stands in the way: Your account is young",
    ];
    assert!(lines.windows(2).any(|pair| pair == otherwise), "{}", drawn.out);
    let unknown = run_with_input(&args, &request.replace("door", "dor"));
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("did you mean `door`?"), "{}", unknown.err);
    let signals = request.replacen('{', r#"{"signals": {},"#, 1);
    let refused = run_with_input(&args, &signals);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("plimsoll signals set"), "{}", refused.err);
}
