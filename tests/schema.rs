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
use plimsoll::policy::source::{Document, DocumentKind, SourceSet};
use plimsoll::policy::testing;
use serde_json::{Value as Json, json};

const FOLDERS: [&str; 24] = [
    "policies",
    "benches/policies",
    "docs/cookbook/api-keys",
    "docs/cookbook/bank-transfer",
    "docs/cookbook/break-glass",
    "docs/cookbook/cold-start",
    "docs/cookbook/composing-scores",
    "docs/cookbook/contractors",
    "docs/cookbook/healthcare-off-network",
    "docs/cookbook/impossible-travel",
    "docs/cookbook/new-device",
    "docs/cookbook/per-action-thresholds",
    "docs/cookbook/service-accounts",
    "docs/cookbook/shadow-rollout",
    "examples/envoy-demo/policies",
    "examples/exfiltration/policies.yaml",
    "examples/identities/policies.yaml",
    "examples/takeovers/policies.yaml",
    "tests/authzen/policies",
    "tests/envoy/policies",
    "tests/envoy/shut",
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

/// The documents of a folder, and what policy tests are read against. Of a PolicyTest each
/// test is a document of its own, so that a mistake costs the reading of one.
struct Folder {
    documents: Vec<(DocumentKind, Json)>,
    /// The same as they were read.
    read: Vec<Document>,
    snapshot: Snapshot,
}

impl Folder {
    fn read(name: &str) -> Self {
        Folder::of(name, &SourceSet::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name)))
    }

    fn of(name: &str, set: &SourceSet) -> Self {
        let (snapshot, mut diagnostics) = compile(set, &Vocabulary::new());
        let Some(snapshot) = snapshot else { panic!("{name}: {}", diagnostics.render(false)) };
        testing::read(set, &snapshot, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{name}: {}", diagnostics.render(false));
        let whole = set.documents.iter().map(|d| (d.kind, d.root().to_json()));
        let documents: Vec<(DocumentKind, Json)> =
            whole.flat_map(|(kind, document)| apart(kind, document)).collect();
        let read = documents.iter().map(|(_, document)| parsed(document).documents.remove(0));
        Folder { read: read.collect(), documents, snapshot }
    }

    /// The documents that the one `at` is read with: catalogs, and of other policies those
    /// that it names.
    fn needed(&self, at: usize) -> Vec<usize> {
        let kind = |n: &usize| self.documents[*n].0;
        let catalogs = (0..self.documents.len()).filter(|n| kind(n) == DocumentKind::Catalog);
        match self.documents[at].0 {
            DocumentKind::PolicyTest => Vec::new(),
            DocumentKind::Catalog => catalogs.collect(),
            DocumentKind::TrustPolicy => {
                let mut needed = vec![at];
                let mut next = 0;
                while let Some(by) = needed.get(next).map(|n| self.documents[*n].1.to_string()) {
                    let others = (0..self.documents.len()).filter(|n| {
                        let name = &self.documents[*n].1["metadata"]["name"];
                        kind(n) == DocumentKind::TrustPolicy
                            && name.as_str().is_some_and(|name| by.contains(name))
                    });
                    let others: Vec<usize> = others.filter(|n| !needed.contains(n)).collect();
                    needed.extend(others);
                    next += 1;
                }
                needed.extend(catalogs);
                needed
            }
        }
    }

    /// What the loader says with `changed` in place of the document `at`.
    fn errors(&self, at: usize, changed: &Json) -> Vec<String> {
        let mut set = parsed(changed);
        let is_test = self.documents[at].0 == DocumentKind::PolicyTest;
        let needed = self.needed(at).into_iter().filter(|n| *n != at);
        set.documents.extend(needed.map(|n| self.read[n].clone()));
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

/// The tests of a document apart; other documents as they are.
fn apart(kind: DocumentKind, document: Json) -> Vec<(DocumentKind, Json)> {
    let Some(tests) = document.get("tests").and_then(Json::as_array) else {
        return vec![(kind, document)];
    };
    let alone = |test: &Json| {
        let mut alone = document.clone();
        alone["tests"] = json!([test]);
        (kind, alone)
    };
    tests.iter().map(alone).collect()
}

fn parsed(document: &Json) -> SourceSet {
    SourceSet::from_memory([("changed.yaml", document.to_string())])
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

/// Words that are names of something declared elsewhere: the loader lists them, and a
/// schema can't.
fn names_something(what: &str) -> bool {
    let (did, at) = what.rsplit_once(' ').unwrap_or_default();
    // Who uses a name that is now another, and an entity kind that is no other key.
    if did.starts_with("rename") {
        let keys = ["kind", "from", "until", "values", "reference"];
        let key = did.split(' ').nth(1).unwrap_or_default();
        return ["/levels", "/score/dimensions"].contains(&at)
            || at.contains("/given/expected/") && !keys.contains(&key);
    }
    let key = at.rsplit('/').next().unwrap_or_default();
    ["level", "dimension", "no_better_than", "no_worse_than", "counterfactual", "entity"]
        .contains(&key)
}

/// Whether the loader says of a mistake that it doesn't know a key or a word which a schema
/// could know.
fn is_unknown(message: &str, what: &str) -> bool {
    let is_word = ["unknown key", "expected one of"].iter().any(|it| message.starts_with(it));
    is_word && !names_something(what)
}

/// Makes every mistake that is not among those `seen`: how many the schema refuses.
fn hold_against_each_other(name: &str, folder: &Folder, seen: &mut HashSet<String>) -> usize {
    let checker = Checker::new(None);
    let kinds = DocumentKind::ALL.map(|(_, kind)| (kind, Checker::new(Some(kind))));
    let mut differ = Vec::new();
    let mut refused = 0;
    for (at, (kind, document)) in folder.documents.iter().enumerate() {
        if let Err(why) = checker.check(document) {
            panic!("{name}: the schema refuses a good document: {why}");
        }
        let (_, of_kind) = kinds.iter().find(|(of, _)| of == kind).unwrap();
        if let Err(why) = of_kind.check(document) {
            panic!("{name}: the schema of its kind refuses a good document: {why}");
        }
        mistakes(*kind, document, seen, |what, changed| {
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
                    let unknown = errors.iter().find(|message| is_unknown(message, what));
                    if let Some(message) = unknown {
                        differ.push(format!("{what}: only the loader refuses: {message}"));
                    }
                }
            }
        });
    }
    assert!(differ.is_empty(), "{name}: {}\n{}", differ.len(), differ.join("\n"));
    refused
}

#[test]
fn the_shipped_policies() {
    let refused =
        hold_against_each_other(FOLDERS[0], &Folder::read(FOLDERS[0]), &mut HashSet::new());
    assert!(refused > 1000, "the schema refuses only {refused} mistakes");
}

/// A mistake that was made in one of them is not made in the next.
#[test]
fn all_others() {
    let (mut seen, mut refused) = (HashSet::new(), 0);
    for name in FOLDERS.iter().skip(1) {
        refused += hold_against_each_other(name, &Folder::read(name), &mut seen);
    }
    assert!(refused > 500, "the schema refuses only {refused} mistakes");
}

/// The examples of the reference have every key that there is.
#[test]
fn the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    let text = std::fs::read_to_string(path).unwrap();
    let whole = text.split("\n```yaml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let (mut seen, mut refused) = (HashSet::new(), 0);
    for (n, example) in whole.enumerate() {
        let name = format!("example {n}");
        let set = SourceSet::from_memory([("example.yaml", example)]);
        refused += hold_against_each_other(&name, &Folder::of(&name, &set), &mut seen);
    }
    assert!(refused > 1000, "the schema refuses only {refused} mistakes");
}

/// The twelve cases are those that are there, in the cookbook's page and in its folder.
#[test]
fn every_case_of_the_cookbook_is_here() {
    let cases: Vec<&str> =
        FOLDERS.iter().filter_map(|name| name.strip_prefix("docs/cookbook/")).collect();
    assert_eq!(cases.len(), 12);
    let cookbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cookbook");
    let mut found: Vec<String> = std::fs::read_dir(&cookbook)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, cases);
    let page = std::fs::read_to_string(cookbook.join("README.md")).unwrap();
    for case in cases {
        assert!(page.contains(&format!("]({case}/policy.yaml)")), "the page has no link to {case}");
    }
}

/// Each key has a word for the person who writes it.
#[test]
fn every_key_is_described() {
    fn walk(value: &Json, at: &str, bare: &mut Vec<String>) {
        // Conditions and `$defs/Kind` repeat keys that are described where they belong.
        let repeats = at.ends_with("/if") || at.ends_with("/else");
        let properties = value.get("properties").and_then(Json::as_object).filter(|_| !repeats);
        // Also where the policy chooses the key.
        let chosen = value.get("additionalProperties").filter(|of| of.is_object());
        let chosen = chosen.map(|of| ("NAME", of));
        let named = properties.into_iter().flatten().map(|(key, of)| (key.as_str(), of));
        for (key, value) in named.chain(chosen) {
            if value.get("description").is_none() && *value != json!(false) {
                bare.push(format!("{at}/{key}"));
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
