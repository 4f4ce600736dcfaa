//! Scoring: factors, dimensions, adjustments, and each one's part in the score.

use super::combine::{Term, combine};
use super::expr::{Scope, Trace, TriState};
use super::outcome::{AdjustmentOutcome, Basis, DimensionOutcome, FactorOutcome, Matched, Outcome};
use super::snapshot::{Adjust, Adjustment, Missing, OnUnknown, Policy};
use crate::model::{Combine, Direction, Value, View};

/// Scores the view: fills the outcome's factors, dimensions, adjustments, score,
/// level and confidence.
pub(super) fn score<'v>(policy: &'v Policy, view: &View<'v>, out: &mut Outcome, trace: &mut Trace) {
    read_factors(policy, view, out, trace);
    for at in 0..policy.dimensions.len() {
        combine_factors(policy, at, out);
    }
    out.adjustments.resize(policy.adjustments.len(), AdjustmentOutcome::default());
    for (at, adjustment) in policy.adjustments.iter().enumerate() {
        if adjustment.dimension.is_some() {
            adjust_dimension(policy, at, adjustment, view, out, trace);
        }
    }
    combine_dimensions(policy, out);

    let mut running = total(policy, out);
    out.score = policy.range.round(running);
    for (at, adjustment) in policy.adjustments.iter().enumerate() {
        if adjustment.dimension.is_some() {
            continue;
        }
        out.level = policy.level_of(out.score);
        let scope = Scope { view, policy, progress: out };
        let (matched, adjusted) = apply(adjustment, running, scope, trace);
        if let Some(place) = out.adjustments.get_mut(at) {
            *place = AdjustmentOutcome { matched, contribution: adjusted - running };
        }
        running = total(policy, out);
        out.score = policy.range.round(running);
    }
    out.score = policy.range.clamp(out.score);
    out.level = policy.level_of(out.score);
}

/// Evaluates every factor: c, what it rests on, and the confidence that all of
/// them together give.
fn read_factors<'v>(policy: &'v Policy, view: &View<'v>, out: &mut Outcome, trace: &mut Trace) {
    let mut confidence = 0.0;
    for factor in &policy.factors {
        trace.freshness = 1.0;
        let value = factor.value.eval(Scope { view, policy, progress: out }, trace);
        let live = factor.curve.apply(value, view.now);
        let (c, basis) = match (live, factor.missing) {
            (Some(c), _) => {
                confidence += factor.share * trace.freshness;
                (Some(c), Basis::Live)
            }
            (None, Missing::As(c)) => (Some(c), Basis::Assumed),
            (None, Missing::Skip) => (None, Basis::Skipped),
        };
        let freshness = if basis == Basis::Live { trace.freshness } else { 0.0 };
        out.factors.push(FactorOutcome { c, basis, freshness, contribution: 0.0, cost: 0.0 });
    }
    out.confidence = confidence.clamp(0.0, 1.0);
}

/// Combines the factors of one dimension. Until the dimensions are combined, a
/// factor's contribution is its part of the sub-score, in [0, 1].
fn combine_factors(policy: &Policy, at: usize, out: &mut Outcome) {
    let Some(dimension) = policy.dimensions.get(at) else { return };
    let members = dimension.first..dimension.last;
    out.terms.clear();
    for (factor, outcome) in policy.factors.iter().zip(&out.factors).skip(members.start) {
        if out.terms.len() == members.len() {
            break;
        }
        out.terms.push(Term { c: outcome.c, weight: factor.weight, part: 0.0 });
    }
    let combined = combine(dimension.combine, &mut out.terms, &mut out.order);
    let weight: f64 = live_weight(&out.terms);
    for (outcome, term) in out.factors.iter_mut().skip(members.start).zip(&out.terms) {
        outcome.contribution = term.part;
        outcome.cost = cost(policy.direction, dimension.combine, term, combined, weight);
    }
    // The smallest of a `min` is the whole loss; of equals, the first.
    if dimension.combine == Combine::Min && policy.direction == Direction::Trust {
        keep_first_cost(&out.terms, combined, &mut out.factors, members.start);
    }
    out.dimensions.push(DimensionOutcome {
        score: policy.range.at(combined.unwrap_or(policy.direction.worst())),
        present: combined.is_some(),
        contribution: 0.0,
    });
}

fn live_weight(terms: &[Term]) -> f64 {
    terms.iter().filter(|t| t.c.is_some()).map(|t| t.weight).sum()
}

/// What a term costs in trust against its best, as a part of [0, 1]. On a risk
/// scale that is its part in the risk; on a trust scale, what the combination
/// would gain with the term at 1 and all else as it is.
fn cost(
    direction: Direction,
    mode: Combine,
    term: &Term,
    combined: Option<f64>,
    weight: f64,
) -> f64 {
    let (Some(c), Some(combined)) = (term.c, combined) else { return 0.0 };
    match (direction, mode) {
        (Direction::Risk, _) => term.part,
        (Direction::Trust, Combine::WeightedSum) => term.weight * (1.0 - c) / weight,
        (Direction::Trust, Combine::Max | Combine::Min) => 1.0 - combined,
        (Direction::Trust, Combine::NoisyOr) => {
            let rest = 1.0 - term.weight * c;
            if rest > 0.0 { (1.0 - combined) * (term.weight - term.weight * c) / rest } else { 0.0 }
        }
        (Direction::Trust, Combine::Ranked) => {
            if c > 0.0 {
                term.part * (1.0 - c) / c
            } else {
                (1.0 - combined) / weight.max(1.0)
            }
        }
    }
}

fn keep_first_cost(
    terms: &[Term],
    combined: Option<f64>,
    factors: &mut [FactorOutcome],
    first: usize,
) {
    let mut found = false;
    for (factor, term) in factors.iter_mut().skip(first).zip(terms) {
        let least = term.c.is_some() && term.c == combined && !found;
        if least {
            found = true;
        } else {
            factor.cost = 0.0;
        }
    }
}

/// Applies an adjustment to its dimension's sub-score. The contribution is kept
/// as a part of [0, 1] until the dimensions are combined.
fn adjust_dimension<'v>(
    policy: &'v Policy,
    at: usize,
    adjustment: &'v Adjustment,
    view: &View<'v>,
    out: &mut Outcome,
    trace: &mut Trace,
) {
    let Some(dimension) = adjustment.dimension.and_then(|d| out.dimensions.get(d)) else { return };
    // A sub-score that isn't there can't be corrected.
    if !dimension.present {
        return;
    }
    let before = dimension.score;
    let (matched, after) = apply(adjustment, before, Scope { view, policy, progress: out }, trace);
    if let Some(place) = out.adjustments.get_mut(at) {
        let contribution = (after - before) / policy.range.width();
        *place = AdjustmentOutcome { matched, contribution };
    }
    if let Some(dimension) = adjustment.dimension.and_then(|d| out.dimensions.get_mut(d)) {
        dimension.score = after;
    }
}

/// Combines the sub-scores and scales every part to units of the score.
fn combine_dimensions(policy: &Policy, out: &mut Outcome) {
    out.terms.clear();
    for (dimension, outcome) in policy.dimensions.iter().zip(&out.dimensions) {
        let c = outcome.present.then(|| policy.range.share(outcome.score));
        out.terms.push(Term { c, weight: dimension.weight, part: 0.0 });
    }
    let combined = combine(policy.combine, &mut out.terms, &mut out.order);
    let width = policy.range.width();
    // What is wholly stale, or composed of nothing known, is no knowledge either.
    let known = out.factors.iter().any(|f| f.basis == Basis::Live && f.freshness > 0.0);
    if combined.is_none() || !known {
        out.prior = policy.prior - policy.range.min;
        for factor in &mut out.factors {
            factor.contribution = 0.0;
            factor.cost *= width;
        }
        for adjustment in &mut out.adjustments {
            adjustment.contribution = 0.0;
        }
        return;
    }
    let weight = live_weight(&out.terms);
    for (at, dimension) in policy.dimensions.iter().enumerate() {
        let Some(term) = out.terms.get(at).copied() else { continue };
        let share = match policy.combine {
            Combine::WeightedSum if term.c.is_some() => term.weight / weight,
            _ => match term.c {
                Some(c) if c > 0.0 => term.part / c,
                _ => 0.0,
            },
        };
        // What one unit of the sub-score is worth in the score, for costs: a
        // dimension that adds nothing now still costs what it fails to give.
        let worth = match policy.combine {
            Combine::WeightedSum => share,
            _ => cost_share(policy.direction, policy.combine, &term, combined, weight),
        };
        for factor in out.factors.iter_mut().take(dimension.last).skip(dimension.first) {
            factor.contribution *= share * width;
            factor.cost *= worth * width;
        }
        for (adjustment, outcome) in policy.adjustments.iter().zip(&mut out.adjustments) {
            if adjustment.dimension == Some(at) {
                outcome.contribution *= share * width;
            }
        }
        if let Some(outcome) = out.dimensions.get_mut(at) {
            outcome.contribution = term.part * width;
        }
    }
}

fn cost_share(
    direction: Direction,
    mode: Combine,
    term: &Term,
    combined: Option<f64>,
    weight: f64,
) -> f64 {
    let Some(c) = term.c else { return 0.0 };
    let loss = match direction {
        Direction::Trust => 1.0 - c,
        Direction::Risk => c,
    };
    if loss <= 0.0 { 0.0 } else { cost(direction, mode, term, combined, weight) / loss }
}

/// The range's minimum and all contributions, in document order.
fn total(policy: &Policy, out: &Outcome) -> f64 {
    let mut sum = out.prior;
    for factor in &out.factors {
        sum += factor.contribution;
    }
    for adjustment in &out.adjustments {
        sum += adjustment.contribution;
    }
    policy.range.min + sum
}

/// The score after the adjustment, clamped to the range, and whether it applied.
fn apply<'v>(
    adjustment: &'v Adjustment,
    score: f64,
    scope: Scope<'_, 'v>,
    trace: &mut Trace,
) -> (Matched, f64) {
    let matched = match (adjustment.when.test(scope, trace), adjustment.unknown) {
        (TriState::Yes, _) => Matched::Yes,
        (TriState::No, _) => Matched::No,
        (TriState::Unknown, OnUnknown::Match) => Matched::ByUnknown,
        (TriState::Unknown, OnUnknown::Skip) => Matched::UnknownSkipped,
    };
    if !matched.applies() {
        return (matched, score);
    }
    let policy = scope.policy;
    let adjusted = match &adjustment.adjust {
        Adjust::NoBetterThan(bound) => match policy.direction {
            Direction::Trust => score.min(*bound),
            Direction::Risk => score.max(*bound),
        },
        Adjust::NoWorseThan(bound) => match policy.direction {
            Direction::Trust => score.max(*bound),
            Direction::Risk => score.min(*bound),
        },
        Adjust::Add(amount) => score + amount,
        Adjust::Set(to) => *to,
        Adjust::Odds(factor) => match factor.eval(scope, trace) {
            Value::Number(factor) if factor >= 0.0 => {
                policy.range.at(multiply_odds(policy.range.share(score), factor))
            }
            // Odds that are not known change nothing.
            _ => return (Matched::UnknownSkipped, score),
        },
    };
    (matched, policy.range.clamp(adjusted))
}

/// The share whose odds are `factor` times those of `share`.
fn multiply_odds(share: f64, factor: f64) -> f64 {
    if factor.is_infinite() {
        // Infinite odds are certainty, except where there was no chance at all.
        return if share > 0.0 { 1.0 } else { 0.0 };
    }
    let scaled = share * factor;
    let rest = 1.0 - share;
    if scaled + rest <= 0.0 { share } else { scaled / (scaled + rest) }
}
