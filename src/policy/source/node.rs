//! A cursor over a document: values asked for by type, mistakes collected.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::place::locate;
use super::values::{Content, Yaml};
use crate::policy::diagnostic::{Diagnostics, Place, SourceFile, quoted, suggest};

/// A value of a document and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(super) yaml: &'a Yaml,
    pub(super) file: &'a Arc<SourceFile>,
}

/// The YAML type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Sequence,
    Mapping,
}

/// Which names are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `[a-z][a-z0-9_]*`
    Plain,
    /// Dashes too, as in policy names.
    Dashed,
}

/// One entry of a mapping whose keys are free.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// As it is written, without quotes.
    pub key: &'a str,
    pub key_span: Range<usize>,
    /// The value.
    pub node: Node<'a>,
}

/// The entries of a mapping whose keys are known.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    pub(super) node: Node<'a>,
    pub(super) entries: Vec<Entry<'a>>,
}

impl<'a> Node<'a> {
    pub(super) fn new(yaml: &'a Yaml, file: &'a Arc<SourceFile>) -> Self {
        Self { yaml, file }
    }

    /// The bytes of the value in the file.
    pub fn span(self) -> Range<usize> {
        self.yaml.span.clone()
    }

    /// Where the value stands.
    pub fn place(self) -> Place {
        self.place_of(self.span())
    }

    fn place_of(self, span: Range<usize>) -> Place {
        Place { file: Arc::clone(self.file), span }
    }

    /// Where a part of a string stands: `range` counts bytes of the string's
    /// value, the answer those of the file. The whole value where a block or
    /// an escape makes the way back unclear.
    pub fn sub_place(self, range: Range<usize>) -> Place {
        let whole = self.span();
        let written = self.file.text.get(whole.clone()).unwrap_or("");
        let found = match &self.yaml.content {
            Content::Scalar(serde_yaml::Value::String(value), style) => {
                locate(written, value, *style, range)
            }
            Content::Scalar(_, style) => locate(written, written, *style, range),
            _ => None,
        };
        match found {
            Some(found) => self.place_of(whole.start + found.start..whole.start + found.end),
            None => self.place(),
        }
    }

    /// The YAML type.
    pub fn kind(self) -> Kind {
        match &self.yaml.content {
            Content::Sequence(_) => Kind::Sequence,
            Content::Mapping(_) => Kind::Mapping,
            Content::Scalar(value, _) => match value {
                serde_yaml::Value::Bool(_) => Kind::Bool,
                serde_yaml::Value::Number(_) => Kind::Number,
                serde_yaml::Value::String(_) => Kind::String,
                _ => Kind::Null,
            },
        }
    }

    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    pub fn is_string(self) -> bool {
        self.kind() == Kind::String
    }

    pub fn is_number(self) -> bool {
        self.kind() == Kind::Number
    }

    pub fn is_mapping(self) -> bool {
        self.kind() == Kind::Mapping
    }

    pub fn is_sequence(self) -> bool {
        self.kind() == Kind::Sequence
    }

    /// The value without places, for what is passed on as data.
    pub fn to_json(self) -> serde_json::Value {
        json(self.yaml)
    }

    /// A mapping with known keys; any other key is an error with a suggestion.
    pub fn mapping(self, diagnostics: &mut Diagnostics, allowed: &[&str]) -> Option<Fields<'a>> {
        let entries = self.entries(diagnostics)?;
        for entry in entries.iter().filter(|entry| !allowed.contains(&entry.key)) {
            let error =
                diagnostics.error(entry.key_place(), format!("unknown key {}", quoted(entry.key)));
            if suggest(entry.key, allowed.iter().copied()).is_some() {
                error.did_you_mean(entry.key, allowed.iter().copied());
            } else {
                error.help(format!("known here: {}", listed(allowed)));
            }
        }
        Some(Fields { node: self, entries })
    }
}

/// `a`, `b`, `c`
pub(super) fn listed<'w>(words: impl IntoIterator<Item = &'w &'w str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn json(yaml: &Yaml) -> serde_json::Value {
    match &yaml.content {
        Content::Scalar(value, _) => serde_json::to_value(value).unwrap_or_default(),
        Content::Sequence(items) => serde_json::Value::Array(items.iter().map(json).collect()),
        Content::Mapping(pairs) => serde_json::Value::Object(
            pairs.iter().map(|pair| (pair.key.clone(), json(&pair.value))).collect(),
        ),
    }
}

impl<'a> Fields<'a> {
    /// The mapping itself.
    pub fn node(&self) -> Node<'a> {
        self.node
    }

    /// The value of a key, if it is there. A null is there: its reader says what was expected.
    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        self.entry(key).map(|entry| entry.node)
    }

    /// The entry of a key, if it is there.
    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key; its absence is an error at the mapping.
    pub fn required(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Node<'a>> {
        let found = self.get(key);
        if found.is_none() {
            diagnostics.error(self.node, format!("the key `{key}` is missing"));
        }
        found
    }

    /// Texts for people, of which nothing but their type is asked.
    pub fn check_texts(&self, keys: &[&str], diagnostics: &mut Diagnostics) {
        for node in keys.iter().filter_map(|key| self.get(key)) {
            node.string(diagnostics);
        }
    }

    /// All entries in the order of the document.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }
}

impl Entry<'_> {
    /// Where the key stands.
    pub fn key_place(&self) -> Place {
        self.node.place_of(self.key_span.clone())
    }
}

impl From<Node<'_>> for Place {
    fn from(node: Node<'_>) -> Self {
        node.place()
    }
}

impl From<&Node<'_>> for Place {
    fn from(node: &Node<'_>) -> Self {
        node.place()
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "nothing",
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Sequence => "a list",
            Self::Mapping => "a mapping",
        })
    }
}
