//! A small policy folder, and `check` and `test` on it.

use std::fs;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::run;

const CATALOG: &str = "\
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {}, device: {}}
signals:
  user.age_days: {type: number}
  user.sign_ins: {type: counter}
  user.country:  {type: string}
  device.managed: {type: bool}
lists:
  odd_countries: {type: string, path: odd.txt}
";

const POLICY: &str = "\
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: door}
score:
  range: [0, 100]
  direction: trust
  precision: 1
  missing: 0
  dimensions:
    history:
      weight: 60
      factors:
        age:      {value: user.age_days, curve: {linear: {to: 100}}, weight: 2, reason: {user: Your account is young, admin: 'Age {value} days'}}
        sign_ins: {value: user.sign_ins, curve: {linear: {to: 10}}, weight: 1}
    device:
      weight: 40
      factors:
        managed: {value: device.managed, missing: 0.5}
  adjustments:
    - {name: odd_country, when: user.country in lists.odd_countries, unknown: skip, add: -10, reason: {admin: Odd country}}
levels: {low: {from: 0}, high: {from: 60, label: Trusted}}
rules:
  - {name: open, when: 'true', decision: allow}
  - {name: prove, when: score < 60, decision: step_up, acr: [aal2], max_age: 1h, reason: {user: Please prove it}}
  - {name: watch, when: level == \"low\", review: true}
  - {name: shut, when: user.country == \"XX\", unknown: skip, decision: deny}
  - {name: tighter, when: score < 70, decision: deny, mode: shadow}
";

const TESTS: &str = "\
apiVersion: plimsoll/v1
kind: PolicyTest
policy: door
now: 2026-06-01T09:00:00Z
tests:
  - name: a young account
    signals: {user: {age_days: 50, sign_ins: 2}}
    expect: {decision: step_up, level: low}
  - name: an old account
    signals: {user: {age_days: 100, sign_ins: 10}, device: {managed: true}}
    expect: {decision: allow, level: high}
";

pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("catalog.yaml", CATALOG),
        ("door.yaml", POLICY),
        ("tests.yaml", TESTS),
        ("odd.txt", "QQ\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn change(folder: &TempDir, file: &str, from: &str, to: &str) {
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_good_folder_is_checked_and_tested() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    let checked = run(&["check", path]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(checked.out.starts_with("ok: 1 policies, 4 signals, 2 tests"), "{}", checked.out);
    let tested = run(&["test", path]);
    assert_eq!(tested.code, Some(0), "{}{}", tested.out, tested.err);
    assert_eq!(tested.out, "2 passed, 0 failed\n");
}

#[test]
fn a_mistake_is_told_with_its_place_and_its_mend() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    change(&folder, "door.yaml", "user.sign_ins,", "user.sign_inns,");
    let checked = run(&["check", path]);
    assert_eq!(checked.code, Some(1));
    assert!(checked.err.contains("door.yaml:14:"), "{}", checked.err);
    assert!(checked.err.contains("did you mean `user.sign_ins`?"), "{}", checked.err);
    assert!(!checked.err.contains('\x1b'), "no colours where there is no terminal");
    let json = run(&["check", "--json", path]);
    assert_eq!(json.code, Some(1));
    let found: Json = serde_json::from_str(&json.out).unwrap();
    assert_eq!(found[0]["line"], 14, "{found}");
    let tested = run(&["test", path]);
    assert_eq!(tested.code, Some(1));
    assert!(tested.err.contains("no test was run"), "{}", tested.err);
}

#[test]
fn a_failing_test_says_what_was_found() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    change(&folder, "tests.yaml", "decision: step_up", "decision: deny");
    let junit = folder.path().join("junit.xml");
    let tested = run(&["test", path, "--junit", junit.to_str().unwrap()]);
    assert_eq!(tested.code, Some(1));
    assert!(tested.out.contains("failed door: a young account"), "{}", tested.out);
    assert!(tested.out.contains("decision: expected deny, found step_up"), "{}", tested.out);
    assert!(tested.out.ends_with("1 passed, 1 failed\n"), "{}", tested.out);
    assert!(fs::read_to_string(junit).unwrap().contains("found step_up"));
    let none = run(&["test", path, "--only", "nothing of the kind"]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("no test to run"), "{}", none.err);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let checked = run(&["check", "no-such-folder"]);
    assert_eq!(checked.code, Some(1));
    assert!(checked.err.contains("`no-such-folder` can't be read"), "{}", checked.err);
}
