//! Where decisions go in and out over the wire.

pub mod access;
pub mod answer;
pub mod ask;
pub mod authzen;
pub mod check;
pub mod decision;
mod expected;
pub mod ext_authz;
pub mod forward_auth;
pub mod health;
pub mod http;
pub mod id;
pub mod identity;
pub(crate) mod json;
pub mod jwt;
pub mod label;
pub mod load;
pub mod path;
pub mod pdp;
mod problem;
pub mod question;
pub mod renewed;
pub mod resource;
pub mod review;
mod routes;
pub mod signals;
pub mod taught;
mod trace;
pub mod transport;

pub use routes::grpc_routes;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a gRPC call answers bit by bit.
type BoxStream<T> =
    std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<T, tonic::Status>> + Send>>;
