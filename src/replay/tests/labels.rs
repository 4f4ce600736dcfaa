//! Labels, and reports that depend on an answer: learned at their time, as in a server.

use serde_json::{Value as Json, json};

use super::{step, world};

const DAY: i64 = 86_400_000;
/// 2026-01-05T00:00:00Z
const START: i64 = 1_767_571_200_000;

const CATALOG: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {}, device: {}}
signals:
  user.phone: {type: string}
  user.place: {type: string, learn: {familiar: {keep: 4, forget_after: 90d}, delay: 5d}}
  user.amount: {type: event}
links:
  user.phone: {}
  device.id: {of: user}
context: {place: string}
"#;

/// Policies of one factor each; where it is missing, the score is 0 or the one given.
fn policies() -> String {
    let policy = |name: &str, missing: f64, factor: &str| {
        format!(
            r#"
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {{name: {name}}}
score:
  range: [0, 100]
  direction: risk
  missing: {missing}
  prior: {}
  factors: {{{name}: {{{factor}}}}}
levels: {{all: {{from: 0}}}}
rules: [{{name: all, when: 'action.name == "ask"', decision: allow}}]
"#,
            missing * 100.0
        )
    };
    [
        CATALOG.to_owned(),
        policy(
            "near",
            0.0,
            "value: 'linked_to_flagged(user, 4)', curve: {linear: {from: 4, to: 0}}",
        ),
        policy("rate", 0.0, r#"value: 'flag_rate(device, "30d", "10d")'"#),
        policy(
            "place",
            0.5,
            "value: 'familiar(user.place, context.place)', curve: {bool: {true: 0, false: 1}}",
        ),
        policy("total", 0.0, r#"value: 'sum(user.amount, "7d")', curve: {linear: {to: 100}}"#),
    ]
    .concat()
}

fn report(at: i64, user: &str, signals: &Json) -> Json {
    let at = START + at;
    json!({"at": at, "report": {"entity": {"type": "user", "id": user}, "signals": signals}})
}

fn label(at: i64, user: &str, label: &str, about: i64) -> Json {
    let at = START + at;
    let about = jiff::Timestamp::from_millisecond(START + about).unwrap().to_string();
    json!({"at": at, "label": {"entity": {"type": "user", "id": user}, "label": label, "at": about}})
}

fn ask(at: i64, user: &str, action: &str) -> Json {
    let context = json!({"entities": {"device": "d1"}, "place": "home"});
    let request = json!({"subject": {"type": "user", "id": user}, "action": {"name": action},
        "resource": {"type": "thing", "id": "t"}, "context": context});
    json!({"at": START + at, "request": request})
}

/// Fraud is next door from the moment at which somebody said so, not from when it happened.
#[test]
fn a_label_counts_from_when_it_comes() {
    let mut world = world(&policies(), "near");
    for user in ["ann", "bob"] {
        step(&mut world, &report(DAY, user, &json!({"phone": "555"})));
    }
    let score = |world: &mut _, at| step(world, &ask(at, "bob", "ask")).unwrap().score;
    assert_eq!(score(&mut world, 2 * DAY), 0.0);
    step(&mut world, &label(20 * DAY, "ann", "fraud", DAY));
    assert_eq!(score(&mut world, 20 * DAY + 1000), 75.0);
    // Taken back: an event as late as the first, and the last word.
    step(&mut world, &label(21 * DAY, "ann", "legitimate", DAY));
    assert_eq!(score(&mut world, 21 * DAY + 1000), 0.0);
}

/// `flag_rate(device, "30d", "10d")`: by when it happened, and only what is known by now.
#[test]
fn a_share_of_fraud_is_of_events_older_than_the_delay() {
    let mut world = world(&policies(), "rate");
    for user in ["ann", "bob"] {
        step(&mut world, &ask(DAY, user, "ask"));
    }
    let rate = |world: &mut _, at| step(world, &ask(at, "cid", "ask")).unwrap().score / 100.0;
    assert_eq!(rate(&mut world, 19 * DAY), 0.0);
    step(&mut world, &label(20 * DAY, "ann", "fraud", 15 * DAY));
    // Known of, but not old enough to count: the share of all labels alone, 2 of 101.
    let share = 2.0 / 101.0;
    assert!((rate(&mut world, 21 * DAY) - share).abs() < 1e-6);
    // One of fraud, and four that are like all.
    let one = (1.0 + 4.0 * share) / 5.0;
    assert!((rate(&mut world, 26 * DAY) - one).abs() < 1e-6);
    // Too old.
    assert!((rate(&mut world, 50 * DAY) - share).abs() < 1e-6);
}

/// `learn: {delay: 5d}`: what waits is dropped where the label comes first.
#[test]
fn what_waits_is_not_learned_of_who_was_labelled() {
    let mut world = world(&policies(), "place");
    for user in ["ann", "bob"] {
        step(&mut world, &report(DAY, user, &json!({"place": "home"})));
    }
    step(&mut world, &label(3 * DAY, "bob", "fraud", 2 * DAY));
    let score = |world: &mut _, at, user| step(world, &ask(at, user, "ask")).unwrap().score;
    assert_eq!(score(&mut world, 4 * DAY, "ann"), 50.0);
    assert_eq!(score(&mut world, 7 * DAY, "ann"), 0.0);
    assert_eq!(score(&mut world, 7 * DAY, "bob"), 50.0);
}

/// What was refused did not happen.
#[test]
fn what_follows_from_a_request_is_reported_once_it_is_let_through() {
    let mut world = world(&policies(), "total");
    let then = json!([{"entity": {"type": "user", "id": "ann"}, "signals": {"amount": 40}}]);
    for (at, action, score) in
        [(1, "ask", 0.0), (2, "take", 40.0), (3, "ask", 40.0), (4, "ask", 80.0)]
    {
        let mut line = ask(at * 1000, "ann", action);
        line["then"] = then.clone();
        let decided = step(&mut world, &line).unwrap();
        assert_eq!(decided.decision == "allow", action == "ask");
        assert_eq!(decided.score, score, "{action} at {at}");
    }
}

/// A report that comes late counts where it belongs.
#[test]
fn a_report_says_when_it_was_observed() {
    let mut world = world(&policies(), "total");
    let mut late = report(10 * DAY, "ann", &json!({"amount": 30}));
    late["report"]["observed_at"] = json!(START + 4 * DAY);
    step(&mut world, &late);
    let score = |world: &mut _, at| step(world, &ask(at, "ann", "ask")).unwrap().score;
    assert_eq!(score(&mut world, 10 * DAY + 1000), 30.0);
    assert_eq!(score(&mut world, 11 * DAY + 4 * 3_600_000), 0.0);
}
