//! Telling the records what follows from links and labels.

use super::graph::{FAR, Key};
use super::{Links, span};
use crate::learn::kept::LinkValue;
use crate::learn::words;
use crate::model::{
    EntityKind, IdentifierOf, LinkMeasure, LinkPlan, Linked, MeasureId, Seconds, Sharers, Timestamp,
};
use crate::signals::{Cache, RecordBuilder, Summary};

/// What is told of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    All,
    /// What its record doesn't say: the cache may have dropped it.
    Missing,
}

impl Links {
    pub(super) fn tell(&mut self, plan: &LinkPlan, cache: &Cache, now: Timestamp) {
        let seconds = words::seconds(now);
        let told = std::mem::take(&mut self.told);
        let again = std::mem::take(&mut self.graph.again);
        for key in told.iter().copied() {
            self.tell_entity(plan, cache, key, now, What::All);
            let bare = self.graph.entities.get(&key).is_some_and(|node| node.edges.is_empty());
            if bare && self.unsettled.is_empty() {
                self.graph.drop_entity(key);
            }
        }
        for key in again.difference(&told).copied() {
            self.tell_entity(plan, cache, key, now, What::Missing);
        }
        self.told_values.append(&mut self.graph.left);
        for key in std::mem::take(&mut self.told_values) {
            let Some(shared) = self.graph.values.get(&key) else { continue };
            if let LinkValue::Own(kind, id) = &shared.value {
                let asked = plan.measures.iter().filter(|measure| measure.kind == *kind);
                let asked = asked.filter_map(|measure| match measure.of {
                    Linked::Shared { identifier, who, window } if identifier == shared.of => {
                        Some((measure.id, (who, window)))
                    }
                    _ => None,
                });
                let number = |of| self.sharers(key, of, seconds);
                self.tell_one(cache, key, (*kind, id), asked, number, (now, What::All));
            }
            if shared.members.is_empty() {
                self.set_due(key, u32::MAX);
                self.graph.drop_value(key);
            }
        }
        for key in std::mem::take(&mut self.told_rates) {
            let Some(events) = self.flags.events.get(&key) else { continue };
            let rates = || {
                plan.measures.iter().filter(|m| m.kind == events.kind).filter_map(|m| match m.of {
                    Linked::FlagRate { window, delay } => Some((m.id, span(window), span(delay))),
                    _ => None,
                })
            };
            let asked = rates().map(|(id, window, delay)| (id, (window, delay)));
            let rate = |(window, delay)| self.flags.rate(key, window, delay, seconds);
            self.tell_one(cache, key, (events.kind, &events.id), asked, rate, (now, What::All));
            let spans = rates().flat_map(|(_, window, delay)| [window, delay]);
            let due = self.flags.due(key, spans, seconds);
            if due != u32::MAX {
                self.rate_timers.insert((due, key));
            }
        }
        self.news.clear();
    }

    fn tell_entity(&self, plan: &LinkPlan, cache: &Cache, key: Key, now: Timestamp, what: What) {
        let Some(node) = self.graph.entities.get(&key) else { return };
        // A rate, and how many share the entity's own id, are told where they change: said here,
        // they would be nothing.
        let is_of_edges = |measure: &&LinkMeasure| match measure.of {
            Linked::Shared { identifier, .. } => plan
                .identifier(identifier)
                .is_none_or(|identifier| identifier.of != IdentifierOf::Own(node.kind)),
            Linked::Distance { .. } | Linked::Cluster => true,
            Linked::FlagRate { .. } => false,
        };
        let asked = plan.measures.iter().filter(|measure| measure.kind == node.kind);
        let asked = asked.filter(is_of_edges);
        let number = |measure: &LinkMeasure| self.number(key, measure, words::seconds(now));
        let asked = asked.map(|measure| (measure.id, measure));
        self.tell_one(cache, key, (node.kind, &node.id), asked, number, (now, what));
    }

    fn tell_one<A>(
        &self,
        cache: &Cache,
        key: Key,
        (kind, id): (EntityKind, &str),
        asked: impl Iterator<Item = (MeasureId, A)>,
        number: impl Fn(A) -> Option<f64>,
        (now, what): (Timestamp, What),
    ) {
        let mut asked = asked.peekable();
        if asked.peek().is_none() {
            return;
        }
        let tell = |record: &mut RecordBuilder<'_>| {
            for (measure, of) in asked {
                if what == What::Missing && record.tells(measure) {
                    continue;
                }
                // Known once, and nothing now.
                let Some(number) = number(of).or(record.tells(measure).then_some(0.0)) else {
                    continue;
                };
                record.summarise(measure, &Summary::Window(number));
            }
        };
        // A refused write is counted by the cache; there is nobody to tell.
        let _refused = if self.news.contains(&key) {
            cache.update(kind, id, now, tell).map(|_| ())
        } else {
            cache.derive(kind, id, now, tell)
        };
    }

    fn number(&self, key: Key, measure: &LinkMeasure, now: u32) -> Option<f64> {
        let node = self.graph.entities.get(&key)?;
        match measure.of {
            Linked::Shared { identifier, who, window } => {
                self.sharers(node.latest(identifier)?.value, (who, window), now)
            }
            Linked::Distance { depth } => match node.distance {
                FAR => Some(f64::INFINITY),
                steps if steps > depth => Some(f64::INFINITY),
                steps => Some(f64::from(steps)),
            },
            Linked::Cluster => Some(node.cluster as f64),
            Linked::FlagRate { .. } => None,
        }
    }

    /// How many were seen with the value within the window, or have it since then.
    fn sharers(&self, value: Key, (who, window): (Sharers, Seconds), now: u32) -> Option<f64> {
        let members = &self.graph.values.get(&value)?.members;
        let leave = members.iter().filter_map(|member| member.leaves(who, span(window)));
        Some(leave.filter(|at| *at > now).count() as f64)
    }
}
