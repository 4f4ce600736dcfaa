//! The live signals: what is known, right now, about users, devices, sessions
//! and addresses, and the lists and geo databases beside them.
//!
//! Readers take no lock. Writers meet at one lock a shard. Memory is bounded
//! whatever comes in.

mod agent;
mod cache;
mod context;
mod durable;
mod expected;
mod geo;
mod ingest;
mod learned;
mod lists;
mod lookup;
mod observation;
mod priors;
mod record;

pub use cache::{
    Cache, Change, EntitySnapshot, Fetched, Held, Kinds, Limits, Live, MAX_ID, Marks, OwnedValue,
    Refused, Secrets, SignalSnapshot, Stats, Swept, Taken, Written,
};
pub use context::{Feature, LEVELS, Rarity, SeenContext, rarity};
pub use durable::{Durable, NotDurable};
pub use expected::{Announcement, MAX_WINDOWS, NotAnnounced, Window, announced_kind};
pub use geo::{Geo, GeoFile, GeoTable, OwnedPlace, Place};
pub use ingest::{
    IngestOutcome, MAX_AHEAD, MAX_MEMBERS, MAX_TEXT, Rejection, Report, ReportedValue, Verdict,
    canonical_id, ingest,
};
pub use learned::{
    Grid, Item, LastPlace, Lifts, MAX_FAMILIAR, MAX_LIFTS, SHARES, Summary, Usual, place_between,
    share_of_prior, value_between,
};
pub use lists::{
    BadLine, BadLines, Due, FeedSpec, FeedState, Feeds, Fresh, GeoSource, Keep, List, Loaded,
    Media, Version, Writing,
};
pub use lookup::{Missed, Sources, kinds_of, look_up};
pub use observation::{
    Asked, Label, NoRoom, Observation, Observations, Seen, SeenPlace, SeenValue, Told,
};
pub use priors::Priors;
pub use record::{Applied, Cell, Record, RecordBuilder};
