//! `docs/threat-model.md` says what is so: the tests that it names are there, and its tables of
//! paths and hosts are run.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use bumpalo::Bump;
use plimsoll::api::path::{normalise, normalise_host};

fn document() -> String {
    read("docs/threat-model.md").unwrap()
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether the file has a function of that name that is run as a test.
fn is_test(file: &str, function: &str) -> bool {
    let Some(text) = read(file) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = format!("fn {function}(");
    lines.iter().enumerate().any(|(at, line)| {
        let is_it = line.strip_prefix("async ").unwrap_or(line).starts_with(&begins);
        // Attributes stand in front, and comments may.
        let before = lines.iter().take(at).rev();
        is_it
            && before
                .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
                .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_test_that_is_named_is_there() {
    let document = document();
    let named: Vec<(&str, &str)> =
        quoted(&document).filter_map(|token| token.split_once(".rs::")).collect();
    assert!(named.len() > 60, "only {} were found", named.len());
    let absent: Vec<String> = named
        .iter()
        .map(|(file, function)| (format!("{file}.rs"), function))
        .filter(|(file, function)| !is_test(file, function))
        .map(|(file, function)| format!("{file}::{function}"))
        .collect();
    assert!(absent.is_empty(), "named in docs/threat-model.md, and no tests: {absent:#?}");
    // A search that finds everything would find these.
    assert!(!is_test("tests/threat_model.rs", "no_such_test"));
    assert!(!is_test("tests/threat_model.rs", "document"));
    assert!(!is_test("tests/nothing.rs", "every_test_that_is_named_is_there"));
}

/// Every line of a table of threats names a test.
#[test]
fn every_threat_has_its_test() {
    let document = document();
    let threats = document.split("\n## Paths\n").next().unwrap();
    let rows: Vec<&str> = threats
        .lines()
        .filter(|line| line.starts_with("| ") && !line.ends_with("| test |"))
        .collect();
    assert!(rows.len() > 40, "only {} were found", rows.len());
    for row in rows {
        assert!(quoted(row).any(|token| token.contains(".rs::")), "no test covers {row}");
    }
}

/// The rows below a heading: what is sent, and what rules see of it, if they see anything.
fn table(heading: &str) -> Vec<(String, Option<String>)> {
    let document = document();
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cell = |cell: &str| match cell.trim() {
        "(empty)" => Some(String::new()),
        "denied" => None,
        code => Some(plain(code.strip_prefix('`').unwrap().strip_suffix('`').unwrap())),
    };
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.contains("| rules"));
    rows.map(|row| {
        let (sent, seen) = row.trim_matches('|').split_once('|').unwrap();
        (cell(sent).unwrap(), cell(seen))
    })
    .collect()
}

/// `\xHH` is that byte; any other backslash is one.
fn plain(text: &str) -> String {
    let mut parts = text.split("\\x");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        plain.push(char::from(u8::from_str_radix(digits, 16).unwrap()));
        plain.push_str(rest);
    }
    plain
}

#[test]
fn paths_are_seen_as_the_table_says() {
    let rows = table("Paths");
    assert!(rows.len() > 50, "only {} were found", rows.len());
    for (sent, seen) in rows {
        let arena = Bump::new();
        assert_eq!(normalise(&sent, &arena).ok(), seen.as_deref(), "{sent:?}");
    }
}

#[test]
fn hosts_are_seen_as_the_table_says() {
    let rows = table("Hosts");
    assert!(rows.len() > 8, "only {} were found", rows.len());
    for (sent, seen) in rows {
        let arena = Bump::new();
        assert_eq!(Some(normalise_host(&sent, &arena)), seen.as_deref(), "{sent:?}");
    }
}
