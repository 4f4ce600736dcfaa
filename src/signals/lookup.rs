//! Look-up: fills the slots that a policy reads. The only step between a request
//! and its evaluation, and the only one that knows what was not there.

#[cfg(test)]
mod tests;

mod expected;
mod learned;

use std::net::IpAddr;

use arrayvec::ArrayVec;
use bumpalo::Bump;

use expected::Asked;

use super::cache::{Cache, Fetched, Kinds};
use super::geo::Place;
use super::lists::Loaded;
use super::record::Record;
use crate::model::{
    Constant, EntityKind, Freshness, GeoQuery, HttpField, MAX_ENTITIES, Reading, Request, Seconds,
    SignalId, SignalUse, Slot, SlotId, Source, Timestamp, Value, View,
};

/// What look-up reads beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'v> {
    pub cache: &'v Cache,
    /// [`Cache::fetch`] of this request's entities, of [`kinds_of`] the wanted slots.
    pub records: &'v Fetched,
    /// [`super::Feeds::load`], once a request.
    pub feeds: &'v Loaded,
    /// For texts that look-up makes itself.
    pub arena: &'v Bump,
}

/// What a look-up didn't find, and how old what it found is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Missed {
    /// Kinds that a wanted slot reads, and the request names no entity of.
    pub unnamed: Kinds,
    /// Kinds of entities that the request names and the cache has no record of.
    pub unknown: Kinds,
    /// How many wanted slots stayed missing, those of learned state and of other
    /// policies not counted.
    pub slots: usize,
    pub signals: SignalUse,
}

/// The entity kinds that the wanted slots read records of: the same for each
/// request of a policy.
pub fn kinds_of(slots: &[Slot], wanted: &[SlotId]) -> Kinds {
    let mut kinds = Kinds::NONE;
    for slot in wanted.iter().filter_map(|id| slots.get(id.0 as usize)) {
        let kind = match &slot.source {
            Source::Signal { kind, .. } => Some(*kind),
            Source::Expected { kind, .. } => Some(*kind),
            other => other.measure().map(|(kind, _)| kind),
        };
        if let Some(kind) = kind {
            kinds.insert(kind);
        }
    }
    kinds
}

/// Fills the wanted slots, which are sorted: a slot that another one is computed
/// from has the smaller number and is wanted as well.
///
/// `given` readings stand in place of what would be looked up, also for the
/// slots computed from them (policy tests).
pub fn look_up<'v>(
    slots: &'v [Slot],
    wanted: &[SlotId],
    request: &'v Request<'v>,
    given: &[(SlotId, Reading<'v>)],
    sources: &Sources<'v>,
    view: &mut View<'v>,
) -> Missed {
    let mut lookup = LookUp::new(request, sources, kinds_of(slots, wanted));
    for id in wanted {
        let Some(slot) = slots.get(id.0 as usize) else { continue };
        if let Some((_, reading)) = given.iter().find(|(slot, _)| slot == id) {
            view.fill(*id, *reading);
            continue;
        }
        if matches!(slot.source, Source::Policy { .. } | Source::Learned) {
            continue;
        }
        let reading = lookup.reading(&slot.source, view);
        // Where nothing is announced, nothing was missed.
        let asked = !matches!(slot.source, Source::Expected { .. });
        lookup.missed.slots += usize::from(asked && reading.value.is_missing());
        view.fill(*id, reading);
    }
    lookup.missed
}

/// How many distinct `geo(x)` a request is answered from one look-up each; more
/// are answered as well, each field by itself.
const PLACES: usize = 4;

struct LookUp<'v, 's> {
    request: &'v Request<'v>,
    sources: &'s Sources<'v>,
    records: [Option<Record<'v>>; MAX_ENTITIES],
    places: ArrayVec<(u16, Option<Place<'v>>), PLACES>,
    missed: Missed,
    /// Kinds of whose entity nothing is announced, as far as that was asked.
    unannounced: Kinds,
}

impl<'v, 's> LookUp<'v, 's> {
    fn new(request: &'v Request<'v>, sources: &'s Sources<'v>, kinds: Kinds) -> Self {
        let mut records = [None; MAX_ENTITIES];
        let mut missed = Missed::default();
        for kind in kinds.iter() {
            let Some(id) = request.entities.get(kind) else {
                missed.unnamed.insert(kind);
                continue;
            };
            // Compared once more: records fetched for another request are of no use here.
            let record = sources.records.record(kind).filter(|record| record.is_of(kind, id));
            if record.is_none() {
                missed.unknown.insert(kind);
            }
            if let Some(place) = records.get_mut(usize::from(kind.0)) {
                *place = record;
            }
        }
        let (places, unannounced) = (ArrayVec::new(), Kinds::NONE);
        LookUp { request, sources, records, places, missed, unannounced }
    }

    fn reading(&mut self, source: &'v Source, view: &View<'v>) -> Reading<'v> {
        let request = self.request;
        let value = match source {
            Source::SubjectType => text(request.subject.kind),
            Source::SubjectId => text(request.subject.id),
            Source::ActionName => text(request.action),
            Source::ResourceType => text(request.resource.kind),
            Source::ResourceId => text(request.resource.id),
            Source::Property { owner, key } => match request.property(*owner, key) {
                Value::Number(x) => Value::number(x),
                other => other,
            },
            Source::Http(field) => request.http.map_or(Value::Missing, |http| {
                text(match field {
                    HttpField::Method => http.method,
                    HttpField::Path => http.path,
                    HttpField::Host => http.host,
                    HttpField::Scheme => http.scheme,
                })
            }),
            Source::Header(name) => {
                let header = request.http.as_ref().and_then(|http| http.header(name));
                header.map_or(Value::Missing, Value::Text)
            }
            Source::EntityId(kind) => {
                request.entities.get(*kind).map_or(Value::Missing, Value::Text)
            }
            Source::AddressIp => {
                request.address.map_or(Value::Missing, |ip| Value::Address(ip.to_canonical()))
            }
            Source::Signal { kind, signal, freshness } => {
                return self.signal(*kind, *signal, freshness);
            }
            Source::Listed(asked) => {
                self.sources.feeds.listed(asked.list, view.read(asked.value).value)
            }
            Source::Geo { query, field } => {
                let address = view.read(query.address).value;
                self.place(query, address).map_or(Value::Missing, |place| place.field(*field))
            }
            Source::Lower(of) => self.lower(view.read(*of).value),
            Source::Constant(Constant::Text(constant)) => Value::Text(constant),
            Source::Constant(Constant::Number(constant)) => Value::number(*constant),
            Source::Constant(Constant::Bool(constant)) => Value::Bool(*constant),
            Source::Familiar { kind, measure, value } => {
                self.familiar(*kind, *measure, view.read(*value).value)
            }
            Source::Deviation { kind, measure, value } => {
                return self.deviation(*kind, *measure, view.read(*value));
            }
            Source::Percentile { kind, measure, value } => {
                return self.percentile(*kind, *measure, view.read(*value));
            }
            Source::Quantile { kind, measure, share, ty } => {
                return self.quantile(*kind, *measure, *share, *ty);
            }
            Source::UnusualHour { kind, measure } => self.unusual_hour(*kind, *measure),
            Source::TravelSpeed { kind, measure, from } => {
                self.travel_speed(*kind, *measure, from, view)
            }
            Source::Rarity { kind, measure, from } => {
                return self.rarity(*kind, *measure, from, view);
            }
            Source::Window { kind, measure } => self.window(*kind, *measure),
            Source::Expected { kind, signal, change, value, field } => self.expected(&Asked {
                kind: *kind,
                signal: *signal,
                change,
                value: value.map(|slot| view.read(slot).value),
                field: *field,
            }),
            Source::Policy { .. } | Source::Learned => Value::Missing,
        };
        // A value computed from another one is as fresh as that.
        let freshness = match source {
            Source::Listed(asked) => {
                let list = self.sources.feeds.freshness(asked.list, request.now);
                view.read(asked.value).freshness * list
            }
            Source::Geo { query, .. } => view.read(query.address).freshness,
            Source::Lower(of) | Source::Familiar { value: of, .. } => view.read(*of).freshness,
            _ => 1.0,
        };
        if value.is_missing() { Reading::MISSING } else { Reading { value, freshness } }
    }

    fn record(&self, kind: EntityKind) -> Option<Record<'v>> {
        self.records.get(usize::from(kind.0)).copied().flatten()
    }

    fn signal(&mut self, kind: EntityKind, signal: SignalId, freshness: &Freshness) -> Reading<'v> {
        let cell = self.record(kind).and_then(|record| record.signal(signal));
        let found = &mut self.missed.signals;
        let Some(cell) = cell.filter(|cell| !cell.value.is_missing()) else {
            found.missing += 1;
            return Reading::MISSING;
        };
        let age = age(cell.observed_at, self.request.now);
        let Some(freshness) = fresh(age, freshness) else {
            found.stale += 1;
            return Reading::MISSING;
        };
        found.used(age);
        Reading { value: cell.value, freshness }
    }

    fn place(&mut self, query: &GeoQuery, address: Value<'v>) -> Option<Place<'v>> {
        if let Some((_, place)) = self.places.iter().find(|(index, _)| *index == query.index) {
            return *place;
        }
        let ip = match address {
            Value::Address(ip) => Some(ip),
            Value::Text(text) => text.parse::<IpAddr>().ok(),
            _ => None,
        };
        let place = ip.map(|ip| self.sources.feeds.geo().place(ip));
        if !self.places.is_full() {
            self.places.push((query.index, place));
        }
        place
    }

    fn lower(&self, value: Value<'v>) -> Value<'v> {
        let text = match value {
            Value::Text(text) => text,
            Value::None => return Value::None,
            _ => return Value::Missing,
        };
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return value;
        }
        let lower = self.sources.arena.alloc_str(text);
        lower.make_ascii_lowercase();
        Value::Text(lower)
    }
}

/// What a caller didn't say isn't known.
fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Missing } else { Value::Text(text) }
}

/// How old a value is. One observed in the future (clocks differ) is as of now.
fn age(observed_at: Timestamp, now: Timestamp) -> Seconds {
    now.seconds_since(observed_at).max(0.0)
}

/// How fresh a value of that age is, in [0, 1]; `None` when it is too old to count.
fn fresh(age: Seconds, freshness: &Freshness) -> Option<f64> {
    if freshness.fresh_for.is_some_and(|limit| age > limit) {
        return None;
    }
    match freshness.half_life {
        // exp2 from libm: the same last bit on each system.
        Some(half_life) if half_life > 0.0 => Some(libm::exp2(-age / half_life)),
        _ => Some(1.0),
    }
}
