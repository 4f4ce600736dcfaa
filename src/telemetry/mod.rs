//! Metrics and logs: their names in one place.

mod counters;
mod decisions;
mod log;
mod names;
mod registry;
mod tokens;

pub use counters::{Counter, Histogram};
pub use decisions::{DecisionMetrics, PolicyMetrics};
pub use log::init as init_log;
pub use registry::{Gauges, Metrics};
pub use tokens::TokenMetrics;
