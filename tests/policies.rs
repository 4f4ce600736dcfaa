//! The shipped policies: nothing to complain of, all their tests pass, and the
//! one published formula holds beyond its examples.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use plimsoll::engine::Snapshot;
use plimsoll::model::{ListSource, Vocabulary};
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;
use plimsoll::policy::testing;
use plimsoll::signals::List;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

/// Compiles and runs every test of the set: how many ran, and what failed.
fn run_tests(set: &SourceSet) -> (usize, Vec<String>) {
    let vocabulary = Vocabulary::new();
    let (snapshot, mut diagnostics) = compile(set, &vocabulary);
    let Some(snapshot) = snapshot else { panic!("{}", diagnostics.render(false)) };
    let tests = testing::read(set, &snapshot, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
    let mut failures = Vec::new();
    for test in &tests {
        let name = &test.name;
        match testing::run(test, &snapshot, &vocabulary) {
            Ok(result) if result.mismatches.is_empty() => {}
            Ok(result) => failures.push(format!("{name}: {:?}", result.mismatches)),
            Err(why) => failures.push(format!("{name}: {why}")),
        }
    }
    (tests.len(), failures)
}

fn shipped() -> Snapshot {
    let (snapshot, diagnostics) = compile(&SourceSet::read(&folder()), &Vocabulary::new());
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
    snapshot.unwrap()
}

#[test]
fn the_five_policies_compile_without_a_word() {
    let snapshot = shipped();
    let mut names: Vec<&str> = snapshot.policies.iter().map(|p| &*p.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["identity", "insider", "onboarding", "reputation", "session"]);
}

#[test]
fn their_own_tests_pass() {
    let (count, failures) = run_tests(&SourceSet::read(&folder()));
    assert!(count >= 190, "only {count} tests were found");
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_sample_feeds_are_read_whole() {
    let lists = shipped().lists;
    assert_eq!(lists.len(), 7);
    for decl in lists {
        let ListSource::File(path) = &decl.source else { panic!("`{}` is no file", decl.name) };
        let text = fs::read(folder().join(path)).unwrap();
        let (list, bad) = List::parse(decl.kind, &text);
        assert!(!list.is_empty(), "`{}` is empty", decl.name);
        assert!(bad.first.is_empty(), "`{}`: {:?}", decl.name, bad.first);
    }
}

/// The formula as published.
fn reputation(days: f64, auths: f64, apps: f64, devices: f64, idle: f64) -> f64 {
    0.30 * (days / 180.0).min(1.0)
        + 0.20 * ((auths + 1.0).log10() / 2.0).min(1.0)
        + 0.25 * (apps / 10.0).min(1.0)
        + 0.10 * (devices / 5.0).min(1.0)
        + 0.15 * (1.0 - idle / 30.0).max(0.0)
}

#[test]
fn reputation_is_the_published_formula_on_a_grid() {
    let now = "2026-06-01T09:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let ago = |days: f64| now - jiff::SignedDuration::from_secs((days * 86_400.0) as i64);
    let files = ["catalog.yaml", "reputation.yaml"];
    let mut texts: Vec<(String, String)> = files
        .map(|file| (file.to_owned(), fs::read_to_string(folder().join(file)).unwrap()))
        .into();
    let mut wanted = 0;
    for days in [0.0, 1.0, 29.5, 90.0, 179.0, 180.0, 400.0] {
        let mut text = format!(
            "apiVersion: plimsoll/v1\nkind: PolicyTest\npolicy: reputation\nnow: {now}\ntests:\n"
        );
        for auths in [0.0, 1.0, 10.0, 50.0, 99.0, 5000.0] {
            for apps in [0.0, 1.0, 7.0, 10.0, 11.0] {
                for devices in [0.0, 3.0, 5.0, 6.0] {
                    for idle in [0.0, 0.5, 29.0, 30.0, 31.0] {
                        let score = reputation(days, auths, apps, devices, idle);
                        writeln!(
                            text,
                            "  - {{name: \"{days} {auths} {apps} {devices} {idle}\", \
                             signals: {{user: {{account_created_at: {}, auth_count: {auths}, \
                             unique_apps: {apps}, device_count: {devices}, last_auth_at: {}}}}}, \
                             expect: {{score: {{near: {score}, within: 1e-9}}}}}}",
                            ago(days),
                            ago(idle),
                        )
                        .unwrap();
                        wanted += 1;
                    }
                }
            }
        }
        texts.push((format!("tests/{days}.yaml"), text));
    }
    let (count, failures) = run_tests(&SourceSet::from_memory(texts));
    assert_eq!(count, wanted);
    assert!(failures.is_empty(), "{failures:#?}");
}
