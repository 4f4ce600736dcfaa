//! A label as callers write it, and what makes it one.

use serde::Deserialize;

use crate::model::{Catalog, Timestamp, Vocabulary, suggest};
use crate::signals::{Label, MAX_AHEAD, MAX_ID, canonical_id};

/// A longer note is refused (bytes).
const MAX_NOTE: usize = 1024;

/// A label as a caller names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'l> {
    pub(super) kind: &'l str,
    pub(super) id: &'l str,
    pub(super) bad: bool,
    /// Left out: now.
    pub(super) at: Option<Timestamp>,
    pub(super) note: &'l str,
}

impl Named<'_> {
    /// The label that this means at `now`.
    ///
    /// # Errors
    /// Why there can be no such label.
    pub(super) fn label(
        &self,
        vocabulary: &Vocabulary,
        catalog: Option<&Catalog>,
        now: Timestamp,
    ) -> Result<Label, String> {
        let Some(kind) = vocabulary.find_kind(self.kind) else {
            let name: String = self.kind.chars().take(100).collect();
            let known = catalog.into_iter().flat_map(|c| c.entities.iter().map(|e| &*e.name));
            let near = suggest(self.kind, known).map(|near| format!("; did you mean `{near}`?"));
            return Err(format!("unknown entity kind `{name}`{}", near.unwrap_or_default()));
        };
        let id = canonical_id(self.kind, self.id);
        if id.is_empty() || id.len() > MAX_ID || id.contains('\0') {
            return Err(format!(
                "`entity.id` is of 1 to {MAX_ID} bytes, without a zero among them"
            ));
        }
        if self.note.len() > MAX_NOTE {
            return Err(format!("`note` is of at most {MAX_NOTE} bytes"));
        }
        let at = self.at.unwrap_or(now);
        if at.seconds_since(now) > MAX_AHEAD || at < Timestamp::EPOCH {
            return Err("`at` is ahead of now, or before 1970".to_owned());
        }
        Ok(Label { kind, id: id.as_ref().into(), bad: self.bad, at })
    }
}

/// `{"entity": {"type": "user", "id": "u1"}, "label": "fraud", "at": ..., "note": ...}`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonLabel {
    entity: JsonEntity,
    label: JsonVerdict,
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    note: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEntity {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum JsonVerdict {
    Fraud,
    Legitimate,
}

impl JsonLabel {
    /// The label that this means at `now`.
    ///
    /// # Errors
    /// Why there can be no such label.
    pub fn label(
        &self,
        vocabulary: &Vocabulary,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<Label, String> {
        self.named()?.label(vocabulary, Some(catalog), now)
    }

    pub(super) fn named(&self) -> Result<Named<'_>, String> {
        let at = match &self.at {
            None => None,
            Some(text) => {
                let read = text.parse::<jiff::Timestamp>();
                let read = read.map(|at| Timestamp::from_millis(at.as_millisecond()));
                Some(read.map_err(|_| "`at`: expected an RFC 3339 time".to_owned())?)
            }
        };
        let bad = self.label == JsonVerdict::Fraud;
        Ok(Named { kind: &self.entity.kind, id: &self.entity.id, bad, at, note: &self.note })
    }
}
