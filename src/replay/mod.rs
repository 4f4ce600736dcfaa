//! Replay: a file of events through the real engine, with the file's time instead of
//! the clock's. The same file gives the same decisions, to the bit.
//!
//! ```text
//! line --> event --> advance time --> report: ingest  -.
//!                                     request: decide --> observations --> learner
//!                                     expected: announce
//! ```

mod event;
mod generate;
mod measure;
mod plot;
#[cfg(test)]
mod tests;
mod world;

pub use event::{Announced, Event, EventError, Truth, Within};
pub use generate::{Scenario, generate, places};
pub use measure::{Detection, Measured, Verdicts};
pub use plot::plots;
pub use world::{Decided, PlaceLine, World, WorldError};
