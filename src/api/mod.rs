//! Where decisions go in and out over the wire.

pub mod check;
pub mod ext_authz;
pub mod id;
pub mod identity;
pub mod path;
pub mod pdp;
mod problem;
pub mod question;
pub mod resource;
pub mod transport;
