//! The live signals: what is known, right now, about users, devices, sessions
//! and addresses, and the lists and geo databases beside them.
//!
//! Readers take no lock. Writers meet at one lock a shard. Memory is bounded
//! whatever comes in.

mod cache;
mod learned;
mod record;

pub use cache::{
    Cache, EntitySnapshot, Fetched, Held, Kinds, Limits, OwnedValue, Refused, Secrets,
    SignalSnapshot, Stats, Swept, Written,
};
pub use record::{Applied, Cell, Record, RecordBuilder};
