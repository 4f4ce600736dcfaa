//! Metrics, traces and logs: what is seen from outside. Names are in one place.

mod counters;
mod decisions;
mod export;
mod family;
mod gauges;
mod log;
mod names;
#[cfg(feature = "otlp")]
mod otlp;
mod process;
mod registry;
mod tokens;
mod trace;

pub use counters::{Counter, Histogram};
pub use decisions::{DecisionMetrics, PolicyMetrics};
pub use export::{ExportCounts, ExportState};
pub use gauges::{Gauges, LearningGauges, Loaded, StoreGauges};
pub use log::init as init_log;
#[cfg(feature = "otlp")]
pub use otlp::Exporter;
pub use registry::Metrics;
pub use tokens::TokenMetrics;
pub use trace::{Hex, Operation, Parent, Span, Traces};
