//! `docs/policy.md` is true: each example in it compiles and does what it says, and all that
//! the language has is named in it.

use std::fmt::Write as _;
use std::path::Path;

use crate::model::{Combine, Decision, ListKind, Severity, SignalType, Vocabulary};
use crate::policy::compile::compile;
use crate::policy::compile::curve::CURVES;
use crate::policy::compile::functions::PLAIN;
use crate::policy::compile::learned::LEARNED;
use crate::policy::compile::methods::METHODS;
use crate::policy::compile::rules::{CHOSEN, OBLIGATIONS};
use crate::policy::source::SourceSet;
use crate::policy::testing;

/// A fenced block: what it says that it is, its first line's number, its text.
pub(super) type Block = (String, usize, String);

pub(super) fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    std::fs::read_to_string(path).unwrap()
}

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (at, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(info) => {
                is_open = true;
                blocks.push((info.to_owned(), at + 2, String::new()));
            }
            None if is_open => {
                let block = blocks.last_mut().unwrap();
                block.2.push_str(line);
                block.2.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_open, "a block is never closed");
    blocks
}

/// The one block of a kind.
fn only(all: &[Block], kind: &str) -> String {
    let found: Vec<_> = all.iter().filter(|(info, _, _)| info == kind).collect();
    assert_eq!(found.len(), 1, "there is one block `{kind}`");
    found[0].2.clone()
}

fn indented(text: &str, by: usize) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        writeln!(all, "{:by$}{line}", "").unwrap();
        all
    })
}

/// Compiles without a word, and passes its tests: how many there were.
#[track_caller]
pub(super) fn holds(what: &str, documents: &str) -> usize {
    let set = SourceSet::from_memory([("policy.yaml", documents)]);
    let vocabulary = Vocabulary::new();
    let (snapshot, mut diagnostics) = compile(&set, &vocabulary);
    let rendered = diagnostics.render(false);
    let Some(snapshot) = snapshot else { panic!("{what}: {rendered}") };
    let tests = testing::read(&set, &snapshot, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{what}: {}", diagnostics.render(false));
    for test in &tests {
        let result = testing::run(test, &snapshot, &vocabulary).unwrap();
        assert_eq!(result.mismatches, [], "{what}: {}", test.name);
    }
    tests.len()
}

fn policy(factors: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {{name: example}}\nscore:\n  \
         range: [0, 100]\n  direction: trust\n  missing: worst\n  factors:\n{}levels: {{low: \
         {{from: 0}}, high: {{from: 50}}}}\n{rest}",
        indented(factors, 4)
    )
}

/// What asks whether an expression has the value that is said of it.
fn asks(expression: &str, value: &str) -> String {
    match value {
        "missing" => format!("!known({expression})"),
        "infinity" => format!("({expression}) > 1e300"),
        "true" => expression.to_owned(),
        "false" => format!("!({expression})"),
        text if text.starts_with('"') => format!("({expression}) == {text}"),
        number => {
            let number: f64 = number.parse().unwrap();
            let (from, to) = (number - 1e-6, number + 1e-6);
            format!("({expression}) > {from:.9} && ({expression}) < {to:.9}")
        }
    }
}

/// The expressions of a table with what is said of them, and the lines they stand on.
fn table(block: &Block) -> Vec<(usize, &str, &str)> {
    let lines = block.2.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(at, line)| {
            let line = line.split("  #").next().unwrap().trim_end();
            let (expression, value) = line.split_once("': ").unwrap();
            (block.1 + at, expression.strip_prefix('\'').unwrap(), value.trim())
        })
        .collect()
}

/// Whole documents out of the examples, each with where it stands.
pub(super) fn documents(text: &str) -> Vec<(String, String)> {
    let all = blocks(text);
    let (catalog, given) = (only(&all, "yaml catalog"), only(&all, "yaml given"));
    let ordinary = "f: {value: user.managed}\n";
    let mut documents = Vec::new();
    for (info, line, text) in &all {
        let whole = match info.as_str() {
            "yaml" => text.clone(),
            "yaml catalog" => text.clone() + &policy(ordinary, ""),
            "yaml factor" => catalog.clone() + &policy(text, ""),
            "yaml rule" => {
                format!("{catalog}{}", policy(ordinary, &format!("rules:\n{}", indented(text, 2))))
            }
            "yaml given" => {
                let asked = test(&given, "{}");
                format!("{catalog}{}{asked}", policy(ordinary, ""))
            }
            "yaml expressions" | "sh" | "text" => continue,
            other => panic!("line {line}: no block is called `{other}`"),
        };
        documents.push((format!("line {line}"), whole));
    }
    documents
}

/// A PolicyTest of the example, of what is given.
fn test(given: &str, expect: &str) -> String {
    format!(
        "---\napiVersion: plimsoll/v1\nkind: PolicyTest\npolicy: example\ntests:\n  - name: \
         example\n    expect: {expect}\n{}",
        indented(given, 4)
    )
}

#[test]
fn every_example_compiles_and_passes_its_own_tests() {
    let all = documents(&reference());
    let tests: usize = all.iter().map(|(at, whole)| holds(at, whole)).sum();
    assert!(all.len() >= 5 && tests >= 3, "only {} examples with {tests} tests", all.len());
}

#[test]
fn every_expression_has_the_value_that_is_said_of_it() {
    let all = blocks(&reference());
    let (catalog, given) = (only(&all, "yaml catalog"), only(&all, "yaml given"));
    let mut count = 0;
    for block in all.iter().filter(|(info, _, _)| info == "yaml expressions") {
        for (line, expression, value) in table(block) {
            let when = serde_json::Value::String(asks(expression, value));
            let rules =
                format!("rules: [{{name: holds, when: {when}, unknown: skip, decision: allow}}]\n");
            let test = test(&given, "{decision: allow}");
            let whole = format!("{catalog}{}{test}", policy("f: {value: user.managed}\n", &rules));
            let ran = holds(&format!("line {line}: {expression} is {value}"), &whole);
            assert_eq!(ran, 1);
            count += 1;
        }
    }
    assert!(count >= 30, "only {count} expressions");
}

#[test]
fn all_that_the_language_has_is_named() {
    let text = reference();
    let calls = LEARNED.iter().map(|(name, _, _)| *name).chain(PLAIN).filter(|name| *name != "has");
    let missing: Vec<String> = calls
        .map(|name| format!("`{name}("))
        .chain(METHODS.map(|name| format!(".{name}(")))
        .chain(CURVES.map(|name| format!("`{name}")))
        .chain(Combine::ALL.map(|(name, _)| format!("`{name}`")))
        .chain(Decision::ALL.map(|decision| format!("`{}`", decision.name())))
        .chain(Severity::ALL.map(|(name, _)| format!("`{name}`")))
        .chain(SignalType::ALL.map(|(name, _)| format!("`{name}`")))
        .chain(ListKind::ALL.map(|(name, _)| format!("`{name}`")))
        .chain(CHOSEN.iter().chain(&OBLIGATIONS).map(|name| format!("`{name}`")))
        .filter(|wanted| !text.contains(wanted.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/policy.md says nothing of {missing:?}");
}

/// Curves are keys, of which each has an example (`keys`).
#[test]
fn every_function_and_combination_has_an_example() {
    let all = blocks(&reference());
    let of = |kind: &str| -> String {
        all.iter().filter(|(info, _, _)| info == kind).map(|(_, _, text)| text.as_str()).collect()
    };
    let (expressions, documents) = (of("yaml expressions"), of("yaml"));
    let calls = LEARNED.iter().map(|(name, _, _)| *name).chain(PLAIN).filter(|name| *name != "has");
    let missing: Vec<String> = calls
        .map(|name| format!("{name}("))
        .chain(METHODS.map(|name| format!(".{name}(")))
        .filter(|wanted| !expressions.contains(wanted.as_str()))
        .chain(
            Combine::ALL
                .map(|(name, _)| format!("combine: {name}"))
                .into_iter()
                .filter(|wanted| !documents.contains(wanted.as_str())),
        )
        .collect();
    assert!(missing.is_empty(), "docs/policy.md has no example of {missing:?}");
}
