//! What is wrong with a policy, and where: file, line, column, source line, a suggestion.
//!
//! Checks add to one [`Diagnostics`] and go on, so that an author sees every
//! mistake at once. The same diagnostics are what `check` prints, the log says
//! and `/status` serves.

mod file;
mod json;
mod render;
mod suggest;

use std::ops::Range;
use std::sync::Arc;

pub use crate::model::suggest;
pub use file::SourceFile;
pub use suggest::quoted;

/// How much a diagnostic weighs: an error keeps the folder from being published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    Error,
    Warning,
}

/// A stretch of bytes in a file.
#[derive(Clone, Debug)]
pub struct Place {
    pub file: Arc<SourceFile>,
    pub span: Range<usize>,
}

impl Place {
    /// The place of the whole file: its first byte.
    pub fn start_of(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), span: 0..0 }
    }
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub file: Arc<SourceFile>,
    /// Bytes in the file's text.
    pub span: Range<usize>,
    /// Lower case, no full stop, what the author wrote in backticks.
    pub message: String,
    /// What stands under the caret.
    pub label: Option<String>,
    pub help: Option<String>,
    /// Other places that matter, such as the first of two definitions.
    pub related: Vec<(Place, String)>,
}

impl Diagnostic {
    fn new(severity: Severity, place: Place, message: String) -> Self {
        let Place { file, span } = place;
        Self {
            severity,
            file,
            span,
            message: suggest::printable(message),
            label: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// Sets the text under the caret.
    pub fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.label = Some(suggest::printable(text.into()));
        self
    }

    /// Sets the suggestion.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = Some(suggest::printable(text.into()));
        self
    }

    /// Sets the suggestion to "did you mean" where a candidate is near enough to `word`.
    pub fn did_you_mean<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> &mut Self {
        if let Some(near) = suggest(word, candidates) {
            self.help(format!("did you mean `{near}`?"));
        }
        self
    }

    /// Names another place that matters.
    pub fn also(&mut self, place: impl Into<Place>, text: impl Into<String>) -> &mut Self {
        self.related.push((place.into(), suggest::printable(text.into())));
        self
    }

    /// Line and column where it begins, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        self.file.line_column(self.span.start)
    }

    fn order(&self) -> (&str, usize, usize, u8) {
        (&self.file.path, self.span.start, self.span.end, self.severity as u8)
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        self.severity == other.severity
            && self.span == other.span
            && self.file.path == other.file.path
            && self.message == other.message
    }
}

/// So many errors and so many warnings are kept; the rest is counted. A hostile
/// file could have hundreds of thousands.
const MAX_KEPT: usize = 1000;

/// Everything that was found so far.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// Takes the label and help of one that is only counted.
    dropped: Option<Box<Diagnostic>>,
}

impl Diagnostics {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error; the answer takes a label, help and further places.
    pub fn error(
        &mut self,
        place: impl Into<Place>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Severity::Error, place.into(), message.into())
    }

    /// Adds a warning; the answer takes a label, help and further places.
    pub fn warning(
        &mut self,
        place: impl Into<Place>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Severity::Warning, place.into(), message.into())
    }

    fn push(&mut self, severity: Severity, place: Place, message: String) -> &mut Diagnostic {
        let diagnostic = Diagnostic::new(severity, place, message);
        if !self.count(severity) {
            return self.dropped.insert(Box::new(diagnostic));
        }
        let index = self.found.len();
        self.found.push(diagnostic);
        #[expect(clippy::indexing_slicing, reason = "the line above pushed this very index")]
        &mut self.found[index]
    }

    /// Counts one more, and says whether it is to be kept.
    fn count(&mut self, severity: Severity) -> bool {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        *count <= MAX_KEPT
    }

    /// Moves everything from `other` to here.
    pub fn append(&mut self, other: Self) {
        for diagnostic in other.found {
            if self.count(diagnostic.severity) {
                self.found.push(diagnostic);
            }
        }
        // What the other only counted is only counted here too.
        self.errors += other.errors.saturating_sub(MAX_KEPT);
        self.warnings += other.warnings.saturating_sub(MAX_KEPT);
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many, before those that say the same are told once.
    pub fn len(&self) -> usize {
        self.errors + self.warnings
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// By file, then place; what was said twice about one place stands once.
    /// At most a thousand errors and as many warnings.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.found.iter().collect();
        sorted.sort_by(|a, b| a.order().cmp(&b.order()).then_with(|| a.message.cmp(&b.message)));
        sorted.dedup_by(|later, earlier| later.says_the_same_as(earlier));
        sorted
    }
}

#[cfg(test)]
mod tests;
