//! The tree of places that the values are read along.

use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::Span;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Block,
}

/// A value's place and shape.
#[derive(Debug)]
pub(super) struct SpanNode {
    pub span: Range<usize>,
    pub shape: Shape,
    /// Values from here down, aliases expanded, long texts counting more.
    pub size: usize,
    /// Levels of mappings and sequences from here down, aliases expanded.
    pub height: usize,
}

#[derive(Debug)]
pub(super) enum Shape {
    Scalar { text: String, style: Style },
    Sequence(Vec<Rc<SpanNode>>),
    Mapping(Vec<SpanEntry>),
}

#[derive(Debug)]
pub(super) struct SpanEntry {
    pub key: Key,
    pub value: Rc<SpanNode>,
    /// Has been reported (a duplicate, not a word) and has no value for us.
    pub refused: bool,
}

#[derive(Debug)]
pub(super) struct Key {
    pub text: String,
    pub span: Range<usize>,
}

/// Both YAML parsers count characters; texts are cut by bytes.
pub(super) struct ByteOffsets(Option<Vec<usize>>, usize);

impl ByteOffsets {
    pub(super) fn of(text: &str) -> Self {
        let starts = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self(starts, text.len())
    }

    /// The byte where a character begins; the end for any beyond it.
    pub(super) fn byte(&self, character: usize) -> usize {
        match &self.0 {
            Some(starts) => starts.get(character).copied().unwrap_or(self.1),
            None => character.min(self.1),
        }
    }

    pub(super) fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}
