//! Labels, and the share of fraud among labelled events.
//!
//! An entity has one label, the latest. It is one event of the entity itself, and of
//! each device or address that it was known to come with when the label came.

use std::collections::HashMap;

use super::graph::Key;
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

#[derive(Debug, Default)]
pub(super) struct Flags {
    labels: HashMap<Key, Verdict>,
    pub(super) events: HashMap<Key, Events>,
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
        self.labels.get(&entity).filter(|label| label.bad).map(|label| label.at)
    }

    /// Labels an entity. Says whether that is news: an earlier label changes nothing.
    pub(super) fn label(&mut self, entity: Key, verdict: Verdict) -> bool {
        let before = self.labels.get(&entity).copied();
        if before.is_some_and(|before| before.at > verdict.at) {
            return false;
        }
        self.labels.insert(entity, verdict);
        let count = |bad: bool| f64::from(u8::from(bad));
        self.bad += count(verdict.bad) - count(before.is_some_and(|before| before.bad));
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
