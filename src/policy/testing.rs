//! PolicyTest documents: what a policy must do, run through the real look-up and
//! the real engine on signals that the test gives.

mod announced;
mod expect;
mod given;
mod history;
mod run;

use crate::engine::{PolicyId, Snapshot};
use crate::model::{Timestamp, suggest};
use crate::policy::diagnostic::{Diagnostics, Place, quoted};
use crate::policy::source::{Document, DocumentKind, Node, SourceSet, check_metadata};
use crate::signals::Loaded;

pub use expect::{Expectation, Mismatch};
pub use given::Given;
pub use run::{TestResult, decide, run};

/// One test, read and checked.
#[derive(Debug)]
pub struct PolicyTest {
    pub name: String,
    pub policy: PolicyId,
    pub place: Place,
    pub now: Timestamp,
    pub(super) given: Given,
    pub(super) expect: Expectation,
}

/// Reads all tests of a folder. What is wrong with one goes to the diagnostics,
/// and the others are read all the same.
pub fn read(
    set: &SourceSet,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Vec<PolicyTest> {
    let mut tests = Vec::new();
    for document in set.documents.iter().filter(|d| d.kind == DocumentKind::PolicyTest) {
        read_document(document, snapshot, diagnostics, &mut tests);
    }
    tests
}

fn read_document(
    document: &Document,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
    into: &mut Vec<PolicyTest>,
) {
    let allowed = ["metadata", "policy", "now", "tests"];
    let Some(fields) = document.fields(diagnostics, &allowed) else { return };
    check_metadata(&fields, diagnostics);
    let policy = fields
        .required("policy", diagnostics)
        .and_then(|node| find_policy(node, snapshot, diagnostics));
    let now = fields.get("now").and_then(|node| node.timestamp(diagnostics));
    let Some(list) = fields.required("tests", diagnostics) else { return };
    for node in list.items(diagnostics).unwrap_or_default() {
        let allowed = ["name", "now", "history", "signals", "given", "request", "expect"];
        let Some(test) = node.mapping(diagnostics, &allowed) else { continue };
        let name = test
            .required("name", diagnostics)
            .and_then(|node| node.string(diagnostics))
            .unwrap_or_default();
        let own_now = test.get("now").and_then(|node| node.timestamp(diagnostics));
        let Some(policy) = policy else { continue };
        let Some(now) = own_now.or(now) else {
            diagnostics
                .error(node, "the test has no `now`")
                .help("add `now: 2026-06-01T09:00:00Z`, to the test or to the document");
            continue;
        };
        let given = Given::read(&test, now, snapshot, diagnostics);
        let expect = test
            .required("expect", diagnostics)
            .and_then(|node| Expectation::read(node, snapshot, policy, diagnostics));
        let place = test.get("name").unwrap_or(node).place();
        if let (Some(given), Some(expect)) = (given, expect) {
            into.push(PolicyTest { name: name.to_owned(), policy, place, now, given, expect });
        }
    }
}

/// Reads one request with what is given, as an entry of a PolicyTest has them:
/// what `explain` is asked. Without a `now` of its own it is asked at `now`; what
/// it expects doesn't matter. `policy` stands in for a policy that it doesn't name.
pub fn read_request(
    document: &Document,
    policy: &str,
    now: Timestamp,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Option<PolicyTest> {
    let allowed = ["name", "policy", "now", "history", "signals", "given", "request", "expect"];
    let fields = document.root().mapping(diagnostics, &allowed)?;
    let place = document.root().place();
    let now = fields.get("now").and_then(|node| node.timestamp(diagnostics)).unwrap_or(now);
    let given = Given::read(&fields, now, snapshot, diagnostics)?;
    let asked = given.question.policy.as_str();
    let policy = match fields.get("policy") {
        Some(node) => find_policy(node, snapshot, diagnostics)?,
        None => {
            let name = if asked.is_empty() { policy } else { asked };
            let found = snapshot.find(name);
            if name.is_empty() {
                let error = diagnostics.error(&place, "the request names no policy");
                error.help("add `policy: NAME`");
            } else if found.is_none() {
                unknown_policy(&place, name, snapshot, diagnostics);
            }
            found?
        }
    };
    let name = fields.get("name").and_then(|node| node.string(diagnostics)).unwrap_or_default();
    let expect = Expectation::default();
    Some(PolicyTest { name: name.to_owned(), policy, place, now, given, expect })
}

impl PolicyTest {
    /// Lists and geo data that it doesn't give itself are those of `loaded`.
    pub fn fill_feeds(&mut self, loaded: &Loaded) {
        self.given.loaded.fill_from(loaded);
    }
}

fn find_policy(
    node: Node<'_>,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Option<PolicyId> {
    let name = node.string(diagnostics)?;
    let found = snapshot.find(name);
    if found.is_none() {
        unknown_policy(&node.place(), name, snapshot, diagnostics);
    }
    found
}

fn unknown_policy(place: &Place, name: &str, snapshot: &Snapshot, diagnostics: &mut Diagnostics) {
    let near = suggest(name, snapshot.by_name.keys().map(|n| &**n)).map(str::to_owned);
    let error = diagnostics.error(place, format!("unknown policy {}", quoted(name)));
    if let Some(near) = near {
        error.help(format!("did you mean `{near}`?"));
    }
}

#[cfg(test)]
mod tests;
