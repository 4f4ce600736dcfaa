//! What a value is expected to be, and what to say where it is not.

use super::node::{Entry, Names, Node};
use crate::model::{Seconds, Timestamp};
use crate::policy::cel::Expr;
use crate::policy::diagnostic::Diagnostics;

#[expect(unused_variables, reason = "the bodies follow")]
impl<'a> Node<'a> {
    /// A mapping with free keys, in the order of the document.
    pub fn entries(self, diagnostics: &mut Diagnostics) -> Option<Vec<Entry<'a>>> {
        None
    }

    /// The items of a sequence.
    pub fn items(self, diagnostics: &mut Diagnostics) -> Option<Vec<Node<'a>>> {
        None
    }

    /// A string.
    pub fn string(self, diagnostics: &mut Diagnostics) -> Option<&'a str> {
        None
    }

    /// A finite number.
    pub fn number(self, diagnostics: &mut Diagnostics) -> Option<f64> {
        None
    }

    /// A whole number from 0.
    pub fn count(self, diagnostics: &mut Diagnostics) -> Option<u64> {
        None
    }

    /// `true` or `false`.
    pub fn bool(self, diagnostics: &mut Diagnostics) -> Option<bool> {
        None
    }

    /// One of a few words.
    pub fn one_of<T: Clone>(
        self,
        diagnostics: &mut Diagnostics,
        choices: &[(&str, T)],
    ) -> Option<T> {
        None
    }

    /// A duration such as `30s`, `5m`, `1.5h`, `28d`, in seconds.
    pub fn duration(self, diagnostics: &mut Diagnostics) -> Option<Seconds> {
        None
    }

    /// A point in time in RFC 3339.
    pub fn timestamp(self, diagnostics: &mut Diagnostics) -> Option<Timestamp> {
        None
    }

    /// A name.
    pub fn name(self, diagnostics: &mut Diagnostics, names: Names) -> Option<&'a str> {
        None
    }

    /// An expression; a bare number or bool is one too. Its spans count bytes of
    /// the text: [`Node::sub_place`] finds them in the file.
    pub fn expression(self, diagnostics: &mut Diagnostics) -> Option<Expr> {
        None
    }
}

impl<'a> Entry<'a> {
    /// The key, where it is a good name.
    pub fn name(&self, diagnostics: &mut Diagnostics, names: Names) -> Option<&'a str> {
        let _ = (diagnostics, names);
        None
    }
}

/// The seconds of `30s`, `5m`, `24h`, `28d`, `1.5h`: what durations and time windows are written in.
pub fn parse_duration(text: &str) -> Option<Seconds> {
    let _ = text;
    None
}
