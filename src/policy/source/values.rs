//! A document's values, each with its place.

use std::ops::Range;

use super::spans::Style;

/// A value as `serde_yaml` reads it, with its bytes in the file.
#[derive(Clone, Debug)]
pub struct Yaml {
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Null, a bool, a number or a string.
    Scalar(serde_yaml::Value, Style),
    Sequence(Vec<Yaml>),
    Mapping(Vec<Pair>),
}

#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// As it is written, without quotes.
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Yaml,
}
