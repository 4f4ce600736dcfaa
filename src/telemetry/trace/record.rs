//! A span as the hot side leaves it: names and attributes are made of it later.

use std::sync::Arc;

use arrayvec::ArrayString;

use crate::model::Decision;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Envoy's check.
    Check,
    Evaluate,
    /// One question of a batch.
    BatchItem,
    Report,
    ReportStream,
    ForwardAuth,
    AuthZenEvaluation,
    HttpReport,
    Reload,
}

/// An operation that is over.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "read where it is sent"))]
pub(in crate::telemetry) struct Ended {
    pub trace: u128,
    pub span: u64,
    pub parent: Option<u64>,
    pub state: Option<Box<str>>,
    pub operation: Operation,
    /// Nanoseconds since 1970.
    pub began: u64,
    pub ended: u64,
    pub what: What,
}

/// What came of it.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "read where it is sent"))]
pub(in crate::telemetry) enum What {
    Nothing,
    Decided(Decided),
    Refused(&'static str),
    Taken(Taken),
    Reloaded { revision: Box<str>, errors: usize },
}

#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "read where it is sent"))]
pub(in crate::telemetry) struct Decided {
    pub id: ArrayString<36>,
    pub policy: Arc<str>,
    pub revision: Arc<str>,
    pub decision: Option<Decision>,
    pub score: f64,
    pub confidence: f64,
    pub level: Option<Arc<str>>,
    /// The rule that decided, where one did.
    pub rule: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "read where it is sent"))]
pub(in crate::telemetry) struct Taken {
    pub accepted: u64,
    pub ignored: u64,
    pub rejected: u64,
}
