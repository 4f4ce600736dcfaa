mod folder;
mod hostile;
mod values;

use super::{Document, SourceSet};

const HEAD: &str = "apiVersion: plimsoll/v1\nkind: Catalog\n";

/// One file, `a.yaml`, with a good head before `body`.
fn with_head(body: &str) -> SourceSet {
    SourceSet::from_memory([("a.yaml", format!("{HEAD}{body}"))])
}

fn only(set: &SourceSet) -> &Document {
    assert!(!set.diagnostics.has_errors(), "{}", set.diagnostics.render(false));
    assert_eq!(set.documents.len(), 1);
    &set.documents[0]
}

/// `line:column message` of each finding.
fn findings(set: &SourceSet) -> Vec<String> {
    let shown = set.diagnostics.sorted().into_iter().map(|found| {
        let (line, column) = found.line_column();
        format!("{line}:{column} {}", found.message)
    });
    shown.collect()
}
