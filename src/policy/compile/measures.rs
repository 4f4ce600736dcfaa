//! What the catalog and the policies want learned: each thing once, whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Presence;
use crate::model::{
    ContextFrom, EntityKind, LinkMeasure, Linked, Measure, MeasureId, Measured, Plan, TravelFrom,
    Vocabulary,
};

/// The measures of a snapshot while it is built.
#[derive(Debug)]
pub(super) struct Measures<'a> {
    vocabulary: &'a Vocabulary,
    measures: Vec<Measure>,
    links: Vec<LinkMeasure>,
    /// Kinds that learn from being named in a request, and what of it.
    presences: BTreeMap<EntityKind, Presence>,
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
            self.presence(kind);
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
        self.presence(kind).from.get_or_insert(from);
    }

    /// As well as what they come from and with.
    pub(super) fn seen_in(&mut self, kind: EntityKind, context: ContextFrom) {
        self.presence(kind).context.get_or_insert(context);
    }

    fn presence(&mut self, kind: EntityKind) -> &mut Presence {
        self.presences.entry(kind).or_insert(Presence { kind, from: None, context: None })
    }

    pub(super) fn presences(&self) -> Vec<Presence> {
        self.presences.values().copied().collect()
    }

    pub(super) fn plan(&self) -> Plan {
        let mut plan = Plan::new(self.measures.clone());
        plan.links.measures.clone_from(&self.links);
        plan
    }
}
