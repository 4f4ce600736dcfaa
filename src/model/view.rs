//! The view: everything that one evaluation reads, and nothing else.
//!
//! Each signal, list membership and function call site in a policy set is a
//! numbered slot. Look-up fills the slots that the asked policy reads; the
//! engine reads slots; a logged decision is its slots. That is the whole
//! contract between the signal cache and the engine.

use std::sync::Arc;

use arrayvec::ArrayVec;

use super::catalog::{EntityKind, Freshness, SignalId};
use super::expected::ExpectedField;
use super::learn::MeasureId;
use super::request::Owner;
use super::time::Timestamp;
use super::value::{Type, Value};

/// The number of a slot within one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u32);

/// What a slot is: its name as policies write it, and where its value comes from.
#[derive(Clone, Debug)]
pub struct Slot {
    /// As a policy writes it: `user.auth_count`, `address.ip in lists.malicious_addresses`.
    pub name: Arc<str>,
    pub source: Source,
    pub ty: Type,
    /// Whether the value can be missing: decides what `check` asks of the author.
    pub can_be_missing: bool,
}

/// Where a slot's value comes from. A call site's argument is itself a slot
/// with a smaller number, so filling slots in order is enough.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    SubjectType,
    SubjectId,
    ActionName,
    ResourceType,
    ResourceId,
    Property {
        owner: Owner,
        key: Arc<str>,
    },
    Http(HttpField),
    Header(Arc<str>),
    EntityId(EntityKind),
    /// `address.ip`
    AddressIp,
    Signal {
        kind: EntityKind,
        signal: SignalId,
        freshness: Freshness,
    },
    Listed(Membership),
    Geo {
        query: GeoQuery,
        field: GeoField,
    },
    /// `lowerAscii(x)`
    Lower(SlotId),
    /// `policy("name").field`, filled by evaluating that policy first. The index
    /// is into the snapshot's policies.
    Policy {
        policy: u16,
        field: PolicyField,
    },
    /// A constant argument of a call site.
    Constant(Constant),
    /// `familiar(signal, value)`: whether the entity has been seen with it before.
    Familiar {
        kind: EntityKind,
        measure: MeasureId,
        value: SlotId,
    },
    /// `deviation(value, signal)`: how unusual the value is, in deviations.
    Deviation {
        kind: EntityKind,
        measure: MeasureId,
        value: SlotId,
    },
    /// `percentile(value, signal)`: the share of what was observed that is below the value.
    Percentile {
        kind: EntityKind,
        measure: MeasureId,
        value: SlotId,
    },
    /// `quantile(signal, share)`: the value below which that share lies, as a number or a
    /// duration.
    Quantile {
        kind: EntityKind,
        measure: MeasureId,
        share: f64,
        ty: Type,
    },
    /// `unusual_hour(entity)`
    UnusualHour {
        kind: EntityKind,
        measure: MeasureId,
    },
    /// `travel_speed(entity, geo(ip))`
    TravelSpeed {
        kind: EntityKind,
        measure: MeasureId,
        from: TravelFrom,
    },
    /// `rarity(entity)`
    Rarity {
        kind: EntityKind,
        measure: MeasureId,
        from: ContextFrom,
    },
    /// `rate(signal, window)`, `sum(...)`, `distinct(...)`
    Window {
        kind: EntityKind,
        measure: MeasureId,
    },
    /// `expected(entity, "change")`, or `expected(entity, "change", value)`: what was
    /// announced of the entity. With a value, windows that name values must name it.
    Expected {
        kind: EntityKind,
        signal: SignalId,
        change: Arc<str>,
        value: Option<SlotId>,
        field: ExpectedField,
    },
    /// A function of learned state that nothing fills yet: always missing,
    /// unless a policy test gives it.
    Learned,
}

impl Source {
    /// Whether it asks for learned state, which a policy test may give.
    pub fn is_learned(&self) -> bool {
        self.measure().is_some() || *self == Source::Learned
    }

    /// Whose record and which measure it reads, where it asks for learned state.
    pub fn measure(&self) -> Option<(EntityKind, MeasureId)> {
        match self {
            Source::Familiar { kind, measure, .. }
            | Source::Deviation { kind, measure, .. }
            | Source::Percentile { kind, measure, .. }
            | Source::Quantile { kind, measure, .. }
            | Source::UnusualHour { kind, measure }
            | Source::TravelSpeed { kind, measure, .. }
            | Source::Rarity { kind, measure, .. }
            | Source::Window { kind, measure } => Some((*kind, *measure)),
            _ => None,
        }
    }

    /// The slots that fill it.
    pub fn reads(&self) -> ArrayVec<SlotId, 5> {
        let mut reads = ArrayVec::new();
        match self {
            Source::Listed(membership) => reads.push(membership.value),
            Source::Geo { query, .. } => reads.push(query.address),
            Source::Lower(of) => reads.push(*of),
            Source::Expected { value, .. } => reads.extend(*value),
            Source::Familiar { value, .. }
            | Source::Deviation { value, .. }
            | Source::Percentile { value, .. } => reads.push(*value),
            Source::TravelSpeed { from, .. } => {
                reads.extend([from.latitude, from.longitude, from.radius]);
                reads.extend(from.excused);
            }
            Source::Rarity { from, .. } => reads.extend(from.slots()),
            _ => {}
        }
        reads
    }
}

/// Where a request comes from, for `travel_speed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TravelFrom {
    pub latitude: SlotId,
    pub longitude: SlotId,
    pub radius: SlotId,
    /// Whether the address is one behind which somebody may be anywhere.
    pub excused: Option<SlotId>,
}

/// What a request comes from and with, for `rarity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextFrom {
    pub address: SlotId,
    pub country: SlotId,
    pub asn: SlotId,
    pub user_agent: SlotId,
    /// The user agent where there is none in that slot.
    pub otherwise: Option<SlotId>,
}

impl ContextFrom {
    pub fn slots(&self) -> impl Iterator<Item = SlotId> {
        let always = [self.address, self.country, self.asn, self.user_agent];
        always.into_iter().chain(self.otherwise)
    }
}

/// `x in lists.NAME`; the index is into the snapshot's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    pub list: u16,
    pub value: SlotId,
}

/// `geo(x)`: the index numbers distinct arguments, so that one database look-up
/// serves all fields asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeoQuery {
    pub index: u16,
    pub address: SlotId,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Text(Arc<str>),
    Number(f64),
    Bool(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpField {
    Method,
    Path,
    Host,
    Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GeoField {
    /// ISO 3166-1 alpha-2.
    Country,
    City,
    Asn,
    Org,
    Latitude,
    Longitude,
    /// Accuracy radius in km.
    RadiusKm,
}

impl GeoField {
    pub const ALL: [(&'static str, GeoField); 7] = [
        ("country", GeoField::Country),
        ("city", GeoField::City),
        ("asn", GeoField::Asn),
        ("org", GeoField::Org),
        ("lat", GeoField::Latitude),
        ("lon", GeoField::Longitude),
        ("radius_km", GeoField::RadiusKm),
    ];

    pub const fn value_type(self) -> Type {
        match self {
            GeoField::Country | GeoField::City | GeoField::Org => Type::Text,
            GeoField::Asn | GeoField::Latitude | GeoField::Longitude | GeoField::RadiusKm => {
                Type::Number
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyField {
    Score,
    Level,
    Confidence,
    /// In [0, 1], 1 the worst, whatever the policy's range and direction.
    Risk,
}

impl PolicyField {
    pub const ALL: [(&'static str, PolicyField); 4] = [
        ("score", PolicyField::Score),
        ("level", PolicyField::Level),
        ("confidence", PolicyField::Confidence),
        ("risk", PolicyField::Risk),
    ];
}

/// A slot's value and how fresh it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'v> {
    pub value: Value<'v>,
    /// In [0, 1]; 1 for what does not age. Weighs into confidence.
    pub freshness: f64,
}

impl Reading<'_> {
    pub const MISSING: Self = Reading { value: Value::Missing, freshness: 1.0 };
}

impl<'v> From<Value<'v>> for Reading<'v> {
    fn from(value: Value<'v>) -> Self {
        Reading { value, freshness: 1.0 }
    }
}

/// The filled slots of one request.
#[derive(Clone, Debug)]
pub struct View<'v> {
    pub now: Timestamp,
    pub enforces_limits: bool,
    readings: Vec<Reading<'v>>,
}

impl<'v> View<'v> {
    /// A view of `slots` slots, all missing.
    pub fn new(slots: usize, now: Timestamp, enforces_limits: bool) -> Self {
        View { now, enforces_limits, readings: vec![Reading::MISSING; slots] }
    }

    /// The slot's reading; missing for a number that the view doesn't have.
    pub fn read(&self, slot: SlotId) -> Reading<'v> {
        self.readings.get(slot.0 as usize).copied().unwrap_or(Reading::MISSING)
    }

    pub fn fill(&mut self, slot: SlotId, reading: Reading<'v>) {
        if let Some(place) = self.readings.get_mut(slot.0 as usize) {
            *place = reading;
        }
    }

    pub fn len(&self) -> usize {
        self.readings.len()
    }

    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }
}
