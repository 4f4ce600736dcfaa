//! Plimsoll: a policy decision point that scores trust.
//!
//! A request flows one way: decode (`api`), look up (`signals`), evaluate
//! (`engine`), encode (`api`). Policies flow the other: document, validate,
//! compile (`policy`), publish. `ARCHITECTURE.md` has the picture.

pub mod api;
pub mod app;
pub mod background;
pub mod cli;
pub mod client;
pub mod config;
pub mod engine;
pub mod feeds;
pub mod fetch;
pub mod learn;
pub mod model;
pub mod policy;
pub mod proto;
pub mod replay;
pub mod signals;
pub mod store;
pub mod telemetry;

#[cfg(test)]
#[path = "../tests/support/idp.rs"]
mod idp;
