//! End to end: a client, the real Envoy, Plimsoll's binary, an upstream.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod bypasses;
mod drain;
mod failure;
mod hostile;
mod identity;
mod signals;
mod trust;

use support::house::{House, identities};
