//! A document's values, each with its place.
//!
//! `serde_yaml` is read along the index of places, in step: a value is only
//! ever paired with the place where both parsers saw it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde_yaml::Value;

use super::shape::{ByteOffsets, Shape, SpanNode, Style};
use super::spans;
use crate::policy::diagnostic::{Diagnostics, Place, SourceFile};

/// A value as `serde_yaml` reads it, with its bytes in the file.
#[derive(Clone, Debug)]
pub struct Yaml {
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Null, a bool, a number or a string.
    Scalar(Value, Style),
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

const DISAGREE: &str = "this can be read as YAML in more than one way";

/// The documents of a file, up to the first one that can't be read; empty ones are left out.
pub(super) fn read(
    file: &Arc<SourceFile>,
    budget: &mut usize,
    diagnostics: &mut Diagnostics,
) -> Vec<Yaml> {
    let mut index_errors = Diagnostics::new();
    let indexed = spans::index(file, budget, &mut index_errors);
    // After a mistake the index ends early: what follows it was not checked
    // against the limits and must not reach the second parser.
    let broken = index_errors.has_errors();
    diagnostics.append(index_errors);

    let mut documents = Vec::new();
    let mut values = serde_yaml::Deserializer::from_str(&file.text);
    for node in &indexed {
        let disagreement = RefCell::new(None);
        let seed = Seed { node, disagreement: &disagreement };
        let Some(document) = values.next() else {
            diagnostics.error(place(file, node.span.clone()), DISAGREE);
            return documents;
        };
        match seed.deserialize(document) {
            Ok(yaml) if is_empty(&yaml) => {}
            Ok(yaml) => documents.push(yaml),
            Err(error) => {
                let at = disagreement.into_inner();
                report(file, diagnostics, node, at, &error);
                return documents;
            }
        }
    }
    if !broken && let Some(rest) = values.next() {
        match Value::deserialize(rest) {
            Ok(Value::Null) => {}
            Ok(_) => {
                let end = file.text.len();
                diagnostics.error(place(file, end..end), DISAGREE);
            }
            Err(error) => {
                let span = location(file, &error).unwrap_or(0..0);
                diagnostics.error(place(file, span), format!("not valid YAML: {error}"));
            }
        }
    }
    documents
}

fn place(file: &Arc<SourceFile>, span: Range<usize>) -> Place {
    Place { file: Arc::clone(file), span }
}

fn is_empty(yaml: &Yaml) -> bool {
    matches!(yaml.content, Content::Scalar(Value::Null, _))
}

fn report(
    file: &Arc<SourceFile>,
    diagnostics: &mut Diagnostics,
    node: &SpanNode,
    disagreement: Option<Range<usize>>,
    error: &serde_yaml::Error,
) {
    if let Some(span) = disagreement {
        diagnostics
            .error(place(file, span), DISAGREE)
            .help("put quotes around texts with unusual characters or line breaks");
        return;
    }
    let span = location(file, error).unwrap_or_else(|| node.span.clone());
    diagnostics.error(place(file, span), format!("not valid YAML: {error}"));
}

fn location(file: &SourceFile, error: &serde_yaml::Error) -> Option<Range<usize>> {
    // "The byte index", says its documentation; libyaml counts characters.
    let at = ByteOffsets::of(&file.text).byte(error.location()?.index());
    let next = file.text.get(at..).and_then(|rest| rest.chars().next());
    Some(at..at + next.map_or(0, char::len_utf8))
}

/// Reads the value that stands at `node`.
#[derive(Clone, Copy)]
struct Seed<'s> {
    node: &'s SpanNode,
    disagreement: &'s RefCell<Option<Range<usize>>>,
}

impl<'s> Seed<'s> {
    fn at(self, node: &'s SpanNode) -> Self {
        Self { node, ..self }
    }

    fn yaml(self, content: Content) -> Yaml {
        Yaml { span: self.node.span.clone(), content }
    }

    fn disagree<E: Error>(self, span: &Range<usize>) -> E {
        *self.disagreement.borrow_mut() = Some(span.clone());
        E::custom(DISAGREE)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Yaml;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        let Shape::Scalar { text, style } = &self.node.shape else {
            return deserializer.deserialize_any(self);
        };
        let value = match Value::deserialize(deserializer)? {
            // Reported by the index; reading on finds the document's other mistakes.
            Value::Tagged(tagged) => tagged.value,
            value => value,
        };
        match &value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(read) if read == text => {}
            _ => return Err(self.disagree(&self.node.span)),
        }
        Ok(self.yaml(Content::Scalar(value, *style)))
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.node.shape {
            Shape::Scalar { .. } => "a scalar",
            Shape::Sequence(_) => "a list",
            Shape::Mapping(_) => "a mapping",
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let Shape::Sequence(nodes) = &self.node.shape else {
            return Err(self.disagree(&self.node.span));
        };
        let mut items = Vec::with_capacity(nodes.len());
        for node in nodes {
            match access.next_element_seed(self.at(node))? {
                Some(item) => items.push(item),
                None => return Err(self.disagree(&node.span)),
            }
        }
        match access.next_element::<IgnoredAny>()? {
            Some(_) => Err(self.disagree(&self.node.span)),
            None => Ok(self.yaml(Content::Sequence(items))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let Shape::Mapping(entries) = &self.node.shape else {
            return Err(self.disagree(&self.node.span));
        };
        let mut pairs = Vec::with_capacity(entries.len());
        for entry in entries {
            let span = &entry.key.span;
            match access.next_key::<Value>()? {
                None => return Err(self.disagree(span)),
                Some(Value::String(key)) if !entry.refused && key != entry.key.text => {
                    return Err(self.disagree(span));
                }
                Some(_) => {}
            }
            let value = access.next_value_seed(self.at(&entry.value))?;
            if !entry.refused {
                let key = entry.key.text.clone();
                pairs.push(Pair { key, key_span: span.clone(), value });
            }
        }
        match access.next_key::<IgnoredAny>()? {
            Some(_) => Err(self.disagree(&self.node.span)),
            None => Ok(self.yaml(Content::Mapping(pairs))),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Yaml, A::Error> {
        let (_, content) = access.variant::<IgnoredAny>()?;
        content.newtype_variant_seed(self)
    }
}
