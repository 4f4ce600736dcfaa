//! The native gRPC services and the HTTP side, over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod decisions;
mod health;
mod http;
mod signals;
mod support;
