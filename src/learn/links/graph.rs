//! Who has which identifier: both ways, and both bounded.
//!
//! An entity keeps the latest [`VALUES`] values of each identifier, and a value the
//! latest [`MEMBERS`] entities. Where there are too many of either, those go first
//! that share nothing, the longest unseen of them first: who sends random values
//! drops their own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::member::{Member, Stay};
use crate::learn::kept::LinkValue;
use crate::model::{EntityKind, MeasureId};

/// So many values of one identifier an entity has at most.
pub const VALUES: usize = 8;
/// So many entities are known to share one value.
pub const MEMBERS: usize = 64;
/// No labelled entity is near.
pub(super) const FAR: u8 = u8::MAX;

/// An entity or a value, by a keyed hash of 64 bits.
pub(super) type Key = u64;

pub(super) type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<AsItIs>>;
pub(super) type KeySet = HashSet<Key, BuildHasherDefault<AsItIs>>;

/// A key is a hash, under a key that nobody outside knows: it needs no other one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(Key);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: Key) {
        self.0 = self.0.rotate_left(8) ^ key;
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) value: Key,
    pub(super) of: MeasureId,
    /// Seconds since 2020.
    pub(super) seen: u32,
}

/// An entity that has identifiers.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) kind: EntityKind,
    pub(super) id: Box<str>,
    pub(super) edges: Vec<Edge>,
    pub(super) distance: u8,
    pub(super) cluster: usize,
    order: Order,
}

/// One value of an identifier.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) of: MeasureId,
    pub(super) hub: usize,
    pub(super) value: LinkValue,
    pub(super) members: Vec<Member>,
    /// When it is looked at again.
    pub(super) due: u32,
    order: Order,
}

impl Entity {
    /// When it was seen last with any of its values.
    fn seen(&self) -> u32 {
        self.edges.iter().map(|edge| edge.seen).max().unwrap_or(0)
    }

    /// Which of its values of an identifier counts: the latest.
    pub(super) fn latest(&self, of: MeasureId) -> Option<&Edge> {
        self.edges.iter().filter(|edge| edge.of == of).max_by_key(|edge| edge.seen)
    }

    /// Notes that it was seen again with a value it has. Says whether the same one is the
    /// latest as before.
    fn see_again(&mut self, of: MeasureId, value: Key, seen: u32) -> bool {
        let before = self.latest(of).map(|edge| edge.value);
        if let Some(edge) = self.edges.iter_mut().find(|edge| edge.value == value) {
            edge.seen = seen.max(edge.seen);
        }
        before == self.latest(of).map(|edge| edge.value)
    }
}

impl Shared {
    /// Whether it links those who share it, or would without one of them.
    fn is_linking(&self) -> bool {
        self.members.len() <= self.hub + 1
    }

    /// Whether those who share it are told how many they are. Where the value is an entity
    /// itself, that one is told.
    fn is_told_to_members(&self) -> bool {
        !matches!(self.value, LinkValue::Own(..))
    }

    pub(super) fn links(&self) -> bool {
        self.members.len() <= self.hub
    }
}

/// What goes first where there are too many: nothing shared, then longest unseen.
type Order = (bool, u32);

/// The graph, and which of its entities something has changed for.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) entities: KeyMap<Entity>,
    pub(super) values: KeyMap<Shared>,
    // Who is seen again goes later; that is put right when it would be the next to go.
    entity_order: BTreeSet<(Order, Key)>,
    value_order: BTreeSet<(Order, Key)>,
    /// Entities whose links are no longer what they were.
    pub(super) touched: BTreeSet<Key>,
    /// Those that are only to be told a number, and are linked as they were.
    pub(super) seen: BTreeSet<Key>,
    /// Those that were seen again with what they had, of whom no number has changed.
    pub(super) again: BTreeSet<Key>,
    /// Values that fewer share than before.
    pub(super) left: BTreeSet<Key>,
    pub(super) edges: usize,
    pub(super) evicted: u64,
    /// What is no longer as it is kept; nothing where nothing is.
    pub(super) unkept: Option<Unkept>,
}

/// Entities whose links are to be kept anew, and those that have none any more.
#[derive(Debug, Default)]
pub(super) struct Unkept {
    pub(super) changed: KeySet,
    pub(super) gone: Vec<(EntityKind, Box<str>)>,
}

/// What a value is made with.
#[derive(Clone, Debug)]
pub(super) struct NewValue<'n> {
    pub(super) of: MeasureId,
    pub(super) hub: usize,
    pub(super) value: &'n LinkValue,
    /// The shortest window in which those who were seen with it are counted (seconds).
    pub(super) shortest: u32,
    /// An entity that is unseen with it for so long no longer has it (seconds).
    pub(super) forget: u32,
}

impl Graph {
    pub(super) fn see(
        &mut self,
        (entity, kind, id): (Key, EntityKind, &str),
        (value, new): (Key, &NewValue<'_>),
        stay: Stay,
    ) {
        let seen = stay.seen;
        let (mut new_entity, mut new_value) = (false, false);
        self.entities.entry(entity).or_insert_with(|| {
            new_entity = true;
            let (edges, order) = (Vec::new(), (false, 0));
            Entity { kind, id: id.into(), edges, distance: FAR, cluster: 1, order }
        });
        let shared = self.values.entry(value).or_insert_with(|| {
            new_value = true;
            let (value, members, order) = (new.value.clone(), Vec::new(), (false, 0));
            Shared { of: new.of, hub: new.hub, value, members, due: u32::MAX, order }
        });
        if shared.hub != new.hub {
            shared.hub = new.hub;
            self.touched.extend(shared.members.iter().map(|member| member.entity));
        }
        let known = shared.members.iter_mut().find(|member| member.entity == entity);
        if let Some(member) = known {
            let came_back = member.stay.seen.saturating_add(new.shortest) <= seen;
            let counts_anew = member.see(stay, new.forget) || came_back;
            let node = self.entities.get_mut(&entity);
            let same = node.is_some_and(|node| node.see_again(new.of, value, seen));
            if counts_anew {
                self.tell_members(value);
            }
            let told = if same && !counts_anew { &mut self.again } else { &mut self.seen };
            told.insert(entity);
        } else {
            shared.members.push(Member { entity, stay });
            if let Some(node) = self.entities.get_mut(&entity) {
                node.edges.push(Edge { value, of: new.of, seen });
            }
            self.edges += 1;
            self.keep_within(entity, value, new.of);
            self.touch_members(value);
            self.seen.insert(entity);
        }
        if new_value {
            self.reorder_value(value);
        }
        if new_entity {
            // It may have been labelled before.
            self.touched.insert(entity);
            self.reorder_entity(entity);
        }
    }

    fn keep_within(&mut self, entity: Key, value: Key, of: MeasureId) {
        let shared = self.values.get_mut(&value).filter(|shared| shared.members.len() > MEMBERS);
        if let Some(shared) = shared
            && let Some(oldest) = shared.members.iter().min_by_key(|m| m.stay.seen).copied()
        {
            // Whoever comes may be one of those that had to go before: where so many come and
            // go, nobody is known to be newer than who makes room.
            for member in shared.members.iter_mut().filter(|member| member.entity == entity) {
                member.stay.since = member.stay.since.min(oldest.stay.since);
            }
            self.unlink(oldest.entity, value);
        }
        let Some(node) = self.entities.get(&entity) else { return };
        let same = || node.edges.iter().filter(|edge| edge.of == of);
        let oldest = same().min_by_key(|edge| edge.seen).filter(|_| same().count() > VALUES);
        if let Some(edge) = oldest.copied() {
            self.unlink(entity, edge.value);
        }
    }

    /// Takes an edge away. What has none left stays until it was told.
    pub(super) fn unlink(&mut self, entity: Key, value: Key) {
        self.touch_members(value);
        self.note_changed(entity);
        self.left.insert(value);
        let mut shares = true;
        if let Some(shared) = self.values.get_mut(&value) {
            shares = shared.is_told_to_members() || shared.is_linking();
            shared.members.retain(|member| member.entity != entity);
        }
        let mut latest = true;
        if let Some(node) = self.entities.get_mut(&entity) {
            let before = node.edges.len();
            let seen = node.seen();
            node.edges.retain(|edge| edge.value != value);
            self.edges -= before - node.edges.len();
            latest = node.seen() < seen;
            shares |= node.edges.is_empty();
        }
        if shares {
            self.seen.insert(entity);
        }
        self.reorder_value(value);
        if shares || latest {
            self.reorder_entity(entity);
        }
    }

    pub(super) fn note_changed(&mut self, entity: Key) {
        if let Some(unkept) = &mut self.unkept {
            unkept.changed.insert(entity);
        }
    }

    /// Notes that who has a value shares it with others than before. Where so many do that
    /// it links nobody, neither with nor without one of them, that is but a number.
    fn touch_members(&mut self, value: Key) {
        match self.values.get(&value) {
            Some(shared) if shared.is_linking() => {
                self.touched.extend(shared.members.iter().map(|member| member.entity));
            }
            _ => self.tell_members(value),
        }
    }

    /// Notes that another number is to be told of a value.
    pub(super) fn tell_members(&mut self, value: Key) {
        if let Some(shared) = self.values.get(&value)
            && shared.is_told_to_members()
        {
            self.seen.extend(shared.members.iter().map(|member| member.entity));
        }
    }

    pub(super) fn drop_value(&mut self, value: Key) {
        let members = self.values.get(&value).map(|s| s.members.clone()).unwrap_or_default();
        for member in members {
            self.unlink(member.entity, value);
        }
        if let Some(gone) = self.values.remove(&value) {
            self.value_order.remove(&(gone.order, value));
        }
    }

    pub(super) fn drop_entity(&mut self, entity: Key) {
        let edges = self.entities.get(&entity).map(|e| e.edges.clone()).unwrap_or_default();
        for edge in edges {
            self.unlink(entity, edge.value);
        }
        if let Some(gone) = self.entities.remove(&entity) {
            self.entity_order.remove(&(gone.order, entity));
            if let Some(unkept) = &mut self.unkept {
                unkept.changed.remove(&entity);
                unkept.gone.push((gone.kind, gone.id));
            }
        }
        self.touched.remove(&entity);
        self.seen.remove(&entity);
        self.again.remove(&entity);
    }

    /// The values and the entities that have to go for so many to be left.
    pub(super) fn surplus_value(&mut self, values: usize, edges: usize) -> Option<Key> {
        while self.values.len() > values || self.edges > edges {
            let (order, key) = *self.value_order.first()?;
            if self.reorder_value(key) == Some(order) {
                return Some(key);
            }
        }
        None
    }

    pub(super) fn surplus_entity(&mut self, most: usize) -> Option<Key> {
        while self.entities.len() > most {
            let (order, key) = *self.entity_order.first()?;
            if self.reorder_entity(key) == Some(order) {
                return Some(key);
            }
        }
        None
    }

    fn reorder_value(&mut self, key: Key) -> Option<Order> {
        let shared = self.values.get_mut(&key)?;
        let seen = shared.members.iter().map(|member| member.stay.seen).max().unwrap_or(0);
        let order = (shared.members.len() > 1, seen);
        let before = std::mem::replace(&mut shared.order, order);
        put_later(&mut self.value_order, key, before, order);
        Some(order)
    }

    pub(super) fn reorder_entity(&mut self, key: Key) -> Option<Order> {
        let shares = self.neighbours(key).next().is_some();
        let node = self.entities.get_mut(&key)?;
        let order = (shares || node.distance == 0, node.seen());
        let before = std::mem::replace(&mut node.order, order);
        put_later(&mut self.entity_order, key, before, order);
        Some(order)
    }

    /// Those who share a value with the entity that is no hub; some more than once.
    pub(super) fn neighbours(&self, entity: Key) -> impl Iterator<Item = Key> {
        let edges = self.entities.get(&entity).map(|e| &*e.edges).unwrap_or_default();
        edges
            .iter()
            .filter_map(|edge| self.values.get(&edge.value).filter(|shared| shared.links()))
            .flat_map(|shared| shared.members.iter().map(|member| member.entity))
            .filter(move |member| *member != entity)
    }
}

fn put_later(all: &mut BTreeSet<(Order, Key)>, key: Key, before: Order, order: Order) {
    if before != order {
        all.remove(&(before, key));
    }
    all.insert((order, key));
}
