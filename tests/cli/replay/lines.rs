//! Lines that are no events, and lines that are out of order.

use std::fs;

use serde_json::{Value as Json, json};

use super::{BEGIN, DAY, TRAFFIC, generate, lines, replay, replay_into, report, requests};
use crate::folder::folder;
use crate::run_with_input;

/// What is read is not written over, by whatever name.
#[test]
fn decisions_do_not_go_into_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let events = generate(&folder, "events.jsonl", "takeovers", TRAFFIC[0].2);
    let geo = format!("{events}.geo.json");
    let link = format!("{events}.link");
    std::os::unix::fs::symlink(&events, &link).unwrap();
    for into in [&events, &link, &geo] {
        let before = fs::read(into).unwrap();
        let ran = replay(&events, "session", &["--decisions", into]);
        let told = format!(
            "error: `--decisions {into}` would write over what is read: name another file\n"
        );
        assert_eq!((ran.code, ran.err), (Some(1), told));
        assert_eq!(fs::read(into).unwrap(), before);
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
    let (decisions, measured) = (at("decisions.jsonl"), at("report"));
    let args = ["replay", "-", "--policies", policies, "--policy", "door"];
    let more = ["--decisions", &decisions, "--report", &measured];
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
    let lines_told = &report(left.path())["lines"];
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
