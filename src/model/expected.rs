//! Changes that may be announced of an entity: travel, on-call, a deployment.

use std::sync::Arc;

use super::catalog::{EntityKind, SignalId};
use super::time::Seconds;

/// Under this name an entity's record holds what was announced. No catalog can
/// declare it, so that nobody who reports signals can announce.
pub const EXPECTED_SIGNAL: &str = "(expected)";

/// A kind of change that may be announced.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedDecl {
    pub name: Arc<str>,
    /// Whose behaviour changes.
    pub kind: EntityKind,
    /// What holds the windows in records of that kind.
    pub signal: SignalId,
    /// No announced window is longer (seconds).
    pub at_most: Seconds,
}

/// What an expression can ask of the windows of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedField {
    /// Whether one is in force; false where none is, never missing.
    InForce,
    /// When the one in force ends, the last of several.
    Until,
    /// The reference of that one.
    Reference,
}
