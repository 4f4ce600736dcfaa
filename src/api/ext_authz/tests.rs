//! The wire against the generated types of `envoy-types`, and against what nobody should send.

mod bad_input;
mod claims;
mod decode;
mod encode;
mod oracle;
mod service;
