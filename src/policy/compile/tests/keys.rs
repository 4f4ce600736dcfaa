//! `docs/policy-keys.md` has every key of the language as the schema has it, each with an
//! example out of `docs/policy.md`, whose examples are compiled and run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::reference::{documents, reference};
use crate::policy::schema::schema;
use crate::policy::source::{DocumentKind, SourceSet};

/// Longer values are not shown as examples: their parts are.
const LONGEST: usize = 72;

/// A key as the schema has it.
struct Key {
    /// `signals.NAME.learn.from`, `rules[].when`
    path: String,
    schema: Json,
    is_required: bool,
}

/// What has the same keys below it as something else, where these stand.
const SAME: [(&str, &str); 3] = [
    ("TrustPolicy.score.dimensions.NAME.factors", "TrustPolicy.score.factors"),
    ("PolicyTest.tests[].history[].signals", "PolicyTest.tests[].signals"),
    ("PolicyTest.tests[].history[].request", "PolicyTest.tests[].request"),
];

/// Where a decision is told otherwise than by a rule: what its keys are is shown with rules.
const DECIDES: [&str; 2] = ["TrustPolicy.default.", "TrustPolicy.min_confidence."];

fn same_as(path: &str) -> Option<&'static str> {
    SAME.iter().find(|(one, _)| *one == path).map(|(_, other)| *other)
}

/// What a `$ref` stands for, with what is said beside it.
fn resolved(whole: &Json, schema: &Json) -> Json {
    let Some(name) = schema.get("$ref").and_then(Json::as_str) else { return schema.clone() };
    let mut found = whole.pointer(name.trim_start_matches('#')).unwrap().clone();
    for (key, value) in schema.as_object().unwrap() {
        found[key] = value.clone();
    }
    found
}

/// What a value of this schema may have below it: the step to it, its schema, and whether it
/// must be there.
fn below(whole: &Json, schema: &Json) -> Vec<(String, Json, bool)> {
    let schema = resolved(whole, schema);
    let mut all = Vec::new();
    let required = |key: &str| {
        schema["required"].as_array().is_some_and(|keys| keys.iter().any(|name| name == key))
    };
    for (key, of) in schema["properties"].as_object().into_iter().flatten() {
        if *of != Json::Bool(false) {
            all.push((format!(".{key}"), of.clone(), required(key)));
        }
    }
    for (key, step) in [("additionalProperties", ".NAME"), ("items", "[]")] {
        if schema[key].is_object() {
            all.push((step.to_owned(), schema[key].clone(), false));
        }
    }
    let ways = schema["anyOf"].as_array().into_iter().flatten().chain(schema.get("then"));
    for way in ways {
        // Conditions speak of keys that stand where they belong.
        all.extend(below(whole, way).into_iter().filter(|(_, of, _)| *of != Json::Null));
    }
    all
}

fn keys(whole: &Json, at: &str, schema: &Json, into: &mut Vec<Key>) {
    for (step, of, is_required) in below(whole, schema) {
        let path = format!("{at}{step}");
        if step.starts_with('.') && !into.iter().any(|key| key.path == path) {
            into.push(Key { path: path.clone(), schema: of.clone(), is_required });
        }
        if same_as(&path).is_none() {
            keys(whole, &path, &of, into);
        }
    }
}

/// The first value that each key has in a document.
fn examples(
    whole: &Json,
    at: &str,
    schema: &Json,
    value: &Json,
    into: &mut BTreeMap<String, Json>,
) {
    let steps = below(whole, schema);
    let step = |wanted: &str| steps.iter().find(|(step, _, _)| step == wanted);
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                let Some((step, of, _)) = step(&format!(".{key}")).or_else(|| step(".NAME")) else {
                    continue;
                };
                let path = format!("{at}{step}");
                // A name is shown with what it names.
                let shown = if step == ".NAME" { json!({ key: value }) } else { value.clone() };
                let known = into.entry(path.clone()).or_insert_with(|| shown.clone());
                if written(known).len() > LONGEST && written(&shown).len() <= LONGEST {
                    *known = shown;
                }
                examples(whole, same_as(&path).unwrap_or(&path), of, value, into);
            }
        }
        Json::Array(items) => {
            if let Some((step, of, _)) = step("[]") {
                for item in items {
                    examples(whole, &format!("{at}{step}"), of, item, into);
                }
            }
        }
        _ => {}
    }
}

/// As YAML in one line.
fn written(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", written_text(key), written(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Json::Array(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Json::String(text) => written_text(text),
        other => other.to_string(),
    }
}

/// With quotes where YAML would read it otherwise.
fn written_text(text: &str) -> String {
    let is_plain =
        serde_yaml::from_str::<Json>(&format!("[{text}]")).is_ok_and(|read| read == json!([text]));
    if is_plain { text.to_owned() } else { json!(text).to_string() }
}

/// What a value may be, in a few words.
fn takes(schema: &Json) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return match name.rsplit('/').next().unwrap() {
            "policyName" => "name".to_owned(),
            "words" => "word or list of words".to_owned(),
            "reason" => "mapping".to_owned(),
            name => name.to_owned(),
        };
    }
    let code = |value: &Json| format!("`{}`", written(value));
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    if let Some(word) = schema.get("const") {
        return code(word);
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        let ways: Vec<String> = ways.iter().map(takes).collect();
        let objects = schema["type"] == "object";
        return if objects { "mapping".to_owned() } else { ways.join(" or ") };
    }
    let of = |ty: &Json| {
        match ty.as_str().unwrap_or("any") {
            "object" => "mapping",
            "array" => "list",
            "boolean" => "bool",
            "string" => "text",
            "integer" => "whole number",
            "null" => "`null`",
            "any" => "any value",
            other => other,
        }
        .to_owned()
    };
    let mut text = match &schema["type"] {
        Json::Array(types) => types.iter().map(of).collect::<Vec<_>>().join(" or "),
        one => of(one),
    };
    let bound =
        |key: &str| schema.get(key).filter(|_| !schema["type"].is_array()).map(ToString::to_string);
    let bounds = [("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to")];
    for (key, word) in bounds {
        if let Some(bound) = bound(key) {
            write!(text, " {word} {bound}").unwrap();
        }
    }
    text
}

fn example<'s>(shown: &'s BTreeMap<String, Json>, path: &str) -> Option<&'s Json> {
    shown.get(path).or_else(|| {
        let key = DECIDES.iter().find_map(|at| path.strip_prefix(at))?;
        shown.get(&format!("TrustPolicy.rules[].{key}"))
    })
}

fn page(whole: &Json, shown: &BTreeMap<String, Json>) -> String {
    let mut page = "# Every key of the policy language\n\n\
        What `plimsoll schema` knows, with an example of each out of [the reference](policy.md), which says what they are for. \
        `NAME` stands for any name, `[]` for each item of a list. Written by `make keys` and held by a test: don't edit it.\n"
        .to_owned();
    for (name, _) in DocumentKind::ALL {
        let mut all = Vec::new();
        keys(whole, name, &whole["$defs"][name], &mut all);
        write!(
            page,
            "\n## {name}\n\n| key | takes | left out | means | example |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        for key in all {
            let of = resolved(whole, &key.schema);
            let left_out = match (&of["default"], key.is_required) {
                (_, true) => "must be there".to_owned(),
                (Json::Null, false) => String::new(),
                (default, false) => format!("`{}`", written(default)),
            };
            let mut means = of["description"].as_str().unwrap_or_default().to_owned();
            if let Some((_, other)) = same_as(&key.path).and_then(|path| path.split_once('.')) {
                write!(means, " Its keys: `{other}`.").unwrap();
            }
            let example = example(shown, &key.path).map(written).unwrap_or_default();
            let example = match example.len() {
                0..=LONGEST => format!("`{example}`"),
                _ => String::new(),
            };
            let cells = [takes(&key.schema), left_out, means, example];
            let cells = cells.map(|cell| cell.replace('|', "\\|")).join(" | ");
            let path = key.path.split_once('.').map_or("", |(_, path)| path);
            writeln!(page, "| `{path}` | {cells} |").unwrap();
        }
    }
    page
}

/// The examples of the reference, by the kind and the path of the key.
fn shown(whole: &Json) -> BTreeMap<String, Json> {
    let mut shown = BTreeMap::new();
    for (at, text) in documents(&reference()) {
        let set = SourceSet::from_memory([("example.yaml", text)]);
        assert!(!set.diagnostics.has_errors(), "{at}");
        for document in &set.documents {
            let (name, _) = DocumentKind::ALL.iter().find(|(_, k)| *k == document.kind).unwrap();
            let root = document.root().to_json();
            examples(whole, name, &whole["$defs"][name], &root, &mut shown);
        }
    }
    shown
}

#[test]
fn every_key_has_an_example_in_the_reference_and_a_row_in_the_table_of_keys() {
    let whole = schema(None);
    let shown = shown(&whole);
    let mut missing = Vec::new();
    let mut count = 0;
    for (name, _) in DocumentKind::ALL {
        let mut all = Vec::new();
        keys(&whole, name, &whole["$defs"][name], &mut all);
        count += all.len();
        missing
            .extend(all.into_iter().map(|k| k.path).filter(|path| example(&shown, path).is_none()));
    }
    assert!(count > 150, "only {count} keys");
    assert_eq!(missing, Vec::<String>::new(), "docs/policy.md has no example of these");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy-keys.md");
    let page = page(&whole, &shown);
    if std::env::var_os("PLIMSOLL_WRITE_KEYS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/policy-keys.md is not what the schema says: `make keys`");
}

/// A row of a table that begins with `key` names keys, and the schema has each.
#[test]
fn the_reference_names_no_key_that_there_is_not() {
    let whole = schema(None);
    let mut known = Vec::new();
    for (name, _) in DocumentKind::ALL {
        keys(&whole, name, &whole["$defs"][name], &mut known);
    }
    let text = reference();
    let (mut is_of_keys, mut count) = (false, 0);
    for (at, line) in text.lines().enumerate() {
        let Some(first) = line.strip_prefix('|').and_then(|line| line.split('|').next()) else {
            is_of_keys = false;
            continue;
        };
        if first.trim().starts_with("key") {
            is_of_keys = true;
        } else if !first.trim().starts_with('`') && !first.starts_with('-') {
            is_of_keys = false;
        } else if is_of_keys {
            for key in first.split('`').skip(1).step_by(2) {
                count += 1;
                let is_known =
                    known.iter().any(|of| of.path == key || of.path.ends_with(&format!(".{key}")));
                assert!(is_known, "line {}: there is no key `{key}`", at + 1);
            }
        }
    }
    assert!(count > 60, "only {count} keys are named");
}
