//! The same events and the same policies come to the same, and what is drawn is what was
//! measured.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::svg::{Svg, area_below};
use super::{BEGIN, DAY, TRAFFIC, generate, lines, replay_into, report, requests};
use crate::folder::folder;
use crate::run_with_input;

/// What a replay leaves behind.
const LEFT: [&str; 4] =
    ["decisions.jsonl", "report/report.json", "report/roc.svg", "report/precision-recall.svg"];

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
    let mut drawn: Vec<f64> = roc.curves.iter().map(|curve| area_below(curve)).collect();
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
