//! What was announced of the request's entities.

use super::LookUp;
use crate::model::{EntityKind, ExpectedField, SignalId, Value};
use crate::signals::expected::{packed_windows, read};

/// What a slot asks of an entity's windows.
pub(super) struct Asked<'s, 'v> {
    pub(super) kind: EntityKind,
    pub(super) signal: SignalId,
    pub(super) change: &'s str,
    pub(super) value: Option<Value<'v>>,
    pub(super) field: ExpectedField,
}

impl<'v> LookUp<'v, '_> {
    pub(super) fn expected(&mut self, asked: &Asked<'_, '_>) -> Value<'v> {
        let Asked { kind, signal, change, value, field } = *asked;
        // Of almost all entities nothing is announced: found out once for all slots.
        if !self.unannounced.contains(kind) {
            let record = self.record(kind);
            match record.and_then(|record| packed_windows(record, signal)) {
                Some(windows) => return read(windows, change, value, field, self.request.now),
                None => self.unannounced.insert(kind),
            }
        }
        match field {
            ExpectedField::InForce => Value::Bool(false),
            ExpectedField::Until | ExpectedField::Reference => Value::Missing,
        }
    }
}
