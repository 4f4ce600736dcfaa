//! The native gRPC services and the HTTP side, over real connections.

mod decisions;
mod health;
mod http;
mod signals;
mod support;
