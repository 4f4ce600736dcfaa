//! A view put on record, so that its decision can be replayed bit for bit.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::snapshot::{PolicyId, Snapshot};
use crate::model::{PackedSet, Reading, SlotId, Timestamp, Value, View};

/// Everything that an evaluation read, owned: by slot name, so that it can be
/// read by people and by a later build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedView {
    pub policy: String,
    pub revision: String,
    /// Milliseconds since the Unix epoch.
    pub now: i64,
    pub enforces_limits: bool,
    /// The slots that had a value; all others were missing.
    pub slots: BTreeMap<String, RecordedReading>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedReading {
    #[serde(flatten)]
    pub value: RecordedValue,
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub freshness: f64,
}

fn whole() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_whole(freshness: &f64) -> bool {
    *freshness == 1.0
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "value")]
pub enum RecordedValue {
    None,
    Bool(bool),
    Number(f64),
    /// JSON has no infinities.
    Infinity,
    NegativeInfinity,
    Text(String),
    Timestamp(i64),
    Duration(f64),
    Address(IpAddr),
    Location(f32, f32),
    Set(String),
}

impl RecordedView {
    /// Records what the policy read. Results of composed policies are left out:
    /// a replay computes them anew.
    pub fn record(snapshot: &Snapshot, id: PolicyId, view: &View<'_>) -> Option<Self> {
        let policy = snapshot.policy(id)?;
        let mut slots = BTreeMap::new();
        for slot in &policy.reads {
            let reading = view.read(*slot);
            let Some(declared) = snapshot.slots.get(slot.0 as usize) else { continue };
            if matches!(declared.source, crate::model::Source::Policy { .. }) {
                continue;
            }
            if let Some(value) = own(reading.value) {
                let recorded = RecordedReading { value, freshness: reading.freshness };
                slots.insert(declared.name.to_string(), recorded);
            }
        }
        Some(RecordedView {
            policy: policy.name.to_string(),
            revision: snapshot.revision.to_string(),
            now: view.now.millis(),
            enforces_limits: view.enforces_limits,
            slots,
        })
    }

    /// The view again, for a snapshot of the same revision.
    pub fn view<'v>(&'v self, snapshot: &Snapshot) -> View<'v> {
        let now = Timestamp::from_millis(self.now);
        let mut view = View::new(snapshot.slots.len(), now, self.enforces_limits);
        for (at, slot) in snapshot.slots.iter().enumerate() {
            if let (Some(recorded), Ok(id)) = (self.slots.get(&*slot.name), u32::try_from(at)) {
                let value = borrow(&recorded.value);
                view.fill(SlotId(id), Reading { value, freshness: recorded.freshness });
            }
        }
        view
    }

    /// The policy recorded, in this snapshot.
    pub fn policy(&self, snapshot: &Snapshot) -> Option<PolicyId> {
        snapshot.find(&Arc::<str>::from(&*self.policy))
    }
}

fn own(value: Value<'_>) -> Option<RecordedValue> {
    Some(match value {
        Value::Missing => return None,
        Value::None => RecordedValue::None,
        Value::Bool(b) => RecordedValue::Bool(b),
        Value::Number(x) if x == f64::INFINITY => RecordedValue::Infinity,
        Value::Number(x) if x == f64::NEG_INFINITY => RecordedValue::NegativeInfinity,
        Value::Number(x) => RecordedValue::Number(x),
        Value::Text(text) => RecordedValue::Text(text.to_owned()),
        Value::Timestamp(at) => RecordedValue::Timestamp(at.millis()),
        Value::Duration(seconds) => RecordedValue::Duration(seconds),
        Value::Address(ip) => RecordedValue::Address(ip),
        Value::Location { latitude, longitude } => RecordedValue::Location(latitude, longitude),
        Value::Set(set) => RecordedValue::Set(set.as_packed().to_owned()),
    })
}

fn borrow(value: &RecordedValue) -> Value<'_> {
    match value {
        RecordedValue::None => Value::None,
        RecordedValue::Bool(b) => Value::Bool(*b),
        RecordedValue::Number(x) => Value::number(*x),
        RecordedValue::Infinity => Value::Number(f64::INFINITY),
        RecordedValue::NegativeInfinity => Value::Number(f64::NEG_INFINITY),
        RecordedValue::Text(text) => Value::Text(text),
        RecordedValue::Timestamp(at) => Value::Timestamp(Timestamp::from_millis(*at)),
        RecordedValue::Duration(seconds) => Value::Duration(*seconds),
        RecordedValue::Address(ip) => Value::Address(*ip),
        RecordedValue::Location(latitude, longitude) => {
            Value::Location { latitude: *latitude, longitude: *longitude }
        }
        RecordedValue::Set(packed) => Value::Set(PackedSet::from_packed(packed)),
    }
}
