//! Telling the records what follows from links and labels.

use super::graph::{Edge, FAR, Key};
use super::{Links, span};
use crate::learn::kept::LinkValue;
use crate::learn::words;
use crate::model::{EntityKind, LinkMeasure, LinkPlan, Linked, MeasureId, Seconds, Timestamp};
use crate::signals::{Cache, RecordBuilder, Summary};

impl Links {
    pub(super) fn tell(&mut self, plan: &LinkPlan, cache: &Cache, now: Timestamp) {
        let seconds = words::seconds(now);
        for key in std::mem::take(&mut self.told) {
            let Some(node) = self.graph.entities.get(&key) else { continue };
            let asked = plan.measures.iter().filter(|measure| measure.kind == node.kind);
            let numbers = asked.map(|m| (m.id, self.number(key, m, seconds)));
            self.tell_one(cache, key, (node.kind, &node.id), numbers, now);
            if node.edges.is_empty() && self.unsettled.is_empty() {
                self.graph.drop_entity(key);
            }
        }
        for key in std::mem::take(&mut self.told_values) {
            let Some(shared) = self.graph.values.get(&key) else { continue };
            if let LinkValue::Own(kind, id) = &shared.value {
                let asked = plan.measures.iter().filter(|measure| measure.kind == *kind);
                let numbers = asked.filter_map(|measure| match measure.of {
                    Linked::Shared { identifier, window } if identifier == shared.of => {
                        Some((measure.id, self.sharers(key, window, seconds)))
                    }
                    _ => None,
                });
                self.tell_one(cache, key, (*kind, id), numbers, now);
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
            let rate = |window, delay| self.flags.rate(key, window, delay, seconds);
            let numbers = rates().map(|(id, window, delay)| (id, rate(window, delay)));
            self.tell_one(cache, key, (events.kind, &events.id), numbers, now);
            let spans = rates().flat_map(|(_, window, delay)| [window, delay]);
            let due = self.flags.due(key, spans, seconds);
            if due != u32::MAX {
                self.rate_timers.insert((due, key));
            }
        }
        self.news.clear();
    }

    fn tell_one(
        &self,
        cache: &Cache,
        key: Key,
        (kind, id): (EntityKind, &str),
        numbers: impl Iterator<Item = (MeasureId, Option<f64>)>,
        now: Timestamp,
    ) {
        let mut numbers = numbers.peekable();
        if numbers.peek().is_none() {
            return;
        }
        let tell = |record: &mut RecordBuilder<'_>| {
            for (measure, number) in numbers {
                // Known once, and nothing now.
                let Some(number) = number.or(record.tells(measure).then_some(0.0)) else {
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
            Linked::Shared { identifier, window } => {
                let of = |edge: &&Edge| edge.of == identifier;
                match node.edges.iter().filter(of).max_by_key(|edge| edge.seen) {
                    Some(latest) => self.sharers(latest.value, window, now),
                    None => None,
                }
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

    /// How many were seen with the value within the window.
    fn sharers(&self, value: Key, window: Seconds, now: u32) -> Option<f64> {
        let members = &self.graph.values.get(&value)?.members;
        let inside = |seen: u32| seen.saturating_add(span(window)) > now;
        Some(members.iter().filter(|(_, seen)| inside(*seen)).count() as f64)
    }
}
