//! The policy language as JSON Schema: what editors complete and check by.
//!
//! The loader is the authority, and `tests/schema` holds both against each other. What
//! a schema can't know is left to `plimsoll check`: expressions, and whether a name that
//! is used is declared elsewhere.

mod catalog;
mod factors;
mod learned;
mod parts;
mod rules;
mod test;
mod trust;

use serde_json::{Map, Value as Json, json};

use super::source::{API_VERSION, DocumentKind};

/// The schema of the documents of one kind, or of all, told apart by `kind`.
pub fn schema(kind: Option<DocumentKind>) -> Json {
    let kinds: Vec<&(&str, DocumentKind)> =
        DocumentKind::ALL.iter().filter(|(_, known)| kind.is_none_or(|k| k == *known)).collect();
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let mut defs = parts::defs();
    for (name, kind) in &kinds {
        defs.insert((*name).to_owned(), document(name, *kind));
    }
    let which = |name: &&str| {
        json!({
            "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
            "then": {"$ref": format!("#/$defs/{name}")},
        })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Plimsoll policies",
        "description": "A document of a policy folder.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": version(),
            "kind": {"enum": names, "description": "What the document says: `Catalog` what can be known, `TrustPolicy` what to make of it, `PolicyTest` what it must do."},
        },
        "allOf": names.iter().map(which).collect::<Vec<_>>(),
        "$defs": defs,
    })
}

fn document(name: &str, kind: DocumentKind) -> Json {
    let mut document = match kind {
        DocumentKind::Catalog => catalog::document(),
        DocumentKind::TrustPolicy => trust::document(),
        DocumentKind::PolicyTest => test::document(),
    };
    if let Some(Json::Object(properties)) = document.get_mut("properties") {
        let mut all = Map::new();
        all.insert("apiVersion".to_owned(), version());
        all.insert("kind".to_owned(), json!({"const": name, "description": means(kind)}));
        all.append(properties);
        *properties = all;
    }
    document
}

fn means(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Catalog => "That the document says what can be known.",
        DocumentKind::TrustPolicy => "That the document says what to make of what is known.",
        DocumentKind::PolicyTest => "That the document says what a policy must do.",
    }
}

fn version() -> Json {
    json!({"const": API_VERSION, "description": "The version of the language."})
}
