//! One document of a file, once its kind is known.

use std::sync::Arc;

use super::node::{Fields, Node};
use super::values::Yaml;
use crate::policy::diagnostic::{Diagnostics, SourceFile};

/// What a document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    Catalog,
    TrustPolicy,
    PolicyTest,
}

/// A document whose `apiVersion` and `kind` are good.
#[derive(Clone, Debug)]
pub struct Document {
    pub kind: DocumentKind,
    pub file: Arc<SourceFile>,
    pub(super) yaml: Yaml,
}

impl Document {
    /// The whole document; always a mapping.
    pub fn root(&self) -> Node<'_> {
        Node::new(&self.yaml, &self.file)
    }

    /// The document's fields: `allowed`, beside `apiVersion` and `kind`.
    pub fn fields<'a>(
        &'a self,
        diagnostics: &mut Diagnostics,
        allowed: &[&'a str],
    ) -> Option<Fields<'a>> {
        let mut all = vec!["apiVersion", "kind"];
        all.extend(allowed);
        self.root().mapping(diagnostics, &all)
    }
}
