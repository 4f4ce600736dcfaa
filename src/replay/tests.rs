use std::path::Path;

use super::*;

/// The policies that docs/detection.md measures.
const POLICIES: &str = include_str!("../../examples/takeovers/policies.yaml");

fn run(seed: u64) -> (Vec<String>, Measured) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), POLICIES).unwrap();
    let mut events = Vec::new();
    let scenario =
        Scenario { traffic: Traffic::Takeovers, users: 40, days: 40, attacks: 12, seed: 7 };
    generate(&scenario, &mut events).unwrap();
    replay(folder.path(), &String::from_utf8(events).unwrap(), seed)
}

fn replay(folder: &Path, events: &str, seed: u64) -> (Vec<String>, Measured) {
    let mut world = World::new(folder, "session", seed).unwrap();
    world.set_places(places()).unwrap();
    let (mut lines, mut verdicts) = (Vec::new(), Verdicts::default());
    for line in events.lines() {
        let event = Event::parse(line).unwrap();
        if let Some(decided) = world.step(&event).unwrap() {
            lines.push(serde_json::to_string(&decided).unwrap());
            if let Within::Request { truth: Some(truth), .. } = &event.within {
                verdicts.add(&decided, truth);
            }
        }
    }
    (lines, verdicts.measure().unwrap())
}

#[test]
fn a_replay_is_the_same_to_the_bit_and_tells_attacks_from_people() {
    let (lines, measured) = run(1);
    let (again, _) = run(1);
    assert_eq!(lines, again);
    assert!(lines.len() > 2000, "{} decisions", lines.len());
    assert!(measured.roc_auc > 0.95, "{}", measured.roc_auc);
    assert_eq!(measured.episodes, 36);
    let naive = &measured.kinds["naive"];
    assert_eq!((naive.episodes, naive.stopped), (12, 12));
    // Chance would be at the share of attacks.
    let share = measured.attacks as f64 / measured.requests as f64;
    assert!(measured.average_precision > 4.0 * share, "{}", measured.average_precision);
}

#[test]
fn a_made_up_file_is_the_same_for_a_seed_and_in_the_order_of_time() {
    let make = |seed| {
        let mut events = Vec::new();
        let scenario =
            Scenario { traffic: Traffic::Takeovers, users: 5, days: 9, attacks: 2, seed };
        let count = generate(&scenario, &mut events).unwrap();
        let text = String::from_utf8(events).unwrap();
        assert_eq!(text.lines().count() as u64, count);
        text
    };
    assert_eq!(make(3), make(3));
    assert_ne!(make(3), make(4));
    let times: Vec<_> = make(3).lines().map(|line| Event::parse(line).unwrap().at).collect();
    assert!(times.is_sorted());
}

/// Each pair of an attack and another request, counted one by one.
#[test]
fn areas_are_those_of_the_definitions() {
    let scored = [
        (0.9, true),
        (0.8, false),
        (0.8, true),
        (0.7, true),
        (0.5, false),
        (0.5, false),
        (0.4, true),
        (0.1, false),
    ];
    let mut verdicts = Verdicts::default();
    for (risk, attack) in scored {
        let decided = Decided {
            at: 0,
            subject: String::new(),
            policy: String::new(),
            decision: "allow",
            score: risk,
            level: String::new(),
            confidence: 1.0,
            reasons: Vec::new(),
            risk,
        };
        verdicts.add(&decided, &Truth::Attack(attack));
    }
    let measured = verdicts.measure().unwrap();
    let mut wins = 0.0;
    for (attack, _) in scored.iter().filter(|(_, attack)| *attack) {
        for (other, _) in scored.iter().filter(|(_, attack)| !*attack) {
            wins += if attack > other {
                1.0
            } else if attack == other {
                0.5
            } else {
                0.0
            };
        }
    }
    assert!((measured.roc_auc - wins / 16.0).abs() < 1e-12);
    let average = (1.0 + 2.0 / 3.0 + 3.0 / 4.0 + 4.0 / 7.0) / 4.0;
    assert!((measured.average_precision - average).abs() < 1e-12, "{measured:?}");
    let half = measured.detections[0];
    assert_eq!((half.detected, half.risk, half.reauthenticated), (0.5, 0.8, 0.25));
}

#[test]
fn a_line_that_is_no_event_is_told_and_changes_nothing() {
    for (line, why) in [
        ("{", "EOF"),
        (r#"{"at": 1}"#, "one of `request`, `report` and `expected`"),
        (r#"{"at": "yesterday", "request": {}}"#, "RFC 3339"),
        (r#"{"at": 1, "requests": {}}"#, "unknown field"),
    ] {
        let told = Event::parse(line).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), POLICIES).unwrap();
    let mut world = World::new(folder.path(), "session", 1).unwrap();
    let step = |world: &mut World, line: &str| world.step(&Event::parse(line).unwrap());
    let told = step(&mut world, r#"{"at": 1, "request": {"subject": {}}}"#).unwrap_err();
    assert!(told.contains("subject.type"), "{told}");
    let report =
        r#"{"at": 1, "report": {"entity": {"type": "user", "id": "u"}, "signals": {"x": 1}}}"#;
    assert!(step(&mut world, report).unwrap_err().contains('x'));
}

const ANNOUNCED: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
signals: {user.new_country: {type: bool}}
expected: {travel: {entity: user, at_most: 30d}}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  factors: {new_country: {value: user.new_country}}
  expected: {travel: {soften: [new_country], by: 0.8}}
levels: {all: {from: 0}}
"#;

/// With the file's time: the window is in force from its beginning to its end, and not a
/// millisecond longer.
#[test]
fn what_is_announced_in_a_file_softens_by_the_files_time() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), ANNOUNCED).unwrap();
    let mut world = World::new(folder.path(), "session", 1).unwrap();
    let mut scores = Vec::new();
    let request = r#""request": {"subject": {"type": "user", "id": "u"}, "action": {"name": "a"}, "resource": {"type": "r", "id": "r"}}"#;
    let entity = r#""entity": {"type": "user", "id": "u"}"#;
    for line in [
        format!(r#"{{"at": 1000, "report": {{{entity}, "signals": {{"new_country": true}}}}}}"#),
        format!(r#"{{"at": 1000, {request}}}"#),
        format!(
            r#"{{"at": 1000, "expected": {{{entity}, "id": "t", "change": "travel", "from": 2000, "until": "1970-01-01T00:01:00Z"}}}}"#
        ),
        format!(r#"{{"at": 1999, {request}}}"#),
        format!(r#"{{"at": 2000, {request}}}"#),
        format!(r#"{{"at": 59999, {request}}}"#),
        format!(r#"{{"at": 60000, {request}}}"#),
    ] {
        let decided = world.step(&Event::parse(&line).unwrap()).unwrap();
        scores.extend(decided.map(|decided| decided.score));
    }
    assert_eq!(scores, [100.0, 100.0, 20.0, 20.0, 100.0]);
    let late = format!(
        r#"{{"at": 61000, "expected": {{{entity}, "id": "t", "change": "travel", "until": 60500}}}}"#
    );
    let why = world.step(&Event::parse(&late).unwrap()).unwrap_err();
    assert!(why.starts_with("`until`: "), "{why}");
    for bad in [
        format!(r#"{{"at": 1, "expected": {{{entity}, "id": "t", "change": "travel"}}}}"#),
        format!(
            r#"{{"at": 1, "expected": {{{entity}, "id": "t", "change": "travel", "until": "soon"}}}}"#
        ),
        format!(
            r#"{{"at": 1, {request}, "expected": {{{entity}, "id": "t", "change": "travel", "until": 9}}}}"#
        ),
    ] {
        Event::parse(&bad).unwrap_err();
    }
}
