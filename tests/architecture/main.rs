//! Keeps the shape of the house: which room may know which (see
//! `ARCHITECTURE.md`), and how long a file may grow.
//!
//! The rules are read from the sources' tokens, so that a path in the middle of
//! a function counts as much as a `use`, and one in a comment not at all. Code
//! that only tests compile is free.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use scan::{Edge, edges};

/// What a room may use of ours, beside itself. A rule names a room, or a part
/// of it. A room that isn't here has no right to exist before it has a rule.
const RULES: &[(&str, &[&str])] = &[
    // Hot.
    ("model", &[]),
    ("engine", &["model"]),
    ("signals", &["model"]),
    ("api", &["engine", "signals", "model", "config", "fetch", "telemetry", "proto"]),
    // Both sides: names, settings, generated types.
    ("proto", &[]),
    ("config", &["fetch"]),
    ("fetch", &[]),
    ("background", &[]),
    ("telemetry", &["model", "engine", "config"]),
    // Cold.
    (
        "policy",
        &[
            "engine",
            "signals",
            "model",
            "learn",
            "fetch",
            "api::id",
            "api::label",
            "api::pdp",
            "api::question",
            "api::resource",
            "api::taught",
        ],
    ),
    ("learn", &["signals", "model"]),
    ("store", &["learn", "signals", "model", "background"]),
    ("feeds", &["fetch", "signals", "model", "background"]),
    (
        "replay",
        &[
            "engine",
            "learn",
            "policy",
            "signals",
            "model",
            "telemetry",
            "api::answer",
            "api::ask",
            "api::label",
            "api::pdp",
            "api::question",
        ],
    ),
    // For those outside.
    ("client", &["proto", "api::json"]),
    // Those that wire everything.
    ("app", &["*"]),
    ("cli", &["*"]),
    ("main", &["cli"]),
    ("lib", &["*"]),
];

const HOT: &[&str] = &["model", "api", "signals", "engine"];
const COLD: &[&str] = &["policy", "learn", "store", "feeds", "replay", "client", "app", "cli"];

/// The rooms that nothing of the outside world may enter.
const PURE: &[&str] = &["model", "engine"];
const RUNTIMES: &[&str] = &["tokio", "tonic", "hyper", "axum", "http", "prost"];

/// More lines than this are a reason to ask what a file is doing.
const LONG: usize = 500;

/// Files that were asked and had an answer. One that becomes short leaves.
const LONG_FILES: &[&str] = &[];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `src`, relative to the crate.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    files.sort();
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

/// Everything that the sources use, tests left out.
fn all_edges() -> Vec<Edge> {
    let mut all = Vec::new();
    for file in sources() {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        all.extend(edges(&file, &text));
    }
    all
}

fn is_or_is_below(path: &str, rule: &str) -> bool {
    path == rule || path.strip_prefix(rule).is_some_and(|rest| rest.starts_with("::"))
}

fn allows(rules: &[&str], edge: &Edge) -> bool {
    rules.iter().any(|rule| *rule == "*" || is_or_is_below(&edge.to, rule))
}

fn told(edges: &[&Edge]) -> String {
    edges.iter().map(|e| format!("\n  {}:{} uses {}", e.file.display(), e.line, e.to)).collect()
}

#[test]
fn rooms_know_only_what_their_rule_says() {
    let rules: BTreeMap<&str, &[&str]> = RULES.iter().copied().collect();
    let edges = all_edges();
    let ours: Vec<&Edge> = edges.iter().filter(|e| e.ours && e.room() != e.from).collect();
    let unruled: BTreeSet<&str> = ours
        .iter()
        .flat_map(|e| [&*e.from, e.room()])
        .filter(|room| !rules.contains_key(room))
        .collect();
    assert!(unruled.is_empty(), "rooms without a rule: {unruled:?}");
    let broken: Vec<&Edge> = ours.iter().filter(|e| !allows(rules[&*e.from], e)).copied().collect();
    assert!(broken.is_empty(), "the dependency rule is broken:{}", told(&broken));

    // A scan that sees nothing would find nothing wrong.
    let seen: BTreeSet<(&str, &str)> = ours.iter().map(|e| (&*e.from, e.room())).collect();
    for expected in [
        ("engine", "model"),
        ("signals", "model"),
        ("api", "engine"),
        ("api", "signals"),
        ("policy", "engine"),
        ("policy", "api"),
        ("app", "policy"),
        ("main", "cli"),
    ] {
        assert!(seen.contains(&expected), "{expected:?} is not among {seen:?}");
    }
}

/// What the table above says already, told once more without exceptions: who
/// edits the table must not open this door by it.
#[test]
fn hot_never_knows_cold() {
    let edges = all_edges();
    let hot: Vec<&Edge> = edges.iter().filter(|e| e.ours && HOT.contains(&&*e.from)).collect();
    for room in HOT {
        assert!(hot.iter().any(|e| e.from == *room), "no edge from {room} was seen");
    }
    let broken: Vec<&Edge> = hot.into_iter().filter(|e| COLD.contains(&e.room())).collect();
    assert!(broken.is_empty(), "hot code uses cold code:{}", told(&broken));
}

#[test]
fn model_and_engine_know_no_runtime() {
    let edges = all_edges();
    let runtime = |e: &&Edge| !e.ours && RUNTIMES.contains(&e.room());
    assert!(
        edges.iter().filter(runtime).any(|e| e.from == "api"),
        "the scan has not seen that `api` uses a runtime"
    );
    let broken: Vec<&Edge> =
        edges.iter().filter(runtime).filter(|e| PURE.contains(&&*e.from)).collect();
    assert!(broken.is_empty(), "pure rooms use a runtime:{}", told(&broken));
}

#[test]
fn files_stay_short() {
    let lines = |file: &Path| std::fs::read_to_string(root().join(file)).unwrap().lines().count();
    let long: BTreeSet<PathBuf> = sources().into_iter().filter(|f| lines(f) > LONG).collect();
    let known: BTreeSet<PathBuf> = LONG_FILES.iter().map(PathBuf::from).collect();
    let new: Vec<_> = long.difference(&known).collect();
    assert!(new.is_empty(), "files of more than {LONG} lines: {new:?}");
    let short: Vec<_> = known.difference(&long).collect();
    assert!(short.is_empty(), "no longer long, so no longer to be listed: {short:?}");
}
