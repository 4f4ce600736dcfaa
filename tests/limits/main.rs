//! Hostile load on the real binary, over real sockets: others are answered meanwhile, and memory stays
//! within a stated bound. `docs/limits.md` has the figures that this prints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;
#[path = "../access/support.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod tls;

mod certificates;
mod connections;
mod flood;
mod house;
mod raw;
mod slow;
