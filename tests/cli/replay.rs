//! `plimsoll replay`: what it reads, writes, tells and shows.

mod lines;
mod same;
mod streams;
mod svg;

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::{Ran, run};

const DAY: i64 = 86_400_000;
const BEGIN: i64 = 20_000 * DAY;

/// Small, and with attacks of each kind that can be.
const TRAFFIC: [(&str, &str, &[&str]); 3] = [
    ("takeovers", "session", &["--users", "20", "--days", "20", "--attacks", "2"]),
    ("identities", "identities", &["--users", "30", "--days", "30", "--attacks", "2"]),
    ("exfiltration", "exfiltration", &["--users", "12", "--days", "66", "--attacks", "2"]),
];

fn generate(folder: &TempDir, name: &str, traffic: &str, args: &[&str]) -> String {
    let file = folder.path().join(name).display().to_string();
    let made = run(&[&["replay", "--generate", &file, "--traffic", traffic][..], args].concat());
    assert_eq!((made.code, &*made.err), (Some(0), ""));
    let lines = fs::read_to_string(&file).unwrap().lines().count();
    assert!(lines > 0 && made.out.starts_with(&format!("{lines} events in ")), "{}", made.out);
    file
}

/// Replays with the policies that `docs/detection.md` measures.
fn replay(events: &str, policy: &str, args: &[&str]) -> Ran {
    let traffic = if policy == "session" { "takeovers" } else { policy };
    let policies = format!("examples/{traffic}");
    let common = ["replay", events, "--policies", &policies, "--policy", policy];
    let geo = format!("{events}.geo.json");
    let places: &[&str] = if Path::new(&geo).exists() { &["--geo", &geo] } else { &[] };
    run(&[&common, places, args].concat())
}

/// Replays into a folder that is new.
fn replay_into(folder: &Path, events: &str, policy: &str) -> Ran {
    fs::create_dir(folder).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    replay(events, policy, &["--decisions", &at("decisions.jsonl"), "--report", &at("report")])
}

fn report(folder: &Path) -> Json {
    serde_json::from_slice(&fs::read(folder.join("report/report.json")).unwrap()).unwrap()
}

fn lines(text: &str) -> impl Iterator<Item = Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// Requests of nobody in particular, at these times.
fn requests(times: &[i64]) -> Vec<String> {
    let subject = json!({"type": "user", "id": "u1"});
    let request =
        json!({"subject": subject, "action": {"name": "a"}, "resource": {"type": "r", "id": "r"}});
    times.iter().map(|at| json!({"at": at, "request": request}).to_string()).collect()
}
