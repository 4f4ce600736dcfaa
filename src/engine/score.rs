//! Scoring: factors, dimensions, adjustments, and each one's part in the score.

use super::combine::{Term, combine};
use super::expr::{Expr, Scope, Trace, TriState};
use super::outcome::{AdjustmentOutcome, Basis, DimensionOutcome, FactorOutcome, Matched, Outcome};
use super::snapshot::{Adjust, Adjustment, Dimension, Missing, OnUnknown, Policy};
use super::soften;
use crate::model::{Combine, Direction, Value, View};

/// Scores the view: fills the outcome's factors, dimensions, adjustments, score,
/// level and confidence.
pub(super) fn score<'v>(policy: &'v Policy, view: &View<'v>, out: &mut Outcome, trace: &mut Trace) {
    read_factors(policy, view, out, trace);
    weigh(policy, view, out, trace);
}

/// Scores factors whose c is there already, as is the confidence.
pub(super) fn rescore<'v>(
    policy: &'v Policy,
    view: &View<'v>,
    out: &mut Outcome,
    trace: &mut Trace,
) {
    for dimension in &policy.dimensions {
        let members = policy.factors.get(dimension.first..dimension.last).unwrap_or_default();
        let outcomes = out.factors.get(dimension.first..).unwrap_or_default();
        let (mut weight, mut sum) = (0.0, 0.0);
        for (factor, outcome) in members.iter().zip(outcomes) {
            if let Some(c) = outcome.c {
                weight += factor.weight;
                sum += factor.weight * c;
            }
        }
        combine_dimension(policy, dimension, (weight, sum), out);
    }
    weigh(policy, view, out, trace);
}

/// From sub-scores to the score.
fn weigh<'v>(policy: &'v Policy, view: &View<'v>, out: &mut Outcome, trace: &mut Trace) {
    soften::soften(policy, view, out, trace);
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
/// them together give. Weighted sums are added up on the way.
fn read_factors<'v>(policy: &'v Policy, view: &View<'v>, out: &mut Outcome, trace: &mut Trace) {
    // The compiler lets a factor see neither score nor other factors.
    static NOTHING: Outcome = Outcome::NOTHING;
    let scope = Scope { view, policy, progress: &NOTHING };
    let mut confidence = 0.0;
    out.factors.resize(policy.factors.len(), FactorOutcome::default());
    for dimension in &policy.dimensions {
        let (mut weight, mut sum) = (0.0, 0.0);
        let members = policy.factors.get(dimension.first..dimension.last).unwrap_or_default();
        let outcomes = out.factors.get_mut(dimension.first..).unwrap_or_default();
        for (factor, outcome) in members.iter().zip(outcomes) {
            trace.freshness = 1.0;
            let value = match &factor.value {
                // The most common factor, without a call.
                Expr::Slot(slot) => trace.read(view, *slot),
                expr => expr.eval(scope, trace),
            };
            if let Some(c) = factor.curve.apply(value, view.now) {
                confidence += factor.share * trace.freshness;
                outcome.c = Some(c);
                outcome.basis = Basis::Live;
                outcome.freshness = trace.freshness;
            } else if let Missing::As(c) = factor.missing {
                outcome.c = Some(c);
                outcome.basis = Basis::Assumed;
            }
            outcome.counted = outcome.c;
            if let Some(c) = outcome.c {
                weight += factor.weight;
                sum += factor.weight * c;
            }
        }
        combine_dimension(policy, dimension, (weight, sum), out);
    }
    out.confidence = confidence.clamp(0.0, 1.0);
}

/// Combines the factors of one dimension, of which the weights and the weighted values
/// are added up already.
fn combine_dimension(
    policy: &Policy,
    dimension: &Dimension,
    (weight, sum): (f64, f64),
    out: &mut Outcome,
) {
    let combined = match dimension.combine {
        Combine::WeightedSum => (weight > 0.0).then(|| sum / weight),
        _ => combine_factors(policy, dimension, out),
    };
    out.dimensions.push(DimensionOutcome {
        score: policy.range.at(combined.unwrap_or(policy.direction.worst())),
        present: combined.is_some(),
        contribution: 0.0,
        weight,
        combined: combined.unwrap_or(0.0),
        softened: false,
    });
}

/// Combines the factors of one dimension in a mode that doesn't add. Until the
/// dimensions are combined, a factor's contribution is its part of the
/// sub-score, in [0, 1].
fn combine_factors(policy: &Policy, dimension: &Dimension, out: &mut Outcome) -> Option<f64> {
    let members = policy.factors.get(dimension.first..dimension.last).unwrap_or_default();
    let outcomes = out.factors.get_mut(dimension.first..).unwrap_or_default();
    out.terms.clear();
    out.terms.extend(members.iter().zip(outcomes.iter()).map(|(factor, outcome)| Term {
        c: outcome.c,
        weight: factor.weight,
        part: 0.0,
    }));
    let combined = combine(dimension.combine, &mut out.terms, &mut out.order);
    for (outcome, term) in outcomes.iter_mut().zip(&out.terms) {
        outcome.contribution = term.part;
    }
    cost_factors(policy, dimension, &out.terms, combined, outcomes);
    combined
}

/// What each factor of a dimension costs, by its combined terms. In weighted sums that
/// is said later (`attribute`).
pub(super) fn cost_factors(
    policy: &Policy,
    dimension: &Dimension,
    terms: &[Term],
    combined: Option<f64>,
    outcomes: &mut [FactorOutcome],
) {
    let weight = live_weight(terms);
    for (outcome, term) in outcomes.iter_mut().zip(terms) {
        outcome.cost = cost(policy.direction, dimension.combine, term, combined, weight);
    }
    // The smallest of a `min` is the whole loss; of equals, the first.
    if dimension.combine == Combine::Min && policy.direction == Direction::Trust {
        keep_first_cost(terms, combined, outcomes);
    }
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

fn keep_first_cost(terms: &[Term], combined: Option<f64>, factors: &mut [FactorOutcome]) {
    let mut found = false;
    for (factor, term) in factors.iter_mut().zip(terms) {
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
    if combined.is_none() || !out.is_known() {
        out.prior = policy.prior - policy.range.min;
        for (at, dimension) in policy.dimensions.iter().enumerate() {
            attribute(policy, dimension, at, out, 0.0, width);
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
                // Softened to nothing: what there was is shown, and what took it away.
                Some(_) if out.dimensions.get(at).is_some_and(|d| d.softened) => {
                    share_of_nothing(policy.combine, &term, combined)
                }
                _ => 0.0,
            },
        };
        // What one unit of the sub-score is worth in the score, for costs: a
        // dimension that adds nothing now still costs what it fails to give.
        let worth = match policy.combine {
            Combine::WeightedSum => share,
            _ => cost_share(policy.direction, policy.combine, &term, combined, weight),
        };
        attribute(policy, dimension, at, out, share * width, worth * width);
        soften::attribute(policy, at, out, share * width);
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

/// Scales a dimension's factors to units of the score: `share` is what the whole
/// sub-score counts for, `worth` what its whole loss costs.
fn attribute(
    policy: &Policy,
    dimension: &Dimension,
    at: usize,
    out: &mut Outcome,
    share: f64,
    worth: f64,
) {
    let outcomes = out.factors.get_mut(dimension.first..dimension.last).unwrap_or_default();
    if dimension.combine != Combine::WeightedSum {
        for outcome in outcomes {
            outcome.contribution *= share;
            outcome.cost *= worth;
        }
        return;
    }
    let weight = out.dimensions.get(at).map_or(1.0, |d| d.weight);
    let members = policy.factors.get(dimension.first..dimension.last).unwrap_or_default();
    let (share, worth) = (share / weight, worth / weight);
    for (outcome, factor) in outcomes.iter_mut().zip(members) {
        let (Some(c), Some(counted)) = (outcome.c, outcome.counted) else { continue };
        outcome.contribution = factor.weight * c * share;
        let c = counted;
        outcome.cost = match policy.direction {
            Direction::Trust => factor.weight * (1.0 - c) * worth,
            Direction::Risk => factor.weight * c * worth,
        };
    }
}

/// What a unit of a sub-score of zero would be worth, ranked behind all others.
fn share_of_nothing(mode: Combine, term: &Term, combined: Option<f64>) -> f64 {
    match mode {
        Combine::NoisyOr => term.weight * (1.0 - combined.unwrap_or(0.0)),
        _ => 0.0,
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
    for expected in &out.expected {
        sum += expected.contribution;
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
