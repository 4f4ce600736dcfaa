//! Replay: a file of events through the real engine, with the file's time instead of
//! the clock's. The same file gives the same decisions, to the bit.
//!
//! ```text
//! line --> event --> advance time --> report: ingest  -.
//!                                     request: decide --> observations --> learner
//!                                     expected: announce
//!                                     label   ----------------------------^
//! ```

mod curves;
mod event;
mod generate;
mod measure;
mod order;
mod plot;
#[cfg(test)]
mod tests;
mod world;

pub use curves::{Detection, Point};
pub use event::{Announced, Event, EventError, Reported, Truth, Within};
pub use generate::{Scenario, Traffic, generate, places};
pub use measure::{Delay, Kind, Measured, Verdicts};
pub use order::{Odd, Order};
pub use plot::plots;
pub use world::{Decided, PlaceLine, World, WorldError};
