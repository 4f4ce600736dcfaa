//! Diagnostics as `--json` and `/status` give them.

use serde::{Serialize, Serializer};

use super::{Diagnostic, Diagnostics, Severity, render};

#[derive(Serialize)]
struct Shown<'d> {
    file: &'d str,
    line: usize,
    column: usize,
    severity: &'static str,
    message: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'d str>,
    source_line: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'d>>,
}

#[derive(Serialize)]
struct Related<'d> {
    file: &'d str,
    line: usize,
    column: usize,
    message: &'d str,
}

impl Severity {
    /// `error` or `warning`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (line, column) = self.line_column();
        let related = self.related.iter().map(|(place, message)| {
            let (line, column) = place.file.line_column(place.span.start);
            Related { file: &place.file.path, line, column, message }
        });
        Shown {
            file: &self.file.path,
            line,
            column,
            severity: self.severity.name(),
            message: &self.message,
            label: self.label.as_deref(),
            help: self.help.as_deref(),
            source_line: render::shortened(self.file.line(line)),
            related: related.collect(),
        }
        .serialize(serializer)
    }
}

impl Serialize for Diagnostics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.sorted())
    }
}
