//! Telling the cache what was learned. A write makes an entity's record anew, so what comes of
//! an entity in a row is told at once.

use super::Learner;
use crate::learn::state::Known;
use crate::model::{EntityKind, MeasureId, Timestamp};
use crate::signals::RecordBuilder;

/// What was learned of one entity, and is to be told.
#[derive(Debug)]
pub(super) struct Untold {
    place: usize,
    /// When it was observed last.
    at: Timestamp,
    /// Nothing where nothing is.
    measures: Vec<MeasureId>,
}

impl Untold {
    pub(super) fn nothing() -> Self {
        Untold { place: 0, at: Timestamp::EPOCH, measures: Vec::new() }
    }

    /// Adds measures of the entity whose profile is at that place.
    pub(super) fn add(
        &mut self,
        place: usize,
        at: Timestamp,
        measures: impl Iterator<Item = MeasureId>,
    ) {
        (self.place, self.at) = (place, at);
        for measure in measures {
            if !self.measures.contains(&measure) {
                self.measures.push(measure);
            }
        }
    }
}

/// Why the cache is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The entity was observed.
    Observed,
    /// Only time has passed: an entity that the cache dropped stays away.
    Passed,
}

impl Learner {
    /// Where the entity's profile is, where something of it is to be told.
    pub(super) fn untold_place(&self, kind: EntityKind, id: &str) -> Option<usize> {
        let Untold { place, measures, .. } = &self.untold;
        let is_it = !measures.is_empty() && self.profiles.get(*place)?.is_of(kind, id);
        is_it.then_some(*place)
    }

    /// Tells what is to be told. Before places change: that is where it is known by.
    pub(super) fn tell(&mut self) {
        if self.untold.measures.is_empty() {
            return;
        }
        let mut measures = std::mem::take(&mut self.untold.measures);
        self.publish(self.untold.place, self.untold.at, Told::Observed, &measures);
        measures.clear();
        self.untold.measures = measures;
    }

    /// Tells what time has changed of an entity.
    pub(super) fn tell_passed(&mut self, place: usize, now: Timestamp) {
        let changed = std::mem::take(&mut self.changed);
        self.publish(place, now, Told::Passed, &changed);
        self.changed = changed;
    }

    /// Tells the cache of the measures that changed. A record that knows nothing is told all.
    fn publish(&mut self, place: usize, now: Timestamp, told: Told, changed: &[MeasureId]) {
        let Some(profile) = self.profiles.get(place) else { return };
        let (plan, common, refused) = (&self.plan, &self.common, &mut self.refused);
        let tell = |record: &mut RecordBuilder<'_>| {
            let all = record.is_unlearned();
            for (head, words) in profile.measures() {
                let Some(measure) = plan.get(MeasureId(head.measure)) else { continue };
                // What is told in relation to others or to the present changes by itself, and
                // what found no room may find some now.
                let anew =
                    told == Told::Passed && (measure.of.is_relative() || !record.tells(measure.id));
                if !(all || changed.contains(&measure.id) || anew) {
                    continue;
                }
                let known = Known { measure, head, words };
                if let Some(summary) = known.summary(now, common)
                    && !record.summarise(measure.id, &summary)
                {
                    *refused += 1;
                }
            }
        };
        let (kind, id) = (profile.kind(), profile.id());
        // A refused write is counted by the cache; there is nobody to tell.
        let _refused = match told {
            Told::Observed => self.cache.update(kind, id, now, tell).map(|_| ()),
            Told::Passed => self.cache.derive(kind, id, now, tell),
        };
    }

    pub(super) fn publish_common(&mut self, now: Timestamp) {
        self.cache.set_priors(self.common.publish(self.plan.measures(), now));
    }
}
