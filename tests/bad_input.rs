//! Policies that are meant to hurt: the process ends, soon, in bounded memory,
//! and says what is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/process.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod process;

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// Far above what any of this takes: the machine may be busy, the build is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the process may have of address space (KiB), its stacks and its
/// allocator's reserve counted.
const MEMORY: u32 = 3 << 20;

const HEAD: &str = "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {name: p}\n";

/// Runs a command on a folder with this one file: whether it went well, and all
/// that it said.
fn plimsoll(command: &str, text: &str) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("p.yaml"), text).unwrap();
    let mut bounded = Command::new("sh");
    let script = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
    bounded.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_plimsoll"));
    bounded.arg(command).arg(folder.path());
    let (status, out, errors) = process::run(&mut bounded, PATIENCE);
    let code = status.code().unwrap_or_else(|| panic!("killed: {status}\n{errors}"));
    assert!(code == 0 || code == 1, "a panic ends with 101: {code}\n{errors}");
    (code == 0, out + &errors)
}

fn assert_refused(text: &str, why: &str) {
    let (well, said) = plimsoll("check", text);
    assert!(!well, "nothing was found wrong: {said:.2000}");
    assert!(said.contains(why), "{why:?} is not in {said:.2000}");
    assert!(said.len() < 100_000, "{} bytes were said", said.len());
}

#[test]
fn ten_thousand_factors_are_many_and_not_too_many() {
    let mut text =
        format!("{HEAD}score:\n  range: [0, 1]\n  direction: risk\n  missing: 0\n  factors:\n");
    for number in 0..10_000 {
        writeln!(text, "    f{number}: {{value: {number}, curve: {{linear: {{to: 10000}}}}}}")
            .unwrap();
    }
    text.push_str(
        "levels: {any: {from: 0}}\nrules: [{name: all, when: \"true\", decision: allow}]\n",
    );
    let (well, said) = plimsoll("check", &text);
    assert!(well, "{said:.2000}");
}

#[test]
fn a_bomb_of_aliases_does_not_go_off() {
    let mut text = format!("{HEAD}a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{before}]").unwrap();
    }
    assert_refused(&text, "more than 200000 values");
}

#[test]
fn depth_is_bounded_whatever_it_is_made_of() {
    const DEEP: usize = 200_000;
    for deep in [
        "[".repeat(DEEP),
        "{a: ".repeat(DEEP),
        format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP)),
        "- ".repeat(DEEP),
        "? ".repeat(DEEP),
    ] {
        assert_refused(&format!("{HEAD}score:\n  {deep}\n"), "nested");
    }
    let blocks = (0..2_000).fold(String::new(), |mut text, level| {
        writeln!(text, "{}a:", " ".repeat(level)).unwrap();
        text
    });
    assert_refused(&blocks, "nested");
}

fn with_rule(when: &str) -> String {
    format!(
        "{HEAD}score: {{range: [0, 1], direction: risk, missing: 0, factors: {{a: {{value: 1, curve: {{linear: {{to: 1}}}}}}}}}}\n\
         levels: {{any: {{from: 0}}}}\nrules: [{{name: r, when: '{when}', decision: allow}}]\n"
    )
}

#[test]
fn so_is_that_of_expressions() {
    let parentheses = format!("{}true{}", "(".repeat(1_000), ")".repeat(1_000));
    assert_refused(&with_rule(&parentheses), "nests deeper than 32 levels");
    assert_refused(
        &with_rule(&format!("{}true", "!".repeat(1_000))),
        "nests deeper than 32 levels",
    );
    assert_refused(&with_rule(&vec!["true"; 200_000].join(" && ")), "4096 bytes");
}

/// Division by zero and what is no number are missing, or at the end of the
/// curve: the score stays in its range.
#[test]
fn numbers_that_are_none_do_no_harm() {
    let mut text = String::from(
        "apiVersion: plimsoll/v1\nkind: Catalog\nentities: {user: {}}\nsignals: {user.zero: {type: number}, user.one: {type: number}}\n---\n",
    );
    text.push_str(HEAD);
    text.push_str(
        "score:
  range: [0, 10]
  direction: risk
  missing: worst
  factors:
    nothing: {value: user.zero / user.zero, curve: {linear: {to: 1}}}
    much: {value: user.one / user.zero, curve: {linear: {to: 1}}}
    little: {value: -user.one / user.zero, curve: {linear: {to: 1}}}
levels: {low: {from: 0}, high: {from: 5}}
rules:
  - {name: all, when: \"true\", decision: allow}
  - {name: never, when: \"user.zero / user.zero < 1\", decision: deny}
---
apiVersion: plimsoll/v1
kind: PolicyTest
policy: p
now: 2026-06-01T09:00:00Z
tests:
  - name: none of them is a number
    signals: {user: {zero: 0, one: 1}}
    request: {subject: {type: user, id: u1}, action: {name: read}}
    # Missing is worst, infinity the end of its curve, and its negative the beginning.
    expect: {decision: deny, level: high, score: {near: 6.66666667, within: 1e-8}, confidence: {near: 0.666666667, within: 1e-9}}
",
    );
    let (well, said) = plimsoll("test", &text);
    assert!(well, "{said}");
}

#[test]
fn files_that_are_no_text_are_refused() {
    for bytes in [&b"\xff\xfe\x00a"[..], b"kind: \x00", &[0x80; 4096]] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("p.yaml"), bytes).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        let (status, _, errors) = process::run(check.arg("check").arg(folder.path()), PATIENCE);
        assert_eq!(status.code(), Some(1), "{errors}");
        assert!(errors.contains("p.yaml"), "{errors}");
    }
    let long = format!("{HEAD}# {}\n", "x".repeat(5 << 20));
    assert_refused(&long, "larger than 4 MiB");
}
