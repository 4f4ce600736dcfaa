//! The JSON Schema and the loader, held against each other on every document of the
//! repository and on what becomes of these by one mistake each.
//!
//! - What the schema refuses, the loader refuses.
//! - A key or a word that the loader doesn't know, the schema doesn't know either.
//!
//! A schema can't know: what an expression means, whether a name (of an entity kind, a
//! signal, a level, a dimension, a policy, a list) is declared elsewhere, the values that
//! an enum signal has, whether an address or a path is well formed, and what numbers
//! must be to each other. There the loader alone refuses.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashSet;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use plimsoll::engine::Snapshot;
use plimsoll::model::Vocabulary;
use plimsoll::policy::compile::compile;
use plimsoll::policy::schema::schema;
use plimsoll::policy::source::{DocumentKind, SourceSet};
use plimsoll::policy::testing;
use serde_json::{Value as Json, json};

const FOLDERS: [&str; 11] = [
    "policies",
    "benches/policies",
    "examples/envoy-demo/policies",
    "examples/exfiltration/policies.yaml",
    "examples/identities/policies.yaml",
    "examples/takeovers/policies.yaml",
    "tests/authzen/policies",
    "tests/envoy/policies",
    "tests/outside/policies",
    "tests/store/policies",
    "src/cli/init",
];

/// A schema, compiled.
struct Checker {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Checker {
    fn new(kind: Option<DocumentKind>) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("plimsoll.json", schema(kind)).unwrap();
        let index = compiler.compile("plimsoll.json", &mut schemas).unwrap();
        Checker { schemas, index }
    }

    fn check(&self, document: &Json) -> Result<(), String> {
        self.schemas.validate(document, self.index).map_err(|why| format!("{why:#}"))
    }
}

/// The documents of a folder, and what policy tests are read against.
struct Folder {
    documents: Vec<(DocumentKind, Json)>,
    snapshot: Snapshot,
}

impl Folder {
    fn read(name: &str) -> Self {
        let set = SourceSet::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        let (snapshot, mut diagnostics) = compile(&set, &Vocabulary::new());
        let Some(snapshot) = snapshot else { panic!("{name}: {}", diagnostics.render(false)) };
        testing::read(&set, &snapshot, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{name}: {}", diagnostics.render(false));
        let documents = set.documents.iter().map(|d| (d.kind, d.root().to_json())).collect();
        Folder { documents, snapshot }
    }

    /// What the loader says with `changed` in place of the document `at`.
    fn errors(&self, at: usize, changed: &Json) -> Vec<String> {
        let is_test = self.documents[at].0 == DocumentKind::PolicyTest;
        let texts = self.documents.iter().enumerate().filter_map(|(n, (kind, document))| {
            let wanted = if is_test { n == at } else { *kind != DocumentKind::PolicyTest };
            let document = if n == at { changed } else { document };
            wanted.then(|| (format!("{n}.yaml"), document.to_string()))
        });
        let set = SourceSet::from_memory(texts);
        let diagnostics = if is_test {
            let mut diagnostics = set.diagnostics.clone();
            testing::read(&set, &self.snapshot, &mut diagnostics);
            diagnostics
        } else {
            compile(&set, &Vocabulary::new()).1
        };
        let Json::Array(all) = serde_json::to_value(&diagnostics).unwrap() else { panic!() };
        let errors = all.into_iter().filter(|found| found["severity"] == "error");
        errors.map(|found| found["message"].as_str().unwrap().to_owned()).collect()
    }
}

/// The way to every value below, itself included, as JSON pointers.
fn pointers(value: &Json, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{key}"), into);
            }
        }
        Json::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                pointers(value, &format!("{at}/{n}"), into);
            }
        }
        _ => {}
    }
}

/// Makes one mistake after the other in the document, each kind of mistake once, and
/// hands over what was done and what became of it.
fn mistakes(
    kind: DocumentKind,
    document: &Json,
    seen: &mut HashSet<String>,
    mut hand: impl FnMut(&str, &Json),
) {
    let mut places = Vec::new();
    pointers(document, "", &mut places);
    for at in &places {
        let mut change = |what: &str, change: &dyn Fn(&mut Json)| {
            let what = format!("{what} {at}");
            if seen.insert(shape(kind, &what)) {
                let mut changed = document.clone();
                change(changed.pointer_mut(at).unwrap());
                hand(&what, &changed);
            }
        };
        match document.pointer(at).unwrap() {
            Json::Object(map) => {
                change("insert", &|v| v["zz_unknown"] = Json::Null);
                change("insert object", &|v| v["zz_unknown"] = json!({}));
                change("flatten", &|v| *v = json!("zz_wrong"));
                for key in map.keys() {
                    change(&format!("remove {key} of"), &|v| {
                        v.as_object_mut().unwrap().remove(key);
                    });
                    change(&format!("rename {key} of"), &|v| {
                        let map = v.as_object_mut().unwrap();
                        let value = map.remove(key).unwrap();
                        map.insert(format!("{key}_zz"), value);
                    });
                }
            }
            Json::Array(_) => {
                change("empty", &|v| *v = json!([]));
                change("flatten", &|v| *v = json!(1));
            }
            scalar => {
                for wrong in [json!("zz_wrong"), json!(-7.5), json!(true), json!({}), json!([])] {
                    if *scalar != wrong {
                        change(&format!("put {wrong} for"), &|v| *v = wrong.clone());
                    }
                }
                change("put null for", &|v| *v = Json::Null);
            }
        }
    }
}

/// What was done, without the names and numbers that differ from place to place alone.
fn shape(kind: DocumentKind, what: &str) -> String {
    let free = [
        "factors",
        "signals",
        "levels",
        "thresholds",
        "lists",
        "dimensions",
        "learned",
        "geo",
        "map",
        "policies",
        "expected",
        "entities",
        "links",
        "user",
        "device",
        "session",
        "address",
        "context",
        "properties",
        "appetites",
        "headers",
        "claims",
    ];
    let mut last = "";
    let mut shape = format!("{kind:?}");
    for part in what.split('/') {
        let is_free = free.contains(&last) || part.bytes().all(|b| b.is_ascii_digit());
        shape.push('/');
        shape.push_str(if is_free { "*" } else { part });
        last = part;
    }
    shape
}

/// Words that are names of something declared elsewhere, or declare one: the loader lists
/// them, and a schema can't.
fn names_something(what: &str) -> bool {
    let key = what.rsplit('/').next().unwrap_or_default();
    let named = ["level", "dimension", "no_better_than", "no_worse_than", "counterfactual"];
    named.contains(&key) || ["entity", "levels", "dimensions"].contains(&key)
}

/// Makes every mistake, or one of so many.
fn hold_against_each_other(name: &str, one_of: usize) {
    let mut number = 0;
    let (folder, checker) = (Folder::read(name), Checker::new(None));
    let mut seen = HashSet::new();
    let mut differ = Vec::new();
    let mut refused = 0;
    for (at, (kind, document)) in folder.documents.iter().enumerate() {
        if let Err(why) = checker.check(document) {
            panic!("{name}: the schema refuses a good document: {why}");
        }
        if let Err(why) = Checker::new(Some(*kind)).check(document) {
            panic!("{name}: the schema of its kind refuses a good document: {why}");
        }
        mistakes(*kind, document, &mut seen, |what, changed| {
            number += 1;
            if number % one_of != 0 {
                return;
            }
            let verdict = checker.check(changed);
            // Only a key or a word can be one that the loader alone doesn't know.
            let says = ["insert", "rename", "put \"zz_wrong\""];
            if verdict.is_ok() && !says.iter().any(|way| what.starts_with(way)) {
                return;
            }
            let errors = folder.errors(at, changed);
            match verdict {
                Err(why) => {
                    refused += 1;
                    if errors.is_empty() {
                        differ.push(format!("{what}: only the schema refuses: {why}"));
                    }
                }
                Ok(()) => {
                    let unknown = errors.iter().find(|message| {
                        message.starts_with("unknown key")
                            || message.starts_with("expected one of") && !names_something(what)
                    });
                    if let Some(message) = unknown {
                        differ.push(format!("{what}: only the loader refuses: {message}"));
                    }
                }
            }
        });
    }
    assert!(refused > 20, "{name}: the schema refuses hardly anything");
    assert!(differ.is_empty(), "{name}: {}\n{}", differ.len(), differ.join("\n"));
}

#[test]
fn the_shipped_policies() {
    // A whole folder is compiled for each: one of some mistakes will do.
    hold_against_each_other("policies", 23);
}

#[test]
fn all_others() {
    for name in FOLDERS.iter().skip(1) {
        hold_against_each_other(name, 1);
    }
}

/// Each key has a word for the person who writes it.
#[test]
fn every_key_is_described() {
    fn walk(value: &Json, at: &str, bare: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Json::as_object) {
            // Conditions and `$defs/Kind` repeat keys that are described where they belong.
            let repeats = at.ends_with("/if") || at.ends_with("/else");
            for (key, value) in properties.iter().filter(|_| !repeats) {
                let said = value.get("description").is_some() || value.get("const").is_some();
                if !said && value != &json!(false) {
                    bare.push(format!("{at}/{key}"));
                }
            }
        }
        match value {
            Json::Object(map) => {
                for (key, value) in map {
                    let at = format!("{at}/{key}");
                    match value.as_object().filter(|_| key == "properties") {
                        // The keys below are of a policy, not of the schema.
                        Some(keys) => {
                            keys.iter().for_each(|(key, value)| {
                                walk(value, &format!("{at}/{key}"), bare);
                            });
                        }
                        None => walk(value, &at, bare),
                    }
                }
            }
            Json::Array(items) => {
                for (n, value) in items.iter().enumerate() {
                    walk(value, &format!("{at}/{n}"), bare);
                }
            }
            _ => {}
        }
    }
    let mut bare = Vec::new();
    walk(&schema(None), "", &mut bare);
    assert_eq!(bare, Vec::<String>::new());
}
