//! The native gRPC services and the HTTP side, over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are outside what the lints know as tests"
)]

mod answers;
mod client;
mod decisions;
mod health;
mod http;
mod signals;
mod support;
