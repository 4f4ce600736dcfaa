//! One document of a file, once its kind is known.

use std::sync::Arc;

use super::MAX_NODES;
use super::node::{Fields, Node};
use super::values::{self, Yaml};
use crate::policy::diagnostic::{Diagnostics, Place, SourceFile, quoted, suggest};

/// What every document begins with.
pub const API_VERSION: &str = "plimsoll/v1";

/// What a document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    Catalog,
    TrustPolicy,
    PolicyTest,
}

impl DocumentKind {
    pub const ALL: [(&'static str, DocumentKind); 3] = [
        ("Catalog", DocumentKind::Catalog),
        ("TrustPolicy", DocumentKind::TrustPolicy),
        ("PolicyTest", DocumentKind::PolicyTest),
    ];
}

/// A document of a known kind.
#[derive(Clone, Debug)]
pub struct Document {
    pub kind: DocumentKind,
    pub file: Arc<SourceFile>,
    yaml: Yaml,
}

impl Document {
    /// A file that need not say what it is: its one mapping, as if a policy test.
    pub fn plain(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut budget = MAX_NODES;
        let mut documents = values::read(file, &mut budget, diagnostics);
        if documents.len() != 1 && !diagnostics.has_errors() {
            let found = format!("expected one mapping, found {} documents", documents.len());
            diagnostics.error(Place::start_of(file), found);
        }
        let yaml = documents.pop()?;
        Some(Document { kind: DocumentKind::PolicyTest, file: Arc::clone(file), yaml })
    }

    /// The whole document; always a mapping.
    pub fn root(&self) -> Node<'_> {
        Node::new(&self.yaml, &self.file)
    }

    /// The document's fields: `allowed`, beside `apiVersion` and `kind`.
    pub fn fields(&self, diagnostics: &mut Diagnostics, allowed: &[&str]) -> Option<Fields<'_>> {
        let mut all = vec!["apiVersion", "kind"];
        all.extend(allowed);
        self.root().mapping(diagnostics, &all)
    }
}

/// `metadata` of a document that nothing refers to: what people call it.
pub fn check_metadata(fields: &Fields<'_>, diagnostics: &mut Diagnostics) {
    let Some(node) = fields.get("metadata") else { return };
    let Some(metadata) = node.mapping(diagnostics, &["name", "description"]) else { return };
    metadata.check_texts(&["name", "description"], diagnostics);
}

/// The documents of a file that say well what they are.
pub(super) fn read(
    file: &Arc<SourceFile>,
    budget: &mut usize,
    diagnostics: &mut Diagnostics,
) -> Vec<Document> {
    let documents = values::read(file, budget, diagnostics).into_iter();
    documents.filter_map(|yaml| identify(yaml, file, diagnostics)).collect()
}

fn identify(yaml: Yaml, file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Option<Document> {
    let root = Node::new(&yaml, file);
    let entries = root.entries(diagnostics)?;
    let find = |wanted: &str, diagnostics: &mut Diagnostics| {
        if let Some(entry) = entries.iter().find(|entry| entry.key == wanted) {
            return Some(entry.node);
        }
        // `apiversion: x` is better told at its key than as a missing one.
        let near = entries.iter().find(|entry| suggest(entry.key, [wanted]).is_some());
        match near {
            Some(near) => diagnostics
                .error(near.key_place(), format!("unknown key {}", quoted(near.key)))
                .help(format!("did you mean `{wanted}`?")),
            None => {
                let first = entries.first().map_or_else(|| root.place(), |first| first.key_place());
                diagnostics.error(first, format!("the document has no `{wanted}`")).help(format!(
                    "a document begins with `apiVersion: {API_VERSION}` and its `kind`"
                ))
            }
        };
        None
    };
    // A wrong version still lets the kind's own checks find the other mistakes.
    if let Some(version) = find("apiVersion", diagnostics) {
        version.one_of(diagnostics, &[(API_VERSION, ())]);
    }
    let kind =
        find("kind", diagnostics).and_then(|kind| kind.one_of(diagnostics, &DocumentKind::ALL));
    Some(Document { kind: kind?, file: Arc::clone(file), yaml })
}
