//! Why a reported signal was refused: each names the place and the mend.

use std::sync::Arc;

use crate::model::{Catalog, EntityDecl, Seconds};
use crate::signals::cache::Refused;

/// Why a signal, or a whole report, was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    #[error("unknown entity kind `{got}`{}", hint(.suggestion))]
    UnknownKind { got: String, suggestion: Option<Arc<str>> },
    #[error("unknown signal `{kind}.{got}`{}", hint(.suggestion))]
    UnknownSignal { kind: Arc<str>, got: String, suggestion: Option<Arc<str>> },
    #[error("the entity id must have 1 to 1024 bytes and no NUL; this one has {len} bytes")]
    EntityId { len: usize },
    #[error("`observed_at` is {ahead:.0} s ahead of this server's clock; at most 300 s are taken")]
    FutureTime { ahead: Seconds },
    #[error("`observed_at` is before 1970")]
    AncientTime,
    #[error("`{name}`: expected {expected}, got {got}")]
    WrongType { name: Arc<str>, expected: &'static str, got: &'static str },
    #[error("`{name}`: `{got}` is not one of {}", list(.values))]
    NotOneOf { name: Arc<str>, got: String, values: Vec<Arc<str>> },
    #[error("`{name}`: must be a finite number")]
    NotFinite { name: Arc<str> },
    #[error("`{name}`: expected an RFC 3339 string, as `2026-06-01T09:00:00Z`, got `{got}`")]
    NotATimestamp { name: Arc<str>, got: String },
    #[error(
        "`{name}`: expected an RFC 3339 string, as `2026-06-01T09:00:00Z`, got a number \
         (it doesn't say whether seconds or milliseconds)"
    )]
    BareTimestamp { name: Arc<str> },
    #[error(
        "`{name}`: expected seconds as a number, or a string as `30s`, `5m`, `24h`, `28d`, got `{got}`"
    )]
    NotADuration { name: Arc<str>, got: String },
    #[error("`{name}`: latitude must be within -90 to 90 and longitude within -180 to 180")]
    OffTheGlobe { name: Arc<str> },
    #[error("`{name}`: a string of {len} bytes; at most 4096 are taken")]
    TooLong { name: Arc<str>, len: usize },
    #[error("`{name}`: a set of {len} members; at most 256 are taken")]
    TooManyMembers { name: Arc<str>, len: usize },
    #[error("`{name}`: a member of the set contains NUL")]
    NulInSet { name: Arc<str> },
    #[error("{0}")]
    Cache(Refused),
}

impl Rejection {
    pub(super) fn unknown_kind(catalog: &Catalog, got: &str) -> Self {
        let suggestion = nearest(got, catalog.entities.iter().map(|e| &e.name));
        Rejection::UnknownKind { got: shown(got), suggestion }
    }

    pub(super) fn unknown_signal(catalog: &Catalog, entity: &EntityDecl, got: &str) -> Self {
        let names = catalog.signals().iter().filter(|s| s.kind == entity.kind).map(|s| &s.name);
        let suggestion = nearest(got, names);
        Rejection::UnknownSignal { kind: entity.name.clone(), got: shown(got), suggestion }
    }

    /// The reason as a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Rejection::UnknownKind { .. } => "unknown_kind",
            Rejection::UnknownSignal { .. } => "unknown_signal",
            Rejection::EntityId { .. } => "entity_id",
            Rejection::FutureTime { .. } => "future_time",
            Rejection::AncientTime => "ancient_time",
            Rejection::WrongType { .. }
            | Rejection::NotATimestamp { .. }
            | Rejection::BareTimestamp { .. }
            | Rejection::NotADuration { .. } => "wrong_type",
            Rejection::NotOneOf { .. } => "not_one_of",
            Rejection::NotFinite { .. } => "not_finite",
            Rejection::OffTheGlobe { .. } => "off_the_globe",
            Rejection::TooLong { .. }
            | Rejection::TooManyMembers { .. }
            | Rejection::NulInSet { .. } => "too_long",
            Rejection::Cache(Refused::Full) => "cache_full",
            Rejection::Cache(_) => "cache",
        }
    }
}

/// How much of a sender's own text an answer repeats (bytes).
const MAX_SHOWN: usize = 64;

/// A sender's text, cut so that answers and logs stay short.
pub(super) fn shown(text: &str) -> String {
    if text.len() <= MAX_SHOWN {
        return text.to_owned();
    }
    let end = (0..=MAX_SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// The name that was probably meant.
fn nearest<'n>(got: &str, names: impl Iterator<Item = &'n Arc<str>>) -> Option<Arc<str>> {
    // A long name is no slip of a declared one, and comparing it costs.
    if got.len() > MAX_SHOWN {
        return None;
    }
    names
        .map(|name| (strsim::jaro_winkler(got, name), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name.clone())
}

fn hint(suggestion: &Option<Arc<str>>) -> String {
    suggestion.as_ref().map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

fn list(values: &[Arc<str>]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}
