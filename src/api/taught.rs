//! What requests teach, by what they say and by being made.

use crate::engine::{DecidedBy, Outcome, Policy, Snapshot};
use crate::model::{EntityKind, IdentifierOf, Request, SignalId, SlotId, TravelFrom, Value, View};
use crate::signals::{Cache, Observation, Seen, SeenContext, SeenPlace};

/// The signals of one revision that are learned from requests.
#[derive(Clone, Debug, Default)]
pub struct Taught {
    /// Up to which risk a request teaches, in [0, 1].
    up_to: f64,
    signals: Vec<TaughtSignal>,
    /// Kinds of entities that are linked by coming together.
    together: Vec<(EntityKind, EntityKind)>,
}

#[derive(Clone, Copy, Debug)]
struct TaughtSignal {
    kind: EntityKind,
    signal: SignalId,
    slot: SlotId,
    /// Also from requests that are not trusted.
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
            up_to: snapshot.catalog.teaches_up_to,
            signals: snapshot.catalog.signals().iter().filter_map(taught).collect(),
            together: together.collect(),
        }
    }

    /// Whether a request teaches that was decided like this: it was let through, not
    /// by an exemption, and what is known makes no high risk of it. An attacker must not become familiar
    /// by trying, nor by asking first for what everybody gets.
    pub fn trusts(&self, policy: &Policy, outcome: &Outcome) -> bool {
        let exempt = match outcome.decided_by {
            DecidedBy::Rule(at) => policy.rules.get(at).is_some_and(|rule| rule.exempt),
            DecidedBy::MinConfidence | DecidedBy::Default => false,
        };
        outcome.decision.is_some_and(|decision| decision.permits())
            && !exempt
            && outcome.known_risk(policy) <= self.up_to
    }

    /// Hands out what the request teaches: nothing where it is not `trusted`, unless
    /// the catalog says so of a signal.
    pub fn observe(
        &self,
        snapshot: &Snapshot,
        cache: &Cache,
        request: &Request<'_>,
        view: &View<'_>,
        trusted: bool,
        push: impl Fn(Observation),
    ) {
        let push = |kind, seen| {
            let Some(id) = request.entities.get(kind) else { return };
            push(Observation { kind, id: id.into(), at: request.now, seen });
        };
        for taught in &self.signals {
            let value = view.read(taught.slot).value;
            if (trusted || taught.from_denied)
                && let Some(value) = cache.seen_value(value)
            {
                push(taught.kind, Seen::Value { signal: taught.signal, value });
            }
        }
        if trusted {
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
