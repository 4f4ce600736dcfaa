//! The learner: a state machine that observations and time drive. It asks no clock
//! and waits for nothing: a server feeds it from a queue, a replay from a file.

mod keeping;
mod telling;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::common::Common;
use super::links::{LinkBounds, Links, LinksHeld};
use super::profile::NEVER;
use super::profiles::Profiles;
use super::state::Known;
use super::waiting::Waiting;
use crate::model::{Measure, MeasureId, Plan, Seconds, Timestamp};
use crate::signals::{Cache, Label, Observation, Seen};
use keeping::Keeping;
use telling::Untold;

/// How much is learned at most, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub max_profiles: usize,
    /// A profile of an entity unseen for so long is dropped (seconds).
    pub retention: Seconds,
    /// How many observations wait at most, where a signal's `learn.delay` says so.
    pub max_waiting: usize,
    pub links: LinkBounds,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            max_profiles: 4_000_000,
            retention: 180.0 * 86_400.0,
            max_waiting: 100_000,
            links: LinkBounds::default(),
        }
    }
}

/// What there is and was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    pub profiles: u64,
    /// Profiles dropped to make room.
    pub evicted: u64,
    /// Observations that taught something.
    pub observations: u64,
    /// Summaries that a record had no room for.
    pub refused: u64,
    /// Observations of entities that are labelled as fraud, which teach nothing.
    pub mistrusted: u64,
    /// Observations that were to wait, and found no room.
    pub crowded_out: u64,
    /// Observations from a time that is not to be believed.
    pub disbelieved: u64,
    /// Observations that wait, as their signal's `learn.delay` says.
    pub delayed: u64,
    pub links: LinksHeld,
}

/// Turns observations into profiles, and profiles into what the hot path reads.
#[derive(Debug)]
pub struct Learner {
    cache: Arc<Cache>,
    plan: Arc<Plan>,
    bounds: Bounds,
    profiles: Profiles,
    /// What is usual for all entities together.
    common: Common,
    /// When which profile is to be looked at. A profile has one timer that counts,
    /// the one at its own `due`.
    timers: BinaryHeap<Reverse<(i64, u64)>>,
    links: Links,
    waiting: Waiting,
    observations: u64,
    refused: u64,
    mistrusted: u64,
    disbelieved: u64,
    scratch: Vec<u64>,
    changed: Vec<MeasureId>,
    untold: Untold,
    keeping: Option<Keeping>,
}

impl Learner {
    /// Learns for `cache`. Which profiles go when there are too many is drawn from `seed`.
    pub fn new(cache: Arc<Cache>, bounds: Bounds, seed: u64) -> Self {
        Learner {
            cache,
            plan: Arc::default(),
            bounds,
            profiles: Profiles::new(bounds.max_profiles, seed),
            common: Common::default(),
            timers: BinaryHeap::new(),
            links: Links::new(bounds.links, &mut fastrand::Rng::with_seed(seed)),
            waiting: Waiting::new(bounds.max_waiting),
            observations: 0,
            refused: 0,
            mistrusted: 0,
            disbelieved: 0,
            scratch: Vec::new(),
            changed: Vec::new(),
            untold: Untold::nothing(),
            keeping: None,
        }
    }

    /// What is to be learned from now on. What was learned stays.
    pub fn follow(&mut self, plan: Arc<Plan>) {
        let before = std::mem::replace(&mut self.plan, plan);
        self.links.follow(&self.plan.links);
        self.begin_labels();
        if before.links.identifiers != self.plan.links.identifiers {
            self.restore_links();
        }
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub fn learned(&self) -> Learned {
        Learned {
            profiles: self.profiles.len() as u64,
            evicted: self.profiles.evicted,
            observations: self.observations,
            refused: self.refused,
            mistrusted: self.mistrusted,
            crowded_out: self.waiting.dropped,
            disbelieved: self.disbelieved,
            delayed: self.waiting.len() as u64,
            links: self.links.held(),
        }
    }

    /// Bytes of all profiles, without the allocator's rounding.
    pub fn bytes(&self) -> usize {
        self.profiles.bytes()
    }

    /// Takes a label.
    pub fn label(&mut self, label: &Label) {
        self.links.label(&self.plan.links, label);
        self.keep_labels();
    }

    /// Whether no more entities can be labelled.
    pub fn is_full_of_labels(&self) -> bool {
        self.links.is_full_of_labels()
    }

    /// Whether links that are kept are not back yet: labels are to wait for them.
    pub fn is_restoring(&self) -> bool {
        self.links.is_restoring()
    }

    /// Whether what came is computed; else further time is needed.
    pub fn is_settled(&self) -> bool {
        self.links.is_settled()
    }

    /// Takes one observation: learns it, or lets it wait as its signal's `learn.delay` says.
    /// What it taught is told once others are observed, or time goes on.
    pub fn observe(&mut self, observation: &Observation) {
        if let Seen::Value { signal, .. } = &observation.seen
            && let Some(delay) = self.plan.delay(*signal)
        {
            self.waiting.push(observation.clone(), delay);
            return;
        }
        self.learn(observation);
    }

    /// Counts an observation that is from a time that can't be.
    pub(super) fn disbelieve(&mut self) {
        self.disbelieved += 1;
    }

    fn learn(&mut self, observation: &Observation) {
        if let Seen::Forgotten(asked) = &observation.seen {
            self.tell();
            self.forget(observation.kind, &observation.id, observation.at);
            return asked.tell();
        }
        // Who is known for fraud doesn't say what is usual.
        if self.links.mistrusts(observation.kind, &observation.id, observation.at) {
            self.mistrusted += 1;
            return;
        }
        let plan = Arc::clone(&self.plan);
        self.links.observe(&plan.links, observation);
        let Observation { kind, id, at, seen } = observation;
        let is_taught = |measure: &Measure| match seen {
            Seen::Value { signal, .. } => measure.of.signal() == Some(*signal),
            Seen::Presence { .. } => measure.kind == *kind && measure.of.signal().is_none(),
            Seen::With { .. } | Seen::Forgotten(_) => false,
        };
        let taught = || plan.measures().iter().filter(|measure| is_taught(measure));
        if taught().next().is_none() {
            return;
        }
        self.observations += 1;
        let place = match self.untold_place(*kind, id) {
            Some(place) => place,
            None => {
                self.tell();
                self.find_or_take(*kind, id, *at)
            }
        };
        let retention = self.retained_until(*at);
        let Some(profile) = self.profiles.get_mut(place) else { return };
        profile.touch(*at);
        let mut due = if profile.due == NEVER { retention } else { profile.due };
        let common = &mut self.common;
        let wants = |id| plan.get(id).is_some_and(is_taught);
        let ids = taught().map(|measure| measure.id);
        profile.rewrite(&mut self.scratch, ids, wants, |head, words, out| {
            let measure = plan.get(MeasureId(head.measure))?;
            let (known, from) = (Known { measure, head, words }, out.len());
            let time = known.observe(seen, *at, common, out)?;
            let known = Known { words: out.get(from..).unwrap_or_default(), ..known };
            due = due.min(known.due(*at).map_or(NEVER, Timestamp::millis));
            Some(time)
        });
        if due < profile.due {
            profile.due = due;
            let hash = self.profiles.hash(*kind, id);
            self.timers.push(Reverse((due, hash)));
        }
        self.note_changed(*kind, id);
        self.untold.add(place, *at, taught().map(|measure| measure.id));
        if self.common.has_news() {
            self.publish_common(*at);
        }
    }

    /// Lets time pass until `now`: what is due is forgotten, and said to the cache.
    pub fn advance(&mut self, now: Timestamp) {
        self.tell();
        self.read_again(now);
        self.take_restored(now);
        self.restore_labels();
        self.restore_some_links();
        while !self.lacks_labels()
            && let Some(observation) = self.waiting.pop(now)
        {
            if self.links.is_bad(observation.kind, &observation.id) {
                self.mistrusted += 1;
            } else {
                self.learn(&observation);
            }
        }
        self.tell();
        self.links.advance(&self.plan, &self.cache, now);
        while let Some(Reverse((due, hash))) = self.timers.peek().copied() {
            if due > now.millis() {
                break;
            }
            self.timers.pop();
            // A profile that was dropped, or whose time was changed, is not found.
            if let Some(place) = self.profiles.find_due(hash, due) {
                self.pass(place, hash, now);
            }
        }
        if self.common.has_old_news(now) {
            self.publish_common(now);
        }
    }

    fn pass(&mut self, place: usize, hash: u64, now: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let Some(profile) = self.profiles.get_mut(place) else { return };
        let retention = profile.seen().millis().saturating_add(span(self.bounds.retention));
        if now.millis() >= retention {
            let (kind, id) = (profile.kind(), profile.id().to_owned());
            self.profiles.remove(place);
            self.note_removed(kind, &id);
            return;
        }
        let mut due = retention;
        let changed = &mut self.changed;
        changed.clear();
        for (head, words) in profile.measures() {
            let Some(measure) = plan.get(MeasureId(head.measure)) else { continue };
            match (Known { measure, head, words }).due(now) {
                Some(at) if at <= now => changed.push(measure.id),
                Some(at) => due = due.min(at.millis()),
                None => {}
            }
        }
        let wants = |id| changed.contains(&id);
        profile.rewrite(&mut self.scratch, std::iter::empty(), wants, |head, words, out| {
            let measure = plan.get(MeasureId(head.measure))?;
            let (known, from) = (Known { measure, head, words }, out.len());
            let time = known.pass(now, out)?;
            let known = Known { words: out.get(from..).unwrap_or_default(), ..known };
            due = due.min(known.due(now).map_or(NEVER, Timestamp::millis));
            Some(time)
        });
        // Time goes on, whatever a state says.
        profile.due = due.max(now.millis().saturating_add(1));
        self.timers.push(Reverse((profile.due, hash)));
        self.tell_passed(place, now);
    }

    fn retained_until(&self, at: Timestamp) -> i64 {
        at.millis().saturating_add(span(self.bounds.retention))
    }
}

fn span(seconds: Seconds) -> i64 {
    (seconds.clamp(1.0, 1e12) * 1e3) as i64
}
