//! Standard output and error, terminals, and what can't be reached.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::{BEGIN, lines, requests};
use crate::folder::folder;
use crate::terminal::run_on_a_terminal;
use crate::{Ran, plimsoll, run, run_with_input};

#[test]
fn decisions_on_standard_output_are_nothing_but_decisions() {
    let folder = folder();
    let policies = folder.path().to_str().unwrap();
    let args = ["replay", "-", "--policies", policies, "--policy", "door", "--decisions", "-"];
    let events = requests(&[BEGIN, BEGIN + 1]).join("\n");
    let ran = run_with_input(&args, &events);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let decided: Vec<Json> = lines(&ran.out).collect();
    assert_eq!(decided.len(), 2);
    assert_eq!(
        (&decided[0]["policy"], &decided[0]["decision"]),
        (&json!("door"), &json!("step_up"))
    );
    assert!(ran.err.starts_with("2 events, 2 decisions, 0 refused lines, in "), "{}", ran.err);

    // There is nothing to measure, and what was done is told all the same.
    let left = tempfile::tempdir().unwrap();
    let report = left.path().join("report").display().to_string();
    let ran = run_with_input(&[&args[..6], &["--report", &report]].concat(), &events);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.starts_with("2 events, 2 decisions, "), "{}", ran.out);
    assert!(ran.err.contains("there is no truth in the events, so no report"), "{}", ran.err);
    assert!(!Path::new(&report).exists());
}

/// As `head -1`.
#[test]
fn a_reader_of_decisions_that_has_gone_is_no_error() {
    let folder = folder();
    let policies = folder.path().to_str().unwrap();
    let file = folder.path().join("events.jsonl");
    // More than is written at a time, and a single one.
    for requested in [200, 1] {
        fs::write(&file, requests(&vec![BEGIN; requested]).join("\n")).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let args = ["replay", file.to_str().unwrap(), "--policies", policies, "--policy", "door"];
        let mut command = plimsoll(&[&args[..], &["--decisions", "-"]].concat());
        let ran = Ran::from(command.stdout(writer).stderr(Stdio::piped()).output().unwrap());
        assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    }
}

#[test]
fn what_cant_be_read_or_written_is_named() {
    let folder = folder();
    let policies = folder.path().to_str().unwrap();
    let file = folder.path().join("events.jsonl").display().to_string();
    fs::write(&file, requests(&[BEGIN]).join("\n")).unwrap();
    let geo = folder.path().join("geo.json").display().to_string();
    fs::write(&geo, r#"{"192.0.2.0/33": {"country": "DE"}}"#).unwrap();
    for (args, why) in [
        (&["/nowhere.jsonl"][..], "`/nowhere.jsonl`"),
        (&[&file, "--decisions", "/nowhere/decisions"], "`/nowhere/decisions` can't be written"),
        (&[&file, "--decisions", "/dev/full"], "decisions can't be written"),
        (&[&file, "--geo", "/nowhere.json"], "`/nowhere.json`"),
        (&[&file, "--geo", &geo], "`192.0.2.0/33` is no address or network"),
        (&[&file, "--generate", "/nowhere/events"], "cannot be used with"),
        (&["--generate", "/nowhere/events"], "`/nowhere/events` can't be written"),
        (&[], "<FILE>"),
    ] {
        let common = ["replay", "--policies", policies, "--policy", "door"];
        let ran = run(&[&common[..], args].concat());
        assert_ne!(ran.code, Some(0), "{args:?}");
        assert!(ran.err.contains(why) && !ran.err.contains("panicked"), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_bar_is_shown_on_a_terminal_and_nowhere_else() {
    let folder = folder();
    let policies = folder.path().to_str().unwrap();
    let file = folder.path().join("events.jsonl").display().to_string();
    let event = json!({"at": BEGIN, "report": {"entity": {"type": "user", "id": "u1"}, "signals": {"age_days": 3}}});
    fs::write(&file, format!("{event}\n").repeat(40_000)).unwrap();
    let args = ["replay", &file, "--policies", policies, "--policy", "door"];
    let shown = run_on_a_terminal(plimsoll(&args));
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let (half, whole) = ("#".repeat(20), "#".repeat(40));
    let left = "-".repeat(20);
    assert_eq!(shown.err, format!("\r[{half}{left}] 20000 lines\r[{whole}] 40000 lines\r\x1b[K"),);
    let piped = run(&args);
    assert_eq!((piped.code, &*piped.err), (Some(0), ""));
    for out in [shown.out, piped.out] {
        assert!(out.starts_with("40000 events, 0 decisions, 0 refused lines, in "), "{out}");
        assert!(!out.contains(['\r', '\x1b']), "{out:?}");
    }
}
