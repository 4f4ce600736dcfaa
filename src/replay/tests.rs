use super::*;

mod labels;
mod measures;
mod order;

/// The policies that docs/detection.md measures.
const TAKEOVERS: &str = include_str!("../../examples/takeovers/policies.yaml");
const IDENTITIES: &str = include_str!("../../examples/identities/policies.yaml");
const EXFILTRATION: &str = include_str!("../../examples/exfiltration/policies.yaml");

fn run(scenario: &Scenario, policies: &str, policy: &str) -> (Vec<String>, Measured) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), policies).unwrap();
    let mut world = World::new(folder.path(), policy, 1).unwrap();
    world.set_places(places()).unwrap();
    let mut events = Vec::new();
    generate(scenario, &mut events).unwrap();
    let (mut lines, mut verdicts) = (Vec::new(), Verdicts::default());
    for line in String::from_utf8(events).unwrap().lines() {
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

/// A world of one policy file.
fn world(policies: &str, policy: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), policies).unwrap();
    World::new(folder.path(), policy, 1).unwrap()
}

fn step(world: &mut World, line: &serde_json::Value) -> Option<Decided> {
    world.step(&Event::parse(&line.to_string()).unwrap()).unwrap()
}

#[test]
fn a_replay_is_the_same_to_the_bit_and_tells_takeovers_from_people() {
    let traffic = Traffic::Takeovers;
    let scenario = Scenario { traffic, users: 40, days: 40, attacks: 12, seed: 7 };
    let (lines, measured) = run(&scenario, TAKEOVERS, "session");
    let (again, _) = run(&scenario, TAKEOVERS, "session");
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
fn a_replay_is_the_same_to_the_bit_and_tells_made_up_people_from_real_ones() {
    let traffic = Traffic::Identities;
    let scenario = Scenario { traffic, users: 300, days: 120, attacks: 3, seed: 7 };
    let (lines, measured) = run(&scenario, IDENTITIES, "identities");
    let (again, _) = run(&scenario, IDENTITIES, "identities");
    assert_eq!(lines, again);
    assert!(lines.len() > 3000, "{} decisions", lines.len());
    assert_eq!((measured.episodes, measured.kinds["crude"].stopped), (9, 3));
    assert!(measured.roc_auc > 0.8, "{}", measured.roc_auc);
    assert!(measured.stopped_others < 0.05, "{}", measured.stopped_others);
}

#[test]
fn a_replay_is_the_same_to_the_bit_and_tells_insiders_from_work() {
    let traffic = Traffic::Exfiltration;
    let scenario = Scenario { traffic, users: 36, days: 100, attacks: 3, seed: 8 };
    let (lines, measured) = run(&scenario, EXFILTRATION, "exfiltration");
    let (again, _) = run(&scenario, EXFILTRATION, "exfiltration");
    assert_eq!(lines, again);
    assert!(lines.len() > 3000, "{} decisions", lines.len());
    let sudden = &measured.kinds["sudden"];
    assert!(sudden.stopped == sudden.episodes && sudden.stopped > 0, "{measured:?}");
    assert!(sudden.roc_auc > 0.9, "{}", sudden.roc_auc);
    assert!(measured.stopped_others < 0.05, "{}", measured.stopped_others);
}

#[test]
fn a_made_up_file_is_the_same_for_a_seed_and_in_the_order_of_time() {
    for traffic in [Traffic::Takeovers, Traffic::Identities, Traffic::Exfiltration] {
        let make = |seed| {
            let mut events = Vec::new();
            let scenario = Scenario { traffic, users: 12, days: 90, attacks: 2, seed };
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
}

/// However few people and days there are.
#[test]
fn the_smallest_file_can_be_made() {
    for traffic in [Traffic::Takeovers, Traffic::Identities, Traffic::Exfiltration] {
        for (users, days, attacks) in [(1, 1, 0), (1, 1, 1), (1, 40, 3), (3, 2, 2)] {
            let scenario = Scenario { traffic, users, days, attacks, seed: 1 };
            generate(&scenario, &mut Vec::new()).unwrap();
        }
    }
}

#[test]
fn a_line_that_is_no_event_is_told_and_changes_nothing() {
    for (line, why) in [
        ("{", "EOF"),
        (r#"{"at": 1}"#, "one of `request`, `report`, `label` and `expected`"),
        (r#"{"at": "yesterday", "request": {}}"#, "RFC 3339"),
        (r#"{"at": 1e3, "request": {}}"#, "a whole number of milliseconds"),
        (r#"{"at": -1, "request": {}}"#, "from 1970 to 9999"),
        (r#"{"at": "1969-12-31T23:59:59Z", "request": {}}"#, "from 1970 to 9999"),
        (r#"{"at": 9223372036854775807, "request": {}}"#, "from 1970 to 9999"),
        (r#"{"at": 1, "request": {}, "truth": 7}"#, "`truth` is true, false or the name"),
        (r#"{"at": 1, "requests": {}}"#, "unknown field"),
        (r#"{"at": 1, "request": {"subject": {}}}"#, "`subject.type` is missing"),
        (r#"{"at": 1, "request": {}, "then": [{}]}"#, "missing field `entity`"),
        (
            r#"{"at": 1, "label": {"entity": {"type": "user", "id": "u"}, "label": "bad"}}"#,
            "expected `fraud` or `legitimate`",
        ),
        (
            r#"{"at": 1, "truth": true, "label": {"entity": {"type": "user", "id": "u"}, "label": "fraud"}}"#,
            "`truth` belongs to a `request`",
        ),
    ] {
        let told = Event::parse(line).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
    let mut world = world(TAKEOVERS, "session");
    for (line, why) in [
        (
            r#"{"at": 1, "report": {"entity": {"type": "user", "id": "u"}, "signals": {"x": 1}}}"#,
            "x",
        ),
        (
            r#"{"at": 1, "label": {"entity": {"type": "usr", "id": "u"}, "label": "fraud"}}"#,
            "did you mean `user`?",
        ),
        (
            r#"{"at": 1, "label": {"entity": {"type": "user", "id": "u"}, "label": "fraud", "at": "2026-01-01T00:00:00Z"}}"#,
            "ahead of now",
        ),
    ] {
        let told = world.step(&Event::parse(line).unwrap()).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
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
