//! Where decisions go in and out over the wire.

pub mod ext_authz;
pub mod id;
pub mod path;
pub mod pdp;
pub mod question;
pub mod resource;
pub mod transport;
