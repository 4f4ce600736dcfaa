//! Links and labels on their way to where they outlive the process, and back.

use super::Links;
use super::flags::Verdict;
use super::graph::{Key, Unkept};
use super::member::Stay;
use crate::learn::kept::{KeptLabel, KeptLink, Shelf};
use crate::model::{EntityKind, LinkPlan};

/// How far what is kept is back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Restoring {
    /// Links come back, and are not counted yet.
    Links,
    /// All are back; distances are not yet what they were.
    Settling,
    #[default]
    Done,
}

impl Links {
    /// Notes from now on what has to be kept.
    pub(in crate::learn) fn keep_from_now(&mut self) {
        self.graph.unkept = Some(Unkept::default());
    }

    /// Until the end of it, records are not told what follows from links.
    pub(in crate::learn) fn begin_restoring(&mut self) {
        self.restoring = Restoring::Links;
    }

    pub(in crate::learn) fn is_restoring(&self) -> bool {
        self.restoring == Restoring::Links
    }

    pub(in crate::learn) fn end_restoring(&mut self) {
        self.restoring = Restoring::Settling;
    }

    /// Puts an entity's links back, as far as the catalog still names their identifiers.
    pub(in crate::learn) fn restore(
        &mut self,
        plan: &LinkPlan,
        kind: EntityKind,
        id: &str,
        links: &[KeptLink],
    ) {
        for KeptLink { identifier, value, since, seen } in links {
            if let Some(identifier) = plan.identifier(*identifier).filter(|i| i.links == kind) {
                let stay = Stay { since: *since, seen: *seen };
                self.link(plan, identifier, (kind, id), value, stay);
            }
        }
    }

    /// Puts an entity's label back, where there is no later one.
    pub(in crate::learn) fn restore_label(
        &mut self,
        kind: EntityKind,
        id: &str,
        label: &KeptLabel,
    ) {
        let entity = self.entity_key(kind, id);
        let verdict = Verdict { bad: label.bad, at: label.at };
        if self.is_full_of_labels() || !self.flags.label(entity, verdict) {
            return;
        }
        self.unsettled.add(entity);
        self.flags.note((entity, kind, id), entity, verdict);
        for (kind, id) in &label.with {
            self.flags.note((self.entity_key(*kind, id), *kind, id), entity, verdict);
        }
        self.told_rates.extend(self.flags.with(entity));
    }

    pub(super) fn note_label(&mut self, labelled: Key) {
        if self.graph.unkept.is_some() {
            self.unkept_labels.insert(labelled);
        }
    }

    /// Puts the labels that have changed onto the shelf.
    pub(in crate::learn) fn keep_labels(&mut self, shelf: &mut dyn Shelf) {
        for labelled in std::mem::take(&mut self.unkept_labels) {
            if let Some((kind, id)) = self.flags.named(labelled)
                && let Some(label) = self.flags.kept(labelled)
            {
                shelf.put_label(kind, id, Some(&label));
            }
        }
    }

    /// Puts the links that have changed onto the shelf. While those that are kept come
    /// back, an entity may have more than is known.
    pub(in crate::learn) fn keep(&mut self, shelf: &mut dyn Shelf) {
        if self.is_restoring() {
            return;
        }
        let Some(Unkept { mut changed, gone }) = self.graph.unkept.as_mut().map(std::mem::take)
        else {
            return;
        };
        for (kind, id) in gone {
            let key = self.entity_key(kind, &id);
            if self.graph.entities.contains_key(&key) {
                // It came back.
                changed.insert(key);
            } else {
                shelf.put_links(kind, &id, &[]);
            }
        }
        for key in changed {
            let Some(node) = self.graph.entities.get(&key) else { continue };
            let links = node.edges.iter().filter_map(|edge| {
                let shared = self.graph.values.get(&edge.value)?;
                let Stay { since, seen } = shared.members.iter().find(|m| m.entity == key)?.stay;
                Some(KeptLink { identifier: edge.of, value: shared.value.clone(), since, seen })
            });
            shelf.put_links(node.kind, &node.id, &links.collect::<Vec<_>>());
        }
    }
}
