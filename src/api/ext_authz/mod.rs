//! Envoy's external authorization, `envoy.service.auth.v3.Authorization/Check`.
//!
//! Decoded and encoded by hand: generated types cost an allocation a field,
//! and of a request's 1.2 kB a policy reads a few hundred bytes.

mod body;
mod claims;
mod decode;
mod encode;
mod front;
mod headers;
mod others;
mod received;
mod scan;
mod service;
mod structs;
#[cfg(test)]
mod tests;

pub use body::CheckBody;
pub use claims::{ClaimValue, metadata_claim};
pub use decode::{
    CheckRequest, Header, HttpAttributes, MAX_CONTEXT_EXTENSIONS, MAX_HEADERS, Peer, RequestTime,
    decode,
};
pub use encode::{CheckAnswer, HeaderToSet, encode};
pub use front::{Front, FrontBody, FrontFuture};
pub use scan::DecodeError;
pub use service::{CHECK_PATH, CheckFuture, CheckService, Checker};
pub use structs::{ListWriter, StructWriter};
