//! Announced changes: what softening does to factors, and what it is worth.
//!
//! The factors keep the contributions that they would have without it. What softening
//! changes of a sub-score, in any combination, is the announced change's own part: the
//! combination with it less the combination without, change by change in document order.
//! So the parts of a sub-score still sum to it.

use super::combine::{Term, combine};
use super::expr::{Scope, Trace, TriState};
use super::outcome::{DimensionOutcome, ExpectedOutcome, Outcome};
use super::score::cost_factors;
use super::snapshot::{Policy, Softening};
use crate::model::{Value, View};

/// Softens the factors of what is announced and in force. Until the dimensions are
/// combined, `Outcome::softened` says what that changed, in parts of [0, 1].
pub(super) fn soften<'v>(
    policy: &'v Policy,
    view: &View<'v>,
    out: &mut Outcome,
    trace: &mut Trace,
) {
    // Nobody who announces nothing pays for it.
    if policy.expected.is_empty() {
        return;
    }
    let dimensions = policy.dimensions.len();
    out.expected.resize(policy.expected.len(), ExpectedOutcome::default());
    out.softened.resize(policy.expected.len() * dimensions, 0.0);
    for (at, softening) in policy.expected.iter().enumerate() {
        if !applies(softening, policy, view, trace) {
            continue;
        }
        if let Some(outcome) = out.expected.get_mut(at) {
            outcome.applies = true;
        }
        for factor in &softening.factors {
            if let Some(outcome) = out.factors.get_mut(*factor)
                && let Some(c) = &mut outcome.counted
            {
                *c = (*c + softening.by * (policy.direction.best() - *c)).clamp(0.0, 1.0);
            }
        }
        for number in 0..dimensions {
            if let Some(change) = recombine(policy, softening, number, out)
                && let Some(place) = out.softened.get_mut(at * dimensions + number)
            {
                *place = change;
            }
        }
    }
}

/// Whether a window is in force, and meant here. What is not known is not meant.
fn applies<'v>(
    softening: &'v Softening,
    policy: &'v Policy,
    view: &View<'v>,
    trace: &mut Trace,
) -> bool {
    static NOTHING: Outcome = Outcome::NOTHING;
    if view.read(softening.in_force).value != Value::Bool(true) {
        return false;
    }
    let scope = Scope { view, policy, progress: &NOTHING };
    softening.when.as_ref().is_none_or(|when| when.test(scope, trace) == TriState::Yes)
}

/// Combines a dimension anew, and gives by how much its sub-score changed.
fn recombine(
    policy: &Policy,
    softening: &Softening,
    number: usize,
    out: &mut Outcome,
) -> Option<f64> {
    let dimension = policy.dimensions.get(number)?;
    let (first, last) = (dimension.first, dimension.last);
    if !softening.factors.iter().any(|factor| (first..last).contains(factor)) {
        return None;
    }
    let members = policy.factors.get(first..last)?;
    let outcomes = out.factors.get_mut(first..)?;
    out.terms.clear();
    out.terms.extend(members.iter().zip(outcomes.iter()).map(|(factor, outcome)| Term {
        c: outcome.counted,
        weight: factor.weight,
        part: 0.0,
    }));
    let combined = combine(dimension.combine, &mut out.terms, &mut out.order)?;
    cost_factors(policy, dimension, &out.terms, Some(combined), outcomes);
    let outcome: &mut DimensionOutcome = out.dimensions.get_mut(number)?;
    let before = outcome.combined;
    outcome.combined = combined;
    outcome.softened = true;
    outcome.score = policy.range.at(combined);
    Some(combined - before)
}

/// Scales what softening changed of a sub-score to units of the score.
pub(super) fn attribute(policy: &Policy, number: usize, out: &mut Outcome, worth: f64) {
    let changes = out.softened.iter().skip(number).step_by(policy.dimensions.len().max(1));
    for (outcome, change) in out.expected.iter_mut().zip(changes) {
        outcome.contribution += change * worth;
    }
}
