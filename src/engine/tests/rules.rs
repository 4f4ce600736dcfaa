//! The meaning of rules, as a table.

use super::{Asked, NOW, policy};
use crate::engine::{DecidedBy, Matched, Snapshot};
use crate::model::{Decision, PackedSet, Timestamp, Value};

/// A policy with the score `user.a` (0 to 1, trust) and the given rest.
fn rules(rest: &str) -> Snapshot {
    policy(&format!(
        "score:\n  range: [0, 1]\n  direction: trust\n  missing: worst\n  factors:\n    a: {{value: user.a}}\nlevels: {{low: {{from: 0}}, high: {{from: 0.5}}}}\n{rest}"
    ))
}

fn decision(rest: &str, slots: &[(&str, Value<'_>)]) -> (Decision, String) {
    let snapshot = rules(rest);
    // The snapshot must outlive what borrows from it.
    let mut asked = Asked::of(&snapshot, slots);
    let outcome = asked.outcome();
    let by = match outcome.decided_by {
        DecidedBy::Rule(at) => snapshot.policies[0].rules[at].name.to_string(),
        DecidedBy::Default => "default".to_owned(),
        DecidedBy::MinConfidence => "min_confidence".to_owned(),
    };
    (outcome.decision.unwrap(), by)
}

const A: (&str, Value<'static>) = ("user.a", Value::Number(0.7));
const B: (&str, Value<'static>) = ("user.b", Value::Number(1.0));

#[test]
fn a_table_of_rules() {
    let yes = "'score >= 0'";
    let no = "'score < 0 + 0 * user.a'";
    let unknown = "'user.e > 0'";
    for (name, rest, expected) in [
        ("no rule matches: default denies", "rules: []".to_owned(), ("deny", "default")),
        ("a default of its own", "default: {decision: allow}".to_owned(), ("allow", "default")),
        (
            "the strictest decides, whatever the order",
            format!(
                "rules:\n  - {{name: d, when: {yes}, decision: deny}}\n  - {{name: a, when: {yes}, decision: allow}}\n  - {{name: s, when: {yes}, decision: step_up, acr: x}}"
            ),
            ("deny", "d"),
        ),
        (
            "allow and step_up: step_up",
            format!(
                "rules:\n  - {{name: a, when: {yes}, decision: allow}}\n  - {{name: s, when: {yes}, decision: step_up, acr: x}}"
            ),
            ("step_up", "s"),
        ),
        (
            "a rule that does not match has no say",
            format!(
                "rules:\n  - {{name: a, when: {yes}, decision: allow}}\n  - {{name: d, when: {no}, unknown: skip, decision: deny}}"
            ),
            ("allow", "a"),
        ),
        (
            "without an allow, default decides with the strictest of the rest",
            format!("rules:\n  - {{name: s, when: {yes}, decision: step_up, acr: x}}"),
            ("deny", "default"),
        ),
        (
            "an exemption alone decides",
            format!(
                "rules:\n  - {{name: d, when: {yes}, decision: deny}}\n  - {{name: e, when: {yes}, decision: allow, exempt: true}}"
            ),
            ("allow", "e"),
        ),
        (
            "an unknown exemption opens nothing",
            format!(
                "rules:\n  - {{name: d, when: {yes}, decision: deny}}\n  - {{name: e, when: {unknown}, decision: allow, exempt: true}}"
            ),
            ("deny", "d"),
        ),
        (
            "an unknown allow opens nothing",
            format!("rules:\n  - {{name: a, when: {unknown}, decision: allow}}"),
            ("deny", "default"),
        ),
        (
            "an unknown allow opens where the author says so",
            format!("rules:\n  - {{name: a, when: {unknown}, decision: allow, unknown: match}}"),
            ("allow", "a"),
        ),
        (
            "an unknown deny denies",
            format!(
                "rules:\n  - {{name: a, when: {yes}, decision: allow}}\n  - {{name: d, when: {unknown}, decision: deny}}"
            ),
            ("deny", "d"),
        ),
        (
            "an unknown deny is skipped where the author says so",
            format!(
                "rules:\n  - {{name: a, when: {yes}, decision: allow}}\n  - {{name: d, when: {unknown}, decision: deny, unknown: skip}}"
            ),
            ("allow", "a"),
        ),
        (
            "what is false whatever is unknown is false",
            format!(
                "rules:\n  - {{name: a, when: {yes}, decision: allow}}\n  - {{name: d, when: 'user.e > 0 && score < 0.5', decision: deny}}"
            ),
            ("allow", "a"),
        ),
        (
            "what is true whatever is unknown is true",
            "rules:\n  - {name: a, when: 'user.e > 0 || score > 0.5', decision: allow}".to_owned(),
            ("allow", "a"),
        ),
        (
            "known() asks",
            "rules:\n  - {name: a, when: '!known(user.e) && known(user.a)', decision: allow}"
                .to_owned(),
            ("allow", "a"),
        ),
        (
            "a shadow rule decides nothing",
            format!(
                "rules:\n  - {{name: a, when: {yes}, decision: allow}}\n  - {{name: d, when: {yes}, decision: deny, mode: shadow}}"
            ),
            ("allow", "a"),
        ),
        (
            "too little confidence",
            format!(
                "rules:\n  - {{name: a, when: {yes}, decision: allow}}\nmin_confidence: {{value: 1, decision: step_up, acr: x}}"
            ),
            ("allow", "a"),
        ),
    ] {
        let (decision, by) = decision(&rest, &[A, B]);
        assert_eq!((decision.name(), by.as_str()), expected, "{name}");
    }
}

#[test]
fn too_little_confidence_decides_unless_a_rule_ignores_it() {
    let unknown = &[B];
    let with = |extra: &str| {
        format!(
            "rules:\n  - {{name: a, when: 'score >= 0', decision: allow{extra}}}\nmin_confidence: {{value: 0.4, decision: step_up, acr: x}}"
        )
    };
    assert_eq!(decision(&with(""), unknown).1, "min_confidence");
    assert_eq!(decision(&with(", ignore_confidence: true"), unknown).1, "a");
    // An exemption alone decides: break-glass is for when little is known.
    assert_eq!(decision(&with(", exempt: true"), unknown).0, Decision::Allow);
    assert_eq!(decision(&with(""), &[A]).1, "a");
}

#[test]
fn restrict_is_deny_for_callers_that_do_not_enforce() {
    let snapshot =
        rules("rules:\n  - {name: r, when: 'score >= 0', decision: restrict, limits: [read_only]}");
    let mut asked = Asked::of(&snapshot, &[A]);
    let outcome = asked.outcome();
    assert_eq!(outcome.decision, Some(Decision::Deny));
    assert!(outcome.limits_not_enforced);
    let mut asked = Asked::of(&snapshot, &[A]).enforcing();
    let outcome = asked.outcome();
    assert_eq!(outcome.decision, Some(Decision::Restrict));
    assert!(!outcome.limits_not_enforced);
    let chosen = outcome.chosen(&snapshot.policies[0]).unwrap();
    assert_eq!(chosen.limits[0].as_ref(), "read_only");
}

#[test]
fn a_step_up_is_asked_until_the_session_meets_it() {
    let snapshot = rules(
        "rules:\n  - {name: a, when: 'score >= 0', decision: allow}\n  - {name: s, when: 'score < 0.9', decision: step_up, acr: [phr, phrh], amr: [hwk], max_age: 10m}",
    );
    let ago =
        |minutes: i64| Value::Timestamp(Timestamp::from_millis(NOW.millis() - minutes * 60_000));
    let hwk = PackedSet::pack(["hwk", "pin"]);
    let hwk = Value::Set(PackedSet::from_packed(&hwk));
    let sms = PackedSet::pack(["sms"]);
    let sms = Value::Set(PackedSet::from_packed(&sms));
    for (acr, amr, age, met) in [
        (Value::Text("phr"), hwk, ago(1), true),
        (Value::Text("phrh"), hwk, ago(10), true),
        (Value::Text("pwd"), hwk, ago(1), false),
        (Value::Text("phr"), sms, ago(1), false),
        (Value::Text("phr"), hwk, ago(11), false),
        (Value::Text("phr"), hwk, ago(-60), false),
        (Value::Missing, hwk, ago(1), false),
        (Value::Text("phr"), Value::Missing, ago(1), false),
        (Value::Text("phr"), hwk, Value::Missing, false),
    ] {
        let slots =
            [A, ("session.acr", acr), ("session.amr", amr), ("session.authenticated_at", age)];
        let mut asked = Asked::of(&snapshot, &slots);
        let outcome = asked.outcome();
        let expected = if met { Decision::Allow } else { Decision::StepUp };
        assert_eq!(outcome.decision, Some(expected), "{acr:?} {amr:?} {age:?}");
        let matched = if met { Matched::Satisfied } else { Matched::Yes };
        assert_eq!(outcome.rules[1].matched, matched);
    }
}

#[test]
fn obligations_of_all_matching_rules_are_merged() {
    let snapshot = rules(concat!(
        "rules:\n",
        "  - {name: a, when: 'score >= 0', decision: allow, incident: {severity: low}}\n",
        "  - {name: o, when: 'score >= 0', review: true, incident: {severity: high}}\n",
        "  - {name: u, when: 'user.e > 0', revoke_session: true}\n",
        "  - {name: s, when: 'score >= 0', decision: deny, mode: shadow, revoke_session: true}\n",
    ));
    let mut asked = Asked::of(&snapshot, &[A]);
    let outcome = asked.outcome();
    assert!(outcome.review);
    assert!(!outcome.revoke_session, "neither the unknown nor the shadow rule obliges");
    assert_eq!(outcome.incident.unwrap().severity.name(), "high");
    assert_eq!(outcome.shadow_decision, Some(Decision::Deny));
}

#[test]
fn an_exemption_keeps_the_obligations_of_what_it_overrules_away() {
    let snapshot = rules(concat!(
        "rules:\n",
        "  - {name: d, when: 'score >= 0', decision: deny, revoke_session: true}\n",
        "  - {name: e, when: 'score >= 0', decision: allow, exempt: true, incident: {severity: low}}\n",
        "  - {name: o, when: 'score >= 0', review: true}\n",
    ));
    let mut asked = Asked::of(&snapshot, &[A]);
    let outcome = asked.outcome();
    assert_eq!(outcome.decision, Some(Decision::Allow));
    assert!(!outcome.revoke_session);
    assert!(outcome.review && outcome.incident.is_some());
}

#[test]
fn a_default_step_up_that_is_met_lets_pass() {
    let rest = "default: {decision: step_up, acr: phr}";
    assert_eq!(decision(rest, &[A]).0, Decision::StepUp);
    let snapshot = rules(rest);
    let mut asked = Asked::of(&snapshot, &[A, ("session.acr", Value::Text("phr"))]);
    assert_eq!(asked.outcome().decision, Some(Decision::Allow));
}

#[test]
fn what_never_happened_is_known() {
    let rest = "rules:\n  - {name: a, when: 'days_since(user.ported_at) > 30', unknown: skip, decision: allow}";
    assert_eq!(decision(rest, &[A]).0, Decision::Deny);
    assert_eq!(decision(rest, &[A, ("user.ported_at", Value::None)]).0, Decision::Allow);
    let rest =
        "rules:\n  - {name: a, when: 'user.ported_at == null', unknown: skip, decision: allow}";
    assert_eq!(decision(rest, &[A, ("user.ported_at", Value::None)]).0, Decision::Allow);
    assert_eq!(decision(rest, &[A, ("user.ported_at", Value::Timestamp(NOW))]).0, Decision::Deny);
    let rest =
        "rules:\n  - {name: a, when: 'user.role != \"admin\"', unknown: skip, decision: allow}";
    assert_eq!(decision(rest, &[A, ("user.role", Value::None)]).0, Decision::Deny);
}

#[test]
fn levels_follow_trust_in_both_directions() {
    for (direction, a, worse) in
        [("trust", 0.2, true), ("trust", 0.7, false), ("risk", 0.2, false), ("risk", 0.7, true)]
    {
        let snapshot = policy(&format!(
            "score:\n  range: [0, 1]\n  direction: {direction}\n  missing: worst\n  factors:\n    a: {{value: user.a}}\nlevels: {{one: {{from: 0}}, two: {{from: 0.5}}, three: {{from: 0.9}}}}\nrules:\n  - {{name: bad, when: 'at_or_worse(\"{}\")', decision: allow}}",
            if direction == "trust" { "one" } else { "two" },
        ));
        let mut asked = Asked::of(&snapshot, &[("user.a", Value::Number(a))]);
        let expected = if worse { Decision::Allow } else { Decision::Deny };
        assert_eq!(asked.outcome().decision, Some(expected), "{direction} {a}");
    }
}
