//! Labels, and the share of fraud among labelled events.
//!
//! An entity has one label, the latest. It is one event of the entity itself, and of
//! each device or address that it was known to come with when the label came.

use super::graph::{Key, KeyMap};
use crate::learn::kept::KeptLabel;
use crate::model::EntityKind;

/// So many events of one entity are kept, the latest.
pub const EVENTS: usize = 64;
/// What is known of all entities counts as so many events of each.
const PRIOR: f64 = 4.0;
/// Before anybody is labelled, one in so many is taken for fraud.
const ONE_IN: f64 = 100.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) bad: bool,
    /// Seconds since 2020.
    pub(super) at: u32,
}

/// The events of one entity, by who was labelled.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) kind: EntityKind,
    pub(super) id: Box<str>,
    events: Vec<(Key, Verdict)>,
}

/// The latest verdict on an entity, and of whom it is an event as well.
#[derive(Debug)]
struct Labelled {
    verdict: Verdict,
    with: Vec<Key>,
}

#[derive(Debug, Default)]
pub(super) struct Flags {
    labels: KeyMap<Labelled>,
    pub(super) events: KeyMap<Events>,
    bad: f64,
}

impl Flags {
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn is_bad(&self, entity: Key) -> bool {
        self.bad_since(entity).is_some()
    }

    /// When that happened for which the entity is labelled as fraud.
    pub(super) fn bad_since(&self, entity: Key) -> Option<u32> {
        let verdict = self.labels.get(&entity)?.verdict;
        verdict.bad.then_some(verdict.at)
    }

    /// Labels an entity. Says whether that is news: an earlier label changes nothing.
    pub(super) fn label(&mut self, entity: Key, verdict: Verdict) -> bool {
        let before = self.labels.get(&entity).map(|label| label.verdict);
        if before.is_some_and(|before| before.at > verdict.at) {
            return false;
        }
        let label = self.labels.entry(entity).or_insert(Labelled { verdict, with: Vec::new() });
        label.verdict = verdict;
        self.bad += count(verdict.bad) - count(before.is_some_and(|before| before.bad));
        // The event of those that it no longer comes with has changed as well.
        for key in &label.with {
            let events = self.events.get_mut(key).map(|of| &mut of.events);
            let event = events.and_then(|events| events.iter_mut().find(|(who, _)| *who == entity));
            if let Some((_, then)) = event {
                *then = verdict;
            }
        }
        true
    }

    /// Notes the label of `labelled` as an event of an entity.
    pub(super) fn note(
        &mut self,
        (key, kind, id): (Key, EntityKind, &str),
        labelled: Key,
        verdict: Verdict,
    ) {
        let new = || Events { kind, id: id.into(), events: Vec::new() };
        let events = &mut self.events.entry(key).or_insert_with(new).events;
        events.retain(|(who, _)| *who != labelled);
        events.push((labelled, verdict));
        if events.len() > EVENTS
            && let Some(oldest) = (0..events.len()).min_by_key(|at| events.get(*at).map(|e| e.1.at))
        {
            events.swap_remove(oldest);
        }
        if let Some(label) = self.labels.get_mut(&labelled)
            && !label.with.contains(&key)
        {
            label.with.push(key);
        }
    }

    /// Those of whom the entity's label is an event, itself among them.
    pub(super) fn with(&self, labelled: Key) -> &[Key] {
        self.labels.get(&labelled).map(|label| &*label.with).unwrap_or_default()
    }

    /// Who has events under a key.
    pub(super) fn named(&self, key: Key) -> Option<(EntityKind, &str)> {
        self.events.get(&key).map(|of| (of.kind, &*of.id))
    }

    /// The entity's label, and whose event it is beside its own.
    pub(super) fn kept(&self, labelled: Key) -> Option<KeptLabel> {
        let Labelled { verdict, with } = self.labels.get(&labelled)?;
        let events = with.iter().filter(|key| **key != labelled);
        let with = events.filter_map(|key| self.events.get(key)).map(|of| (of.kind, of.id.clone()));
        Some(KeptLabel { bad: verdict.bad, at: verdict.at, with: with.collect() })
    }

    /// Takes back all that is known of an entity, and what it was an event of. Gives those
    /// whose rate has changed, and those whose label was its event.
    pub(super) fn forget(&mut self, entity: Key) -> (Vec<Key>, Vec<Key>) {
        let events = self.events.remove(&entity).map(|of| of.events).unwrap_or_default();
        let labelled: Vec<Key> = events.into_iter().map(|(who, _)| who).collect();
        for who in &labelled {
            if let Some(label) = self.labels.get_mut(who) {
                label.with.retain(|key| *key != entity);
            }
        }
        let Some(label) = self.labels.remove(&entity) else { return (Vec::new(), labelled) };
        self.bad -= count(label.verdict.bad);
        for key in &label.with {
            if let Some(of) = self.events.get_mut(key) {
                of.events.retain(|(who, _)| *who != entity);
            }
        }
        (label.with, labelled)
    }

    /// The share of fraud among the events that are older than `delay` and within
    /// `window` (seconds): the mean of a beta distribution, whose prior is the share
    /// among all labelled entities. `None` where no event is known.
    pub(super) fn rate(&self, key: Key, window: u32, delay: u32, now: u32) -> Option<f64> {
        let events = &self.events.get(&key)?.events;
        let counts = |at: u32| at.saturating_add(window) > now && at.saturating_add(delay) <= now;
        let (mut bad, mut all) = (0.0, 0.0);
        for (_, verdict) in events.iter().filter(|(_, verdict)| counts(verdict.at)) {
            all += 1.0;
            bad += f64::from(u8::from(verdict.bad));
        }
        let share = (self.bad + 1.0) / (self.labels.len() as f64 + ONE_IN);
        Some((bad + PRIOR * share) / (all + PRIOR))
    }

    /// When the next event begins to count, or no longer does.
    pub(super) fn due(&self, key: Key, spans: impl Iterator<Item = u32> + Clone, now: u32) -> u32 {
        let events = self.events.get(&key).map(|e| &*e.events).unwrap_or_default();
        let dues = events.iter().flat_map(|(_, v)| spans.clone().map(|s| v.at.saturating_add(s)));
        dues.filter(|due| *due > now).min().unwrap_or(u32::MAX)
    }
}

fn count(bad: bool) -> f64 {
    f64::from(u8::from(bad))
}
