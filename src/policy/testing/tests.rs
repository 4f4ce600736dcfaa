//! Policy tests pass where they should, and say what differs where they should not.

use super::{read, run};
use crate::model::Vocabulary;
use crate::policy::compile::compile;
use crate::policy::source::SourceSet;

const POLICIES: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
signals:
  user.a: {type: number, fresh_for: 1h}
  user.country: {type: string, observe: geo(address.ip).country, learn: {familiar: {keep: 4}}}
resources:
  - {match: {path: "/pay/*"}, type: payment, action: pay}
lists: {bad: {type: cidr, path: bad.txt}}
expected: {travel: {entity: user, at_most: 30d}}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: p}
score:
  range: [0, 100]
  direction: trust
  missing: worst
  factors:
    a: {value: user.a, weight: 3}
    home: {value: "familiar(user.country, geo(address.ip).country)"}
    other: {value: '1 - policy("q").risk'}
  expected: {travel: {soften: [a], by: 0.5}}
  adjustments:
    - {name: listed, when: address.ip in lists.bad, unknown: skip, no_better_than: 10}
levels: {low: {from: 0}, high: {from: 50}}
rules:
  - {name: pay, when: 'action.name == "pay" && resource.type == "payment"', decision: allow}
  - {name: bad, when: address.ip in lists.bad, unknown: skip, decision: deny, review: true, incident: {severity: high}}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: q}
score: {range: [0, 10], direction: risk, missing: worst, factors: {a: {value: user.a}}}
levels: {all: {from: 0}}
"#;

/// The problems of each test, in order.
fn problems(tests: &str) -> Vec<Vec<String>> {
    let document = format!(
        "apiVersion: plimsoll/v1\nkind: PolicyTest\npolicy: p\nnow: 2026-06-01T09:00:00Z\ntests:\n{tests}"
    );
    let set = SourceSet::from_memory([("p.yaml", POLICIES), ("t.yaml", document.as_str())]);
    let vocabulary = Vocabulary::new();
    let (snapshot, mut diagnostics) = compile(&set, &vocabulary);
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
    let tests = read(&set, &snapshot, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{}", diagnostics.render(false));
    tests
        .iter()
        .map(|test| match run(test, &snapshot, &vocabulary) {
            Ok(result) => result
                .mismatches
                .iter()
                .map(|m| format!("{}: {} is not {}", m.what, m.found, m.expected))
                .collect(),
            Err(why) => vec![why],
        })
        .collect()
}

/// What `check` says of the tests themselves.
fn mistakes(tests: &str) -> Vec<String> {
    let document = format!(
        "apiVersion: plimsoll/v1\nkind: PolicyTest\npolicy: p\nnow: 2026-06-01T09:00:00Z\ntests:\n{tests}"
    );
    let set = SourceSet::from_memory([("p.yaml", POLICIES), ("t.yaml", document.as_str())]);
    let (snapshot, mut diagnostics) = compile(&set, &Vocabulary::new());
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
    read(&set, &snapshot, &mut diagnostics);
    diagnostics.sorted().iter().map(|d| d.message.clone()).collect()
}

const GIVEN: &str = r#"given: {http: {path: "/x/../pay/1", method: POST}, geo: {192.0.2.0/24: {country: DE}}, learned: {"familiar(user.country,geo(address.ip).country)": true}, policies: {q: {score: 5}}, lists: {bad: ["203.0.113.0/24"]}}"#;

#[test]
fn what_is_given_is_what_is_decided_on() {
    let found = problems(&format!(
        r#"
  - name: everything
    signals: {{user: {{a: 0.5}}}}
    {GIVEN}
    expect: {{decision: allow, score: 60, level: high, confidence: 1, rules: [pay], reasons: [a, other], obligations: {{review: false, incident: null}}}}
  - name: an address on the list
    signals: {{user: {{a: 1}}}}
    {GIVEN}
    request: {{context: {{entities: {{address: 203.0.113.7}}}}}}
    expect: {{decision: deny, score: 10, rules: [bad], reasons: [listed], obligations: {{review: true, incident: {{severity: high}}}}}}
  - name: a signal that is too old
    now: 2026-06-02T09:00:00Z
    signals: {{user: {{a: {{value: 1, at: 2026-06-02T07:59:59Z}}}}}}
    {GIVEN}
    expect: {{score: 30, unknown: [user.a]}}
"#
    ));
    assert_eq!(found, [vec![], vec![], Vec::<String>::new()]);
}

#[test]
fn what_differs_is_told() {
    let found = problems(&format!(
        r#"
  - name: all wrong
    signals: {{user: {{a: 0.5}}}}
    {GIVEN}
    expect: {{decision: deny, score: {{near: 61, within: 0.5}}, level: low, confidence: 0.5, rules: [bad], reasons: [other], limits: [x], unknown: [user.a], obligations: {{review: true}}}}
  - name: a value that the catalog refuses
    signals: {{user: {{a: many}}}}
    expect: {{decision: deny}}
"#
    ));
    assert_eq!(
        found[0],
        [
            "decision: allow is not deny",
            "level: high is not low",
            "score: 60 is not 61 within 0.5",
            "confidence: 1 is not 0.5 within 0.000000001",
            "reasons: a, other is not other",
            "rules: pay is not bad",
            "unknown: address.ip in lists.bad is not user.a",
            "limits:  is not x",
            "obligations.review: false is not true",
        ]
    );
    assert!(found[1][0].contains("expected number, got string"), "{found:?}");
}

#[test]
fn tests_are_checked_like_policies() {
    let found = mistakes(
        r#"
  - {name: t1, signals: {user: {aa: 1}}, expect: {}}
  - {name: t2, signals: {usr: {a: 1}}, expect: {}}
  - {name: t3, given: {lists: {bda: []}}, expect: {}}
  - {name: t4, given: {learned: {"familiar(user.country, user.id)": true}}, expect: {}}
  - {name: t5, given: {policies: {r: {score: 1}}}, expect: {}}
  - {name: t6, expect: {decision: alow}}
  - {name: t7, expect: {reasons: [b]}}
  - {name: t8, given: {lists: {bad: ["300.1.1.1"]}}, expect: {}}
  - {name: t9, request: {subject: {type: user}}, expect: {}}
"#,
    );
    for (message, at) in [
        ("unknown signal `user.aa`", 0),
        ("unknown entity kind `usr`", 1),
        ("unknown list `bda`", 2),
        ("no policy asks `familiar(user.country, user.id)`", 3),
        ("unknown policy `r`", 4),
        ("found `alow`", 5),
        ("the policy has no `b`", 6),
        ("not an entry of such a list", 7),
        ("`subject.id` is missing", 8),
    ] {
        assert!(found[at].contains(message), "{message}: {found:#?}");
    }
}

#[test]
fn what_was_announced_is_given_and_checked() {
    let found = problems(
        r#"
  - name: as announced, of the user that the request means
    signals: {user: {a: 0}}
    given: {policies: {q: {score: 0}}, learned: {"familiar(user.country, geo(address.ip).country)": true}, expected: [{user: null, kind: travel, from: 2026-05-30T00:00:00Z, until: 2026-06-10T00:00:00Z, reference: CHG-1}]}
    expect: {score: 70}
  - name: of somebody else
    signals: {user: {a: 0}}
    given: {policies: {q: {score: 0}}, learned: {"familiar(user.country, geo(address.ip).country)": true}, expected: [{user: eve, kind: travel, from: 2026-05-30T00:00:00Z, until: 2026-06-10T00:00:00Z}]}
    expect: {score: 40}
  - name: longer than may be announced
    given: {expected: [{user: eve, kind: travel, from: 2026-05-01T00:00:00Z, until: 2026-06-10T00:00:00Z}]}
    expect: {score: 40}
"#,
    );
    assert_eq!(found[..2], [vec![], Vec::<String>::new()]);
    assert!(
        found[2][0].contains("`until`: a window of `travel` is of at most 30 days"),
        "{found:?}"
    );
    let found = mistakes(
        r#"
  - {name: a, given: {expected: [{user: u, kind: travl, from: 2026-05-30T00:00:00Z, until: 2026-06-10T00:00:00Z}]}, expect: {}}
  - {name: b, given: {expected: [{kind: travel, from: 2026-05-30T00:00:00Z, until: 2026-06-10T00:00:00Z}]}, expect: {}}
  - {name: c, given: {expected: [{user: u, device: d, kind: travel, from: 2026-05-30T00:00:00Z, until: 2026-06-10T00:00:00Z}]}, expect: {}}
  - {name: d, given: {expected: [{user: u, kind: travel, from: soon, until: 2026-06-10T00:00:00Z}]}, expect: {}}
"#,
    );
    for (at, expected) in
        ["unknown kind of change `travl`", "one entity is wanted", "one entity is wanted", "soon"]
            .iter()
            .enumerate()
    {
        assert!(found.iter().any(|message| message.contains(expected)), "{at}: {found:#?}");
    }
}
