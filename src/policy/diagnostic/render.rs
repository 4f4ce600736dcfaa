//! Diagnostics as people read them: source line, caret, help.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Place, Severity, SourceFile};

/// More than this are counted rather than shown: nobody reads the rest.
const MAX_SHOWN: usize = 100;
/// Longer source lines are cut in JSON.
const MAX_LINE: usize = 300;

impl Diagnostic {
    /// The finding with its source line and a caret, in colour for terminals if asked.
    pub fn render(&self, coloured: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let main = Place { file: self.file.clone(), span: self.span.clone() };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        let same_file = |place: &Place| place.file.path == self.file.path;
        let mut marks = vec![(&main, AnnotationKind::Primary, self.label.as_deref())];
        for (place, text) in self.related.iter().filter(|(place, _)| same_file(place)) {
            marks.push((place, AnnotationKind::Context, Some(text.as_str())));
        }
        group = add_snippet(group, &self.file, &marks);
        for (place, text) in self.related.iter().filter(|(place, _)| !same_file(place)) {
            let marks = [(place, AnnotationKind::Context, Some(text.as_str()))];
            group = add_snippet(group, &place.file, &marks);
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }
}

impl Diagnostics {
    /// All of them, sorted, with a blank line between; the rest beyond a hundred is counted.
    pub fn render(&self, coloured: bool) -> String {
        let sorted = self.sorted();
        let shown: Vec<String> =
            sorted.iter().take(MAX_SHOWN).map(|found| found.render(coloured)).collect();
        let mut text = shown.join("\n\n");
        let only_counted = self.len() - self.found.len();
        let rest = sorted.len().saturating_sub(MAX_SHOWN) + only_counted;
        if rest > 0 {
            text.push_str(&format!("\n\nand {rest} more"));
        }
        text
    }
}

/// A line fit for JSON: cut where it is very long.
pub(super) fn shortened(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or(line)),
        None => line.to_owned(),
    }
}

type Mark<'d> = (&'d Place, AnnotationKind, Option<&'d str>);

/// Quotes only the lines that are marked: a file may have megabytes.
fn add_snippet<'d>(group: Group<'d>, file: &'d SourceFile, marks: &[Mark<'d>]) -> Group<'d> {
    if file.text.is_empty() {
        return group.element(Origin::path(file.path.as_str()));
    }
    let line = |place: &Place| file.line_column(place.span.start).0;
    let first = marks.iter().map(|(place, ..)| line(place)).min().unwrap_or(1);
    let last = marks.iter().map(|(place, ..)| line(place)).max().unwrap_or(1);
    let window = file.lines(first, last);
    let text = file.text.get(window.clone()).unwrap_or("");
    let annotations = marks.iter().map(|(place, kind, label)| -> Annotation<'d> {
        let start = file.boundary(place.span.start);
        // A mapping of a hundred lines is marked at its first.
        let here = file.lines(line(place), line(place));
        let trimmed = file.text.get(here.clone()).unwrap_or("").trim_end();
        let end = file.boundary(place.span.end).min(here.start + trimmed.len()).max(start);
        let within = |byte: usize| byte.saturating_sub(window.start).min(text.len());
        kind.span(within(start)..within(end)).label(*label)
    });
    group.element(
        Snippet::source(text).line_start(first).path(file.path.as_str()).annotations(annotations),
    )
}
