//! A file as diagnostics quote it.

use std::ops::Range;

/// A file's path as it is shown, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    /// Without a byte order mark; all spans count bytes of this text.
    pub text: String,
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// `text` must have lost its byte order mark already.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { path: path.into(), text, line_starts }
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    /// A byte past the end is the end; one inside a character is that character.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= byte.min(self.text.len()));
        let start = line.checked_sub(1).and_then(|index| self.line_starts.get(index));
        let start = start.copied().unwrap_or(0);
        let before = self.text.get(start..self.boundary(byte)).unwrap_or("");
        (line.max(1), before.chars().count() + 1)
    }

    /// The text of a line (from 1) without its line break.
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|index| self.line_starts.get(index)) else {
            return "";
        };
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.text.get(*start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// The bytes of the lines `first..=last` (from 1).
    pub(super) fn lines(&self, first: usize, last: usize) -> Range<usize> {
        let at = |line: usize| self.line_starts.get(line).copied().unwrap_or(self.text.len());
        at(first.saturating_sub(1))..at(last)
    }

    /// The nearest character boundary at or before a byte.
    pub(super) fn boundary(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }
}
