//! What the end-to-end tests share: real processes, an upstream, a bare HTTP client.

#![allow(dead_code, reason = "each test program uses its part")]

pub mod client;
pub mod envoy;
pub mod house;
pub mod plimsoll;
pub mod process;
pub mod tokens;
pub mod upstream;

use std::time::Duration;

/// How long anything that should happen may take before a test says that it
/// won't. Far above what it takes: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
