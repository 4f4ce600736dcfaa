//! Envoy's external authorization, `envoy.service.auth.v3.Authorization/Check`.
//!
//! Decoded and encoded by hand: generated types cost an allocation a field,
//! and of a request's 1.2 kB a policy reads a few hundred bytes.

mod claims;
mod decode;
mod headers;
mod scan;

pub use claims::{ClaimValue, metadata_claim};
pub use decode::{
    CheckRequest, Header, HttpAttributes, MAX_CONTEXT_EXTENSIONS, MAX_HEADERS, Peer, RequestTime,
    decode,
};
pub use scan::DecodeError;
