//! The engine: `evaluate(snapshot, policy, view) -> outcome`. Pure and synchronous.
//!
//! It reads the view and nothing else, allocates nothing once its output has
//! grown to the snapshot's size, and can't fail: what is not known is a value
//! with a declared meaning. Transcendental functions come from `libm`, so that
//! a decision replays to the same bits on another system.

mod combine;
mod counterfactual;
mod curve;
mod evaluate;
mod expr;
mod outcome;
mod reason;
mod recorded;
mod rules;
mod score;
mod snapshot;
mod soften;

pub use counterfactual::{Counterfactual, Needed, counterfactual};
pub use curve::{Curve, MapEntry};
pub use evaluate::{Evaluation, evaluate};
pub use expr::{Arithmetic, Comparison, Expr, LiteralSet, Scope, TextTest, Trace, TriState};
pub use outcome::{
    AdjustmentOutcome, Basis, DecidedBy, DimensionOutcome, ExpectedOutcome, FactorOutcome, Matched,
    Outcome, Ranked, RuleOutcome, SlotSet, Subject,
};
pub use reason::{Template, TemplatePart, counterfactual_text, reason_texts, unknown_names};
pub use recorded::RecordedView;
pub use snapshot::{
    Adjust, Adjustment, Appetite, Chosen, Dimension, Factor, GeoDecl, GeoDecls, Level,
    LevelResponse, ListDecl, MinConfidence, Missing, Obligations, OnUnknown, Policy, PolicyId,
    Presence, Range, Reason, Rule, SessionSlots, Snapshot, Softening, StepUp, Threshold, Tune,
};

#[cfg(test)]
mod tests;
