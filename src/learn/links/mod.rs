//! Links: who shares identifiers with whom, how far it is to fraud, and what labels
//! say. All is computed here; records are told numbers.

mod flags;
mod graph;
mod keep;
mod member;
mod settle;
mod tell;

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use self::flags::{Flags, Verdict};
use self::graph::{Graph, Key, KeySet, NewValue};
use self::keep::Restoring;
use self::member::Stay;
use self::settle::Unsettled;
use super::kept::LinkValue;
use super::words;
use crate::model::{
    EntityKind, Identifier, IdentifierOf, LinkPlan, Linked, MeasureId, Plan, Seconds, Sharers,
    Timestamp,
};
use crate::signals::{Cache, Label, Observation, Seen};

pub use flags::EVENTS;
pub use graph::{MEMBERS, VALUES};
pub use member::LONG_AGO;
pub use settle::MOST_STEPS;

/// How much is kept of links at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkBounds {
    pub max_entities: usize,
    pub max_values: usize,
    pub max_edges: usize,
    pub max_labels: usize,
    /// A cluster is told as at most so large.
    pub max_cluster: usize,
    /// How many entities are looked at before time goes on.
    pub work: usize,
}

impl LinkBounds {
    /// So many links, and entities and values as many as usually have so many.
    pub fn of(max_edges: usize, max_labels: usize) -> Self {
        LinkBounds {
            max_entities: max_edges / 4,
            max_values: max_edges / 2,
            max_edges,
            max_labels,
            max_cluster: 1000,
            work: 20_000,
        }
    }
}

impl Default for LinkBounds {
    fn default() -> Self {
        LinkBounds::of(4_000_000, 1_000_000)
    }
}

/// How much there is of links and labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinksHeld {
    pub entities: u64,
    pub values: u64,
    /// Ties between entities and values.
    pub edges: u64,
    /// Entities and values dropped to make room.
    pub evicted: u64,
    pub labels: u64,
}

/// The links between entities. Time is an argument.
#[derive(Debug)]
pub(super) struct Links {
    key: (u64, u64),
    bounds: LinkBounds,
    graph: Graph,
    flags: Flags,
    unsettled: Unsettled,
    /// Entities and values whose records are to be told.
    told: BTreeSet<Key>,
    told_values: BTreeSet<Key>,
    told_rates: BTreeSet<Key>,
    /// Those of them that were observed or labelled: the others are told what follows
    /// from that where the cache knows them, and stay away where it dropped them.
    news: KeySet,
    restoring: Restoring,
    unkept_labels: BTreeSet<Key>,
    /// When which value's counts change by time alone: one entry a value.
    timers: BTreeSet<(u32, Key)>,
    rate_timers: BTreeSet<(u32, Key)>,
}

impl Links {
    pub(super) fn new(bounds: LinkBounds, random: &mut fastrand::Rng) -> Self {
        Links {
            key: (random.u64(..), random.u64(..)),
            bounds,
            graph: Graph::default(),
            flags: Flags::default(),
            unsettled: Unsettled::default(),
            told: BTreeSet::new(),
            told_values: BTreeSet::new(),
            told_rates: BTreeSet::new(),
            news: KeySet::default(),
            restoring: Restoring::default(),
            unkept_labels: BTreeSet::new(),
            timers: BTreeSet::new(),
            rate_timers: BTreeSet::new(),
        }
    }

    /// What is asked of the links from now on.
    pub(super) fn follow(&mut self, plan: &LinkPlan) {
        let asks_clusters = plan.measures.iter().any(|measure| measure.of == Linked::Cluster);
        self.unsettled.ask_clusters(asks_clusters, &self.graph);
    }

    /// Whether the entity is labelled as fraud.
    pub(super) fn is_bad(&self, kind: EntityKind, id: &str) -> bool {
        self.flags.is_bad(self.entity_key(kind, id))
    }

    /// Whether it was labelled as fraud for something earlier: from then on it teaches
    /// nothing. What was seen within the same second still counts.
    pub(super) fn mistrusts(&self, kind: EntityKind, id: &str, at: Timestamp) -> bool {
        self.flags.len() > 0
            && self
                .flags
                .bad_since(self.entity_key(kind, id))
                .is_some_and(|bad| words::seconds(at) > bad)
    }

    pub(super) fn is_full_of_labels(&self) -> bool {
        self.flags.len() >= self.bounds.max_labels
    }

    /// Learns which identifiers an entity has.
    pub(super) fn observe(&mut self, plan: &LinkPlan, observation: &Observation) {
        let Observation { kind, id, at, seen } = observation;
        let at = words::seconds(*at);
        match seen {
            Seen::Value { signal, value } => {
                let hash = u64::from(value.upper) << 32 | u64::from(value.hash);
                for identifier in plan.of(IdentifierOf::Signal(*signal)) {
                    self.see(plan, identifier, (*kind, id), &LinkValue::Hash(hash), at);
                }
            }
            Seen::With { kind: other, id: own } => {
                for identifier in plan.of(IdentifierOf::Own(*other)) {
                    if identifier.links == *kind {
                        let value = LinkValue::Own(*other, own.clone());
                        self.see(plan, identifier, (*kind, id), &value, at);
                    }
                }
            }
            Seen::Presence { .. } | Seen::Forgotten(_) => {}
        }
    }

    fn see(
        &mut self,
        plan: &LinkPlan,
        identifier: &Identifier,
        entity: (EntityKind, &str),
        value: &LinkValue,
        seen: u32,
    ) {
        let (entity, value) = self.link(plan, identifier, entity, value, Stay::at(seen));
        self.graph.note_changed(entity);
        self.news.extend([entity, value]);
    }

    /// Ties an entity to a value; gives the keys of both.
    fn link(
        &mut self,
        plan: &LinkPlan,
        identifier: &Identifier,
        (kind, id): (EntityKind, &str),
        of: &LinkValue,
        stay: Stay,
    ) -> (Key, Key) {
        let entity = self.entity_key(kind, id);
        let value = self.value_key(identifier.id, of);
        let hub = usize::from(identifier.hub);
        let seen = plan.windows(identifier.id).filter(|(who, _)| *who == Sharers::Seen);
        let shortest = seen.map(|(_, window)| span(window)).min().unwrap_or(u32::MAX);
        let forget = span(identifier.forget_after);
        let new = NewValue { of: identifier.id, hub, value: of, shortest, forget };
        self.graph.see((entity, kind, id), (value, &new), stay);
        self.told_values.insert(value);
        // What is due and was not looked at yet stays due.
        let before = self.graph.values.get(&value).map_or(u32::MAX, |shared| shared.due);
        let due = self.due(plan, value, stay.seen).min(before);
        self.set_due(value, due);
        while let Some(key) =
            self.graph.surplus_value(self.bounds.max_values, self.bounds.max_edges)
        {
            self.drop_value(key);
        }
        while let Some(key) = self.graph.surplus_entity(self.bounds.max_entities) {
            self.graph.evicted += 1;
            self.graph.drop_entity(key);
        }
        (entity, value)
    }

    fn drop_value(&mut self, value: Key) {
        self.graph.evicted += 1;
        self.set_due(value, u32::MAX);
        self.graph.drop_value(value);
    }

    /// Takes a label. A later one replaces it.
    pub(super) fn label(&mut self, plan: &LinkPlan, label: &Label) {
        let entity = self.entity_key(label.kind, &label.id);
        let verdict = Verdict { bad: label.bad, at: words::seconds(label.at) };
        if !self.flags.label(entity, verdict) {
            return;
        }
        self.unsettled.add(entity);
        self.flags.note((entity, label.kind, &label.id), entity, verdict);
        let edges = self.graph.entities.get(&entity).map(|e| &*e.edges).unwrap_or_default();
        for edge in edges {
            let value = self.graph.values.get(&edge.value).map(|shared| &shared.value);
            if let Some(LinkValue::Own(kind, id)) = value
                && plan.identifier(edge.of).is_some()
            {
                let key = self.entity_key(*kind, id);
                self.flags.note((key, *kind, id), entity, verdict);
            }
        }
        let with = self.flags.with(entity);
        self.told_rates.extend(with);
        self.news.extend(with);
        self.news.insert(entity);
        self.note_label(entity);
    }

    /// Forgets an entity: its links, its label, and those by its id.
    pub(super) fn forget(&mut self, plan: &LinkPlan, kind: EntityKind, id: &str) {
        let entity = self.entity_key(kind, id);
        self.graph.drop_entity(entity);
        for identifier in plan.of(IdentifierOf::Own(kind)) {
            let value = self.hashed((identifier.id.0, entity));
            self.set_due(value, u32::MAX);
            self.graph.drop_value(value);
        }
        self.told_rates.remove(&entity);
        self.news.remove(&entity);
        let (changed, labelled) = self.flags.forget(entity);
        self.told_rates.extend(changed.into_iter().filter(|key| *key != entity));
        for key in labelled {
            self.note_label(key);
        }
    }

    /// Lets time pass until `now`, and tells the records what changed. Before all that is
    /// kept is back they know better.
    pub(super) fn advance(&mut self, plan: &Plan, cache: &Cache, now: Timestamp) {
        if self.is_restoring() {
            return;
        }
        let links = &plan.links;
        let seconds = words::seconds(now);
        while let Some((due, value)) = self.timers.first().copied() {
            if due > seconds {
                break;
            }
            self.pass(links, value, seconds);
        }
        while let Some((due, key)) = self.rate_timers.first().copied() {
            if due > seconds {
                break;
            }
            self.rate_timers.pop_first();
            self.told_rates.insert(key);
        }
        for entity in std::mem::take(&mut self.graph.touched) {
            self.unsettled.add(entity);
            self.told.insert(entity);
        }
        self.told.extend(std::mem::take(&mut self.graph.seen));
        let flags = &self.flags;
        let work = self.bounds.work;
        self.unsettled.distances(&mut self.graph, |key| flags.is_bad(key), work, &mut self.told);
        self.unsettled.clusters(&mut self.graph, self.bounds.max_cluster, work, &mut self.told);
        if self.restoring == Restoring::Settling && self.is_settled() {
            self.restoring = Restoring::Done;
        }
        if self.restoring == Restoring::Done {
            self.tell(links, cache, now);
        }
    }

    pub(super) fn held(&self) -> LinksHeld {
        LinksHeld {
            entities: self.graph.entities.len() as u64,
            values: self.graph.values.len() as u64,
            edges: self.graph.edges as u64,
            evicted: self.graph.evicted,
            labels: self.flags.len() as u64,
        }
    }

    /// Whether all that came was computed.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Forgets who was not seen with the value for long.
    fn pass(&mut self, plan: &LinkPlan, value: Key, now: u32) {
        let of = self.graph.values.get(&value).map(|shared| shared.of);
        let forget = of.and_then(|of| plan.identifier(of)).map_or(0, |i| span(i.forget_after));
        let members = self.graph.values.get(&value).map(|s| s.members.clone()).unwrap_or_default();
        for member in members {
            if member.stay.seen.saturating_add(forget) <= now {
                self.graph.unlink(member.entity, value);
            }
        }
        self.graph.tell_members(value);
        self.told_values.insert(value);
        let due = self.due(plan, value, now);
        self.set_due(value, due);
    }

    /// When a member leaves a window, or is forgotten.
    fn due(&self, plan: &LinkPlan, value: Key, now: u32) -> u32 {
        let Some(shared) = self.graph.values.get(&value) else { return u32::MAX };
        let Some(identifier) = plan.identifier(shared.of) else { return now.saturating_add(3600) };
        let windows = plan.windows(shared.of).chain([(Sharers::Seen, identifier.forget_after)]);
        let dues = windows.flat_map(|(who, window)| {
            shared.members.iter().filter_map(move |member| member.leaves(who, span(window)))
        });
        dues.filter(|due| *due > now).min().unwrap_or(now.saturating_add(1))
    }

    fn set_due(&mut self, value: Key, due: u32) {
        let Some(shared) = self.graph.values.get_mut(&value) else { return };
        if shared.due == due {
            return;
        }
        self.timers.remove(&(shared.due, value));
        shared.due = due;
        if due != u32::MAX {
            self.timers.insert((due, value));
        }
    }

    fn value_key(&self, identifier: MeasureId, value: &LinkValue) -> Key {
        match value {
            LinkValue::Hash(hash) => self.hashed((identifier.0, *hash)),
            LinkValue::Own(kind, id) => self.hashed((identifier.0, self.entity_key(*kind, id))),
        }
    }

    fn entity_key(&self, kind: EntityKind, id: &str) -> Key {
        self.hashed((kind.0, id))
    }

    fn hashed(&self, of: impl Hash) -> Key {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        of.hash(&mut hasher);
        hasher.finish()
    }
}

/// Whole seconds, rounded up.
fn span(seconds: Seconds) -> u32 {
    seconds.clamp(0.0, 4e9).ceil() as u32
}
