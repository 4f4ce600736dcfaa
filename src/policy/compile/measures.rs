//! What the catalog and the policies want learned: each thing once, whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Presence;
use crate::model::{
    EntityKind, LinkMeasure, Linked, Measure, MeasureId, Measured, Plan, TravelFrom, Vocabulary,
};

/// The measures of a snapshot while it is built.
#[derive(Debug)]
pub(super) struct Measures<'a> {
    vocabulary: &'a Vocabulary,
    measures: Vec<Measure>,
    links: Vec<LinkMeasure>,
    /// Kinds that learn from being named in a request, and from where.
    presences: BTreeMap<EntityKind, Option<TravelFrom>>,
}

impl<'a> Measures<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary) -> Self {
        Measures { vocabulary, measures: Vec::new(), links: Vec::new(), presences: BTreeMap::new() }
    }

    /// The measure of this name, made on first sight; `None` where there are too many.
    pub(super) fn want(
        &mut self,
        kind: EntityKind,
        name: String,
        of: Measured,
    ) -> Option<MeasureId> {
        let id = self.vocabulary.measure(&name)?;
        if of.signal().is_none() {
            self.presences.entry(kind).or_default();
        }
        if !self.measures.iter().any(|measure| measure.id == id) {
            self.measures.push(Measure { id, kind, name: Arc::from(name), of });
        }
        Some(id)
    }

    /// What is asked of the links, as `want`.
    pub(super) fn want_linked(
        &mut self,
        kind: EntityKind,
        name: &str,
        of: Linked,
    ) -> Option<MeasureId> {
        let id = self.vocabulary.measure(name)?;
        if !self.links.iter().any(|measure| measure.id == id) {
            self.links.push(LinkMeasure { id, kind, of });
        }
        Some(id)
    }

    /// Requests that name an entity of the kind teach where it is, as these slots say.
    pub(super) fn seen_from(&mut self, kind: EntityKind, from: TravelFrom) {
        self.presences.entry(kind).or_default().get_or_insert(from);
    }

    pub(super) fn presences(&self) -> Vec<Presence> {
        self.presences.iter().map(|(kind, from)| Presence { kind: *kind, from: *from }).collect()
    }

    pub(super) fn plan(&self) -> Plan {
        let mut plan = Plan::new(self.measures.clone());
        plan.links.measures.clone_from(&self.links);
        plan
    }
}
