//! Numbering: each thing that an expression can read becomes one slot.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::measures::Measures;
use crate::model::{Constant, GeoField, GeoQuery, Slot, SlotId, Source, Type};

/// The slots of a snapshot while it is built. A slot is known by its name, the
/// text that policies read it by.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    /// What is to be learned for some of them.
    pub(super) measures: Measures<'a>,
    /// The user agent, where the catalog says what it is.
    pub(super) user_agent: Option<SlotId>,
    slots: Vec<Slot>,
    by_name: HashMap<Arc<str>, SlotId>,
    geo_queries: HashMap<SlotId, u16>,
}

impl<'a> Slots<'a> {
    pub(super) fn new(measures: Measures<'a>) -> Self {
        Slots {
            measures,
            user_agent: None,
            slots: Vec::new(),
            by_name: HashMap::new(),
            geo_queries: HashMap::new(),
        }
    }

    /// The slot of this name, made on first sight.
    pub(super) fn intern(
        &mut self,
        name: &str,
        source: Source,
        ty: Type,
        can_be_missing: bool,
    ) -> SlotId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        // Expressions are bounded in number and size, so 32 bits can't run out.
        let id = SlotId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let name: Arc<str> = name.into();
        self.slots.push(Slot { name: name.clone(), source, ty, can_be_missing });
        self.by_name.insert(name, id);
        id
    }

    /// A constant argument of a call site.
    pub(super) fn constant(&mut self, constant: Constant) -> SlotId {
        let (name, ty) = match &constant {
            Constant::Text(text) => (format!("{text:?}"), Type::Text),
            Constant::Number(x) => (x.to_string(), Type::Number),
            Constant::Bool(b) => (b.to_string(), Type::Bool),
        };
        self.intern(&name, Source::Constant(constant), ty, false)
    }

    /// `geo(address).field`
    pub(super) fn geo(&mut self, address: SlotId, field: GeoField, name: &str) -> SlotId {
        let next = u16::try_from(self.geo_queries.len()).unwrap_or(u16::MAX);
        let index = *self.geo_queries.entry(address).or_insert(next);
        let source = Source::Geo { query: GeoQuery { index, address }, field };
        self.intern(name, source, field.value_type(), true)
    }

    pub(super) fn get(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(id.0 as usize)
    }

    /// Adds a slot and, before it, the slots that fill it.
    pub(super) fn close(&self, id: SlotId, into: &mut BTreeSet<SlotId>) {
        if !into.insert(id) {
            return;
        }
        for read in self.get(id).map(|slot| slot.source.reads()).unwrap_or_default() {
            self.close(read, into);
        }
    }

    pub(super) fn finish(self) -> Vec<Slot> {
        self.slots
    }
}
