//! From a byte of a string's value to its bytes in the file.

use std::ops::Range;

use super::shape::Style;

/// The bytes of `written` (a scalar as it stands in the file) that `range` of
/// its `value` came from; none where the two can't be laid side by side.
///
/// Both are walked together. Escapes and doubled quotes are one character of
/// the value; where they differ in white space (indentation, folded lines),
/// that of the file is skipped. Places of white space itself may be off by a
/// little, those of anything else are exact.
pub(super) fn locate(
    written: &str,
    value: &str,
    style: Style,
    range: Range<usize>,
) -> Option<Range<usize>> {
    let mut scanner = Scanner { written, at: 0, style };
    if matches!(style, Style::SingleQuoted | Style::DoubleQuoted) {
        scanner.at = 1;
    }
    let mut start = None;
    let mut end = scanner.at;
    for (at, character) in value.char_indices() {
        if at >= range.end && start.is_some() {
            break;
        }
        let unit = match scanner.unit_for(character) {
            Some(unit) => unit,
            // Only the line breaks that end a block have no trace in its span.
            None if character.is_whitespace() => scanner.at..scanner.at,
            None => return None,
        };
        if at >= range.start && start.is_none() {
            start = Some(unit.start);
        }
        if at < range.end || range.is_empty() {
            end = unit.end;
        }
    }
    let start = start.unwrap_or(end);
    Some(start..if range.is_empty() { start } else { end.max(start) })
}

struct Scanner<'w> {
    written: &'w str,
    at: usize,
    style: Style,
}

impl Scanner<'_> {
    /// The bytes that stand for the value's next character.
    fn unit_for(&mut self, character: char) -> Option<Range<usize>> {
        loop {
            let rest = self.written.get(self.at..)?;
            let next = rest.chars().next()?;
            let escape = self.escape(rest);
            if let Some(length) = escape {
                let start = self.at;
                self.at += length;
                // A backslash before a line break joins two lines.
                if rest.starts_with("\\\n") || rest.starts_with("\\\r") {
                    continue;
                }
                return Some(start..self.at);
            }
            let matches = next == character || (next.is_whitespace() && character.is_whitespace());
            if !matches && !next.is_whitespace() {
                return None;
            }
            let start = self.at;
            self.at += next.len_utf8();
            if matches {
                return Some(start..self.at);
            }
        }
    }

    /// How many bytes the escape that begins here has.
    fn escape(&self, rest: &str) -> Option<usize> {
        match self.style {
            Style::SingleQuoted => rest.starts_with("''").then_some(2),
            Style::DoubleQuoted => {
                let code = rest.strip_prefix('\\')?.chars().next()?;
                Some(match code {
                    'x' => 4,
                    'u' => 6,
                    'U' => 10,
                    other => 1 + other.len_utf8(),
                })
            }
            Style::Plain | Style::Block => None,
        }
    }
}
