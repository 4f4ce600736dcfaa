//! What requests teach, by what they say and by being made.

use crate::engine::Snapshot;
use crate::model::{EntityKind, IdentifierOf, Request, SignalId, SlotId, TravelFrom, Value, View};
use crate::signals::{Cache, Observation, Seen, SeenContext, SeenPlace};

/// The signals of one revision that are learned from requests.
#[derive(Clone, Debug, Default)]
pub struct Taught {
    signals: Vec<TaughtSignal>,
    /// Kinds of entities that are linked by coming together.
    together: Vec<(EntityKind, EntityKind)>,
}

#[derive(Clone, Copy, Debug)]
struct TaughtSignal {
    kind: EntityKind,
    signal: SignalId,
    slot: SlotId,
    /// Also from requests that were not let through.
    from_denied: bool,
}

impl Taught {
    pub fn of(snapshot: &Snapshot) -> Self {
        let taught = |signal: &crate::model::SignalDecl| {
            signal.teaches.then_some(TaughtSignal {
                kind: signal.kind,
                signal: signal.id,
                slot: signal.observe?,
                from_denied: signal.learn.from_denied,
            })
        };
        let together = snapshot.plan.links.identifiers.iter().filter_map(|identifier| {
            let IdentifierOf::Own(other) = identifier.of else { return None };
            Some((identifier.links, other))
        });
        Taught {
            signals: snapshot.catalog.signals().iter().filter_map(taught).collect(),
            together: together.collect(),
        }
    }

    /// Hands out what the request teaches. One that was not let through teaches
    /// nothing, unless the catalog says so: an attacker must not become familiar by
    /// trying.
    pub fn observe(
        &self,
        snapshot: &Snapshot,
        cache: &Cache,
        request: &Request<'_>,
        view: &View<'_>,
        permitted: bool,
        push: impl Fn(Observation),
    ) {
        let push = |kind, seen| {
            let Some(id) = request.entities.get(kind) else { return };
            push(Observation { kind, id: id.into(), at: request.now, seen });
        };
        for taught in &self.signals {
            let value = view.read(taught.slot).value;
            if (permitted || taught.from_denied)
                && let Some(value) = cache.seen_value(value)
            {
                push(taught.kind, Seen::Value { signal: taught.signal, value });
            }
        }
        if permitted {
            for presence in &snapshot.presences {
                let place = presence.from.as_ref().and_then(|from| place(view, from));
                let context = presence.context.as_ref();
                let context = context.map(|from| SeenContext::of(view, from, cache));
                let context = context.unwrap_or_default();
                push(presence.kind, Seen::Presence { place, context });
            }
            for (kind, other) in &self.together {
                if let Some(id) = request.entities.get(*other) {
                    push(*kind, Seen::With { kind: *other, id: id.into() });
                }
            }
        }
    }
}

/// Where the request comes from, unless somebody who comes from there may be anywhere.
fn place(view: &View<'_>, from: &TravelFrom) -> Option<SeenPlace> {
    let number = |slot| match view.read(slot).value {
        Value::Number(x) => Some(x),
        _ => None,
    };
    if from.excused.is_some_and(|slot| view.read(slot).value == Value::Bool(true)) {
        return None;
    }
    Some(SeenPlace {
        latitude: number(from.latitude)?,
        longitude: number(from.longitude)?,
        radius_km: number(from.radius).unwrap_or(0.0),
    })
}
