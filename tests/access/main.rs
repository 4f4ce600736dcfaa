//! Who gets in: TLS, client certificates, tokens and permissions, over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are outside what the lints know as tests"
)]

mod audit;
mod auth;
#[path = "../support/idp.rs"]
mod idp;
mod jwt;
#[path = "../support/mod.rs"]
mod processes;
mod provider;
#[allow(dead_code)]
#[path = "../limits/raw.rs"]
mod raw;
#[path = "../support/served.rs"]
mod served;
mod spots;
mod support;
mod tls;
mod tokens;
