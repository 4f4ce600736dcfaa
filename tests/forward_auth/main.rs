//! `/forward-auth`, as proxies ask it, and end to end behind the real nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod by_hand;
mod nginx;

use serde_json::{Value, json};

/// Who is who.
fn settings() -> Value {
    json!({"identity": {
        "user": [{"header": "x-login"}],
        "session": [{"cookie": "sid"}],
        "address": [{"connection": {}}],
    }})
}
