//! `plimsoll replay`: what it reads, writes, tells and shows.

mod svg;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use self::svg::Svg;
use crate::folder::folder;
use crate::terminal::run_on_a_terminal;
use crate::{Ran, plimsoll, run, run_with_input};

const DAY: i64 = 86_400_000;
const BEGIN: i64 = 20_000 * DAY;

/// Small, and with attacks of each kind that can be.
const TRAFFIC: [(&str, &str, &[&str]); 3] = [
    ("takeovers", "session", &["--users", "20", "--days", "20", "--attacks", "2"]),
    ("identities", "identities", &["--users", "30", "--days", "30", "--attacks", "2"]),
    ("exfiltration", "exfiltration", &["--users", "12", "--days", "66", "--attacks", "2"]),
];

/// What a replay leaves behind.
const LEFT: [&str; 4] =
    ["decisions.jsonl", "report/report.json", "report/roc.svg", "report/precision-recall.svg"];

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

/// Files, decisions, reports and plots are those of another process, to the last byte; and
/// the plots draw what the report says.
#[test]
fn another_process_comes_to_the_same_bytes() {
    for (traffic, policy, size) in TRAFFIC {
        let folder = tempfile::tempdir().unwrap();
        let events = generate(&folder, "events.jsonl", traffic, size);
        let again = generate(&folder, "again.jsonl", traffic, size);
        assert!(fs::read(&events).unwrap() == fs::read(&again).unwrap(), "{traffic}");
        let other = generate(&folder, "other.jsonl", traffic, &[size, &["--seed", "2"]].concat());
        assert!(fs::read(&events).unwrap() != fs::read(other).unwrap(), "{traffic}: the seed");

        let folders = [folder.path().join("first"), folder.path().join("second")];
        let [first, second] = &folders;
        let told = folders.each_ref().map(|folder| replay_into(folder, &events, policy));
        for ran in &told {
            assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{traffic}: {}", ran.out);
        }
        for left in LEFT {
            let (first, second) = (fs::read(first.join(left)), fs::read(second.join(left)));
            assert!(first.unwrap() == second.unwrap(), "{traffic}: {left}");
        }

        let made = fs::read_to_string(&events).unwrap();
        let all = made.lines().count();
        let text = fs::read_to_string(first.join("decisions.jsonl")).unwrap();
        let decided: Vec<Json> = lines(&text).collect();
        let mut asked = lines(&made).filter(|event| event.get("request").is_some());
        let mut known = 0;
        for decided in &decided {
            let event = asked.next().unwrap();
            assert_eq!(event["at"], decided["at"]);
            assert_eq!(event["request"]["subject"]["id"], decided["subject"]);
            known += usize::from(event.get("truth").is_some());
        }
        assert!(asked.next().is_none(), "{traffic}: each request is decided");

        let report = report(first);
        let none = json!({"lines": 0, "first": null, "most_seconds": 0.0});
        assert_eq!(
            report["lines"],
            json!({"events": all, "decisions": decided.len(), "refused": 0, "late": none, "ahead": none}),
        );
        assert_eq!(report["requests"], known);
        assert!(told[0].out.starts_with(&format!(
            "{all} events, {} decisions, 0 refused lines, in ",
            decided.len()
        )));
        let plots = ["roc", "precision-recall"]
            .map(|name| Svg::read(&first.join(format!("report/{name}.svg"))));
        check_plots(&report, &plots);
    }
}

fn check_plots(report: &Json, [roc, recall]: &[Svg; 2]) {
    let kinds = report["kinds"].as_object().unwrap();
    let areas = || kinds.values().chain([report]).map(|of| of["roc_auc"].as_f64().unwrap());
    assert!(!kinds.is_empty());
    for plot in [roc, recall] {
        assert_eq!(plot.curves.len(), kinds.len() + 1, "a line for all, and one a kind");
        for name in kinds.keys().map(|name| &**name).chain(["all"]) {
            assert!(plot.texts.iter().any(|text| text == name), "{name}: {:?}", plot.texts);
        }
        for curve in &plot.curves {
            assert!(curve.len() > 1, "a curve has points");
            let drawn =
                |&(x, y): &(f64, f64)| (0.0..640.0).contains(&x) && (0.0..480.0).contains(&y);
            assert!(curve.iter().all(drawn), "{curve:?}");
            assert!(curve.is_sorted_by_key(|(x, _)| *x), "to the right: {curve:?}");
        }
    }
    let title = format!("ROC, area {:.4}", report["roc_auc"].as_f64().unwrap());
    assert!(roc.texts.contains(&title), "{:?}", roc.texts);
    // From corner to corner, with the area that the report tells, but for what rounding to
    // pixels takes.
    let mut drawn: Vec<f64> = roc.curves.iter().map(|curve| svg::area_below(curve)).collect();
    let mut told: Vec<f64> = areas().collect();
    drawn.sort_by(f64::total_cmp);
    told.sort_by(f64::total_cmp);
    for (drawn, told) in drawn.iter().zip(told) {
        assert!((drawn - told).abs() < 0.01, "drawn {drawn}, told {told}");
    }
}

/// What stands in a name stays a name.
#[test]
fn a_kind_may_have_any_name() {
    let (folder, left) = (folder(), tempfile::tempdir().unwrap());
    let mut events = requests(&[BEGIN, BEGIN]);
    for (event, truth) in events.iter_mut().zip([json!(false), json!("<a href=\"&\">-1")]) {
        let mut told: Json = serde_json::from_str(event).unwrap();
        told["truth"] = truth;
        *event = told.to_string();
    }
    let report = left.path().display().to_string();
    let policies = folder.path().to_str().unwrap();
    let args = ["replay", "-", "--policies", policies, "--policy", "door", "--report", &report];
    let ran = run_with_input(&args, &events.join("\n"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for name in ["roc.svg", "precision-recall.svg"] {
        let svg = Svg::read(&left.path().join(name));
        assert!(svg.texts.iter().any(|text| text == "<a href=\"&\">"), "{:?}", svg.texts);
    }
}

/// Bad lines are told by number and refused; all else is decided as without them.
#[test]
fn a_bad_line_is_refused_and_all_else_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let events = generate(&folder, "events.jsonl", "takeovers", TRAFFIC[0].2);
    let text = fs::read(&events).unwrap();
    let mut good = text.split_inclusive(|byte| *byte == b'\n');
    let unknown = |at: &Json| json!({"at": at, "report": {"entity": {"type": "user", "id": "u"}, "signals": {"x": 1}}});
    let (mut bad, mut at) = (Vec::new(), Json::Null);
    for line in 1..=8 {
        let long = vec![b' '; 9 << 20];
        match line {
            2 => bad.extend_from_slice(b"{\"at\": 1, \"request\": {\n"),
            4 => bad.extend_from_slice(b"{\"at\": \"\xff\"}\n"),
            5 => bad.extend_from_slice(format!("{}\n", unknown(&at)).as_bytes()),
            7 => bad.extend_from_slice(&[&long, &b"\n"[..]].concat()),
            // No event, and not refused.
            8 => bad.extend_from_slice(b" \n"),
            _ => {
                let line = good.next().unwrap();
                at = serde_json::from_slice::<Json>(line).unwrap()["at"].clone();
                bad.extend_from_slice(line);
            }
        }
    }
    good.for_each(|line| bad.extend_from_slice(line));
    let folders = [folder.path().join("good"), folder.path().join("bad")];
    let without = replay_into(&folders[0], &events, "session");
    assert_eq!(without.code, Some(0), "{}", without.err);
    fs::write(&events, bad).unwrap();
    let ran = replay_into(&folders[1], &events, "session");
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    let told: Vec<&str> = ran.err.lines().collect();
    let expected = [
        "line 2: not JSON of an event: ",
        "line 4: is not UTF-8",
        "line 5: ",
        "line 7: is longer than 8 MiB",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
    assert!(
        told[2].contains('x') && ran.out.contains(" 4 refused lines, "),
        "{told:?} {}",
        ran.out
    );
    assert_eq!(report(&folders[1])["lines"]["refused"], 4);
    let [good, bad] = folders.map(|folder| fs::read(folder.join("decisions.jsonl")).unwrap());
    assert!(good == bad, "what is decided doesn't depend on what is refused");

    // A file of nothing else doesn't fill the screen.
    let ran =
        run_with_input(&["replay", "-", "--policies", "examples/takeovers"], &"{\n".repeat(50));
    assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 10), "{}", ran.err);
    assert!(ran.out.contains("50 events, 0 decisions, 50 refused lines, "), "{}", ran.out);
}

/// Time doesn't go back, and a line that is years ahead takes all others along: neither
/// goes without a word.
#[test]
fn lines_that_are_late_or_far_ahead_are_told() {
    let (folder, left) = (folder(), tempfile::tempdir().unwrap());
    let times = [0, 30, 29, 3650, 31, 32].map(|day| BEGIN + day * DAY);
    let mut events = requests(&times);
    events.insert(1, String::new());
    events[0].insert_str(1, "\"truth\": true, ");
    events[2].insert_str(1, "\"truth\": false, ");
    let policies = folder.path().to_str().unwrap();
    let at = |name: &str| left.path().join(name).display().to_string();
    let (decisions, report) = (at("decisions.jsonl"), at("report"));
    let args = ["replay", "-", "--policies", policies, "--policy", "door"];
    let more = ["--decisions", &decisions, "--report", &report];
    let ran = run_with_input(&[&args[..], &more].concat(), &events.join("\n"));
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    let odd: Vec<&str> = ran.out.lines().skip(1).take(2).collect();
    assert_eq!(
        odd,
        [
            "1 line is more than 30 days ahead of all before: the first is line 5, the worst 3620.0 d ahead",
            "3 lines are earlier than one before, and happen when that did: the first is line 4, the worst 3619.0 d behind",
        ]
    );
    let lines_told = &self::report(left.path())["lines"];
    assert_eq!(
        lines_told["ahead"],
        json!({"lines": 1, "first": 5, "most_seconds": 3620.0 * 86_400.0})
    );
    assert_eq!(
        lines_told["late"],
        json!({"lines": 3, "first": 4, "most_seconds": 3619.0 * 86_400.0})
    );
    let decided = fs::read_to_string(decisions).unwrap();
    let decided: Vec<i64> = lines(&decided).map(|line| line["at"].as_i64().unwrap()).collect();
    assert_eq!(decided, [0, 30, 30, 3650, 3650, 3650].map(|day| BEGIN + day * DAY));
}

/// The one thing that a replay has from elsewhere: of what age a list is.
#[test]
fn the_time_of_a_lists_file_is_part_of_what_it_says() {
    let folder = folder();
    let change = |file: &str, from: &str, to: &str| {
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replace(from, to)).unwrap();
    };
    change("catalog.yaml", "path: odd.txt}", "path: odd.txt, half_life: 10d}");
    change(
        "door.yaml",
        "managed: {value: device.managed,",
        "managed: {value: user.country in lists.odd_countries,",
    );
    let policies = folder.path().to_str().unwrap();
    let report = json!({"at": BEGIN, "report": {"entity": {"type": "user", "id": "u1"}, "signals": {"country": "QQ", "age_days": 1, "sign_ins": 1}}});
    let events = format!("{report}\n{}", requests(&[BEGIN])[0]);
    let args = ["replay", "-", "--policies", policies, "--policy", "door", "--decisions", "-"];
    let confidence = |days: i64| {
        let written = UNIX_EPOCH + Duration::from_millis((BEGIN - days * DAY).unsigned_abs());
        let list = fs::File::options().write(true).open(folder.path().join("odd.txt")).unwrap();
        list.set_modified(written).unwrap();
        let ran = run_with_input(&args, &events);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        lines(&ran.out).next().unwrap()["confidence"].as_f64().unwrap()
    };
    let (now, ten, twenty) = (confidence(0), confidence(10), confidence(20));
    // What the list is asked for is 40 % of the policy.
    assert_eq!((now, confidence(10)), (1.0, ten));
    assert!((ten - 0.8).abs() < 1e-9 && (twenty - 0.7).abs() < 1e-9, "{ten} {twenty}");
}

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
