//! The vocabulary: what every other room speaks in.
//!
//! No I/O, no wire formats, no runtime. Everything here is plain data, and all
//! of it that a request touches borrows from that request, from the snapshot or
//! from a record in the signal cache.

mod catalog;
mod decision;
mod expected;
mod learn;
mod links;
mod lists;
mod request;
mod route;
mod signal_use;
mod text;
mod time;
mod value;
mod view;

pub use catalog::{
    Catalog, EntityDecl, EntityKind, Freshness, SignalDecl, SignalId, SignalType, TEACHES_UP_TO,
    Vocabulary,
};
pub use decision::{Combine, Decision, Direction, Incident, Severity};
pub use expected::{EXPECTED_SIGNAL, ExpectedDecl, ExpectedField};
pub use learn::{
    Baseline, Count, Familiar, Learn, Measure, MeasureId, Measured, Plan, Quantiles, Season,
};
pub use links::{Identifier, IdentifierOf, LinkMeasure, LinkPlan, Linked, Sharers};
pub use lists::{ListKind, ListSource, ListUrl};
pub use request::{Entities, Http, MAX_ENTITIES, Owner, Party, Property, Request};
pub use route::{PathPattern, Route, RouteProperty};
pub use signal_use::{AGE_BOUNDS, SignalUse};
pub use text::{parse_duration, suggest};
pub use time::{Seconds, Timestamp};
pub use value::{PackedSet, Type, Value};
pub use view::{
    Constant, ContextFrom, GeoField, GeoQuery, HttpField, Membership, PolicyField, Reading, Slot,
    SlotId, Source, TravelFrom, View,
};
