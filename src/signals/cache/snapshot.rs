//! An entity as people see it.

use std::sync::Arc;

use super::Cache;
use crate::model::{
    EXPECTED_SIGNAL, EntityKind, Seconds, SignalType, Timestamp, Value, Vocabulary,
};

/// All that is known about one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct EntitySnapshot {
    pub kind: Arc<str>,
    pub id: String,
    pub signals: Vec<SignalSnapshot>,
}

/// One signal of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalSnapshot {
    /// Without the entity kind.
    pub name: Arc<str>,
    pub ty: SignalType,
    pub value: OwnedValue,
    pub observed_at: Timestamp,
}

/// A signal's value, on its own.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnedValue {
    /// Known to be absent.
    None,
    Bool(bool),
    Number(f64),
    Text(String),
    Timestamp(Timestamp),
    Duration(Seconds),
    Location {
        latitude: f32,
        longitude: f32,
    },
    Set(Vec<String>),
}

impl OwnedValue {
    /// `None` for what no signal can be: a missing value, a bare address.
    pub fn of(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Missing | Value::Address(_) => return None,
            Value::None => OwnedValue::None,
            Value::Bool(x) => OwnedValue::Bool(x),
            Value::Number(x) => OwnedValue::Number(x),
            Value::Text(text) => OwnedValue::Text(text.to_owned()),
            Value::Timestamp(at) => OwnedValue::Timestamp(at),
            Value::Duration(span) => OwnedValue::Duration(span),
            Value::Location { latitude, longitude } => OwnedValue::Location { latitude, longitude },
            Value::Set(set) => OwnedValue::Set(set.members().map(str::to_owned).collect()),
        })
    }
}

impl Cache {
    /// All that is known about an entity, sorted by name. Not counted as asking
    /// for it.
    pub fn snapshot(
        &self,
        vocabulary: &Vocabulary,
        kind: EntityKind,
        id: &str,
    ) -> Option<EntitySnapshot> {
        let held = self.read(kind, id)?;
        let record = held.record()?;
        let mut signals: Vec<SignalSnapshot> = record
            .cells()
            .filter_map(|cell| {
                let (_, name, ty) = vocabulary.describe(cell.signal)?;
                // Announced, not reported: who may announce is shown it.
                if &*name == EXPECTED_SIGNAL {
                    return None;
                }
                let value = OwnedValue::of(cell.value)?;
                Some(SignalSnapshot { name, ty, value, observed_at: cell.observed_at })
            })
            .collect();
        signals.sort_by(|a, b| a.name.cmp(&b.name));
        Some(EntitySnapshot { kind: vocabulary.kind_name(kind)?, id: id.to_owned(), signals })
    }
}
