//! What would have to be otherwise: the one factor that alone stands between a request
//! and a freer decision.
//!
//! Everything is fixed but one factor's c, which moves towards the trusted end as far as
//! its curve can take it. Where several factors would do, the one that has to move least
//! is told. The answer is tried out on the engine itself, so what it promises holds.

use super::curve::Curve;
use super::expr::Trace;
use super::outcome::{Basis, FactorOutcome, Outcome};
use super::snapshot::{Factor, Policy};
use super::{rules, score};
use crate::model::{Decision, Direction, Seconds, View};

/// How often an interval of c is halved: 2^-24 is less than any shown score tells.
const HALVINGS: u32 = 24;

/// One factor, otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterfactual {
    /// The factor's index.
    pub factor: usize,
    /// Its c would have to be this at least (on a trust scale), or at most.
    pub c: f64,
    pub decision: Decision,
    /// What its value would have to be.
    pub needs: Option<Needed>,
}

/// A value before its curve.
#[derive(Clone, Debug, PartialEq)]
pub enum Needed {
    AtLeast(f64),
    AtMost(f64),
    /// Of a duration or an age (seconds).
    NoLongerThan(Seconds),
    NoShorterThan(Seconds),
    Is(bool),
    /// One of these.
    OneOf(Vec<std::sync::Arc<str>>),
}

impl std::fmt::Display for Needed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Needed::AtLeast(x) => write!(f, "at least {}", shortened(*x)),
            Needed::AtMost(x) => write!(f, "at most {}", shortened(*x)),
            Needed::NoLongerThan(seconds) => write!(f, "at most {} s", shortened(*seconds)),
            Needed::NoShorterThan(seconds) => write!(f, "at least {} s", shortened(*seconds)),
            Needed::Is(yes) => write!(f, "{yes}"),
            Needed::OneOf(values) => f.write_str(&values.join(" or ")),
        }
    }
}

/// To six significant digits: further ones come of the search.
fn shortened(x: f64) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let scale = libm::exp10(5.0 - libm::floor(libm::log10(libm::fabs(x))));
    libm::round(x * scale) / scale
}

/// The counterfactual of an outcome of `policy` on `view`; nothing for an allow, and
/// where no single factor with a reason for the user suffices.
pub fn counterfactual<'v>(
    policy: &'v Policy,
    view: &View<'v>,
    found: &Outcome,
) -> Option<Counterfactual> {
    let decided = found.decision.filter(|decision| *decision > Decision::Allow)?;
    let mut trial = Trial { policy, view, found, out: Outcome::default(), trace: Trace::default() };
    trial.trace.unknown.reserve(view.len());
    let mut best: Option<(f64, Counterfactual)> = None;
    for (at, (factor, outcome)) in policy.factors.iter().zip(&found.factors).enumerate() {
        if factor.reason.user.is_none() {
            continue;
        }
        let Some(now) = outcome.c else { continue };
        let most = best.as_ref().map_or(f64::INFINITY, |(moved, _)| *moved);
        let Some((c, decision)) = trial.nearest(at, factor, now, most, decided) else { continue };
        let moved = (c - now).abs();
        if moved < most {
            let needs = needed(&factor.curve, c, policy.direction);
            best = Some((moved, Counterfactual { factor: at, c, decision, needs }));
        }
    }
    best.map(|(_, counterfactual)| counterfactual)
}

/// The engine on other factors than those that were found.
struct Trial<'a, 'v> {
    policy: &'v Policy,
    view: &'a View<'v>,
    found: &'a Outcome,
    out: Outcome,
    trace: Trace,
}

impl Trial<'_, '_> {
    /// The nearest c, less than `most` away, with which the decision is freer.
    fn nearest(
        &mut self,
        at: usize,
        factor: &Factor,
        now: f64,
        most: f64,
        decided: Decision,
    ) -> Option<(f64, Decision)> {
        let towards = self.policy.direction.best();
        let mut freer = |c: f64| Some(self.decide(at, c)).filter(|decision| *decision < decided);
        let (low, high) = match reach(&factor.curve) {
            Reach::Points(mut points) => {
                points.retain(|c| (c - now) * (towards - now) > 0.0 && (c - now).abs() < most);
                points.sort_by(|a, b| (a - now).abs().total_cmp(&(b - now).abs()));
                return points.into_iter().find_map(|c| Some((c, freer(c)?)));
            }
            Reach::Between(low, high) => (low, high),
        };
        let end = towards.clamp(low, high);
        // Further than the best so far is of no use.
        let end = if (end - now).abs() >= most { now + most * (end - now).signum() } else { end };
        if (end - now) * (towards - now) <= 0.0 {
            return None;
        }
        let (mut not, mut yes) = (now, (end, freer(end)?));
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(not, yes.0);
            match freer(middle) {
                Some(decision) => yes = (middle, decision),
                None => not = middle,
            }
        }
        Some(yes)
    }

    /// The decision with one factor's c changed.
    fn decide(&mut self, at: usize, c: f64) -> Decision {
        let Trial { policy, view, found, out, trace } = self;
        if let Some(id) = found.policy {
            out.reset(id, policy);
        }
        let other = |(n, factor): (usize, &FactorOutcome)| {
            let c = if n == at { Some(c) } else { factor.c };
            FactorOutcome {
                c,
                counted: c,
                // The other value would be known.
                basis: if n == at { Basis::Live } else { factor.basis },
                freshness: if n == at { 1.0 } else { factor.freshness },
                ..FactorOutcome::default()
            }
        };
        out.factors.extend(found.factors.iter().enumerate().map(other));
        out.confidence = found.confidence;
        score::rescore(policy, view, out, trace);
        rules::decide(policy, view, out, trace);
        out.decision.unwrap_or(Decision::Deny)
    }
}

/// Which c a curve can come to.
enum Reach {
    Between(f64, f64),
    Points(Vec<f64>),
}

fn reach(curve: &Curve) -> Reach {
    match curve {
        Curve::Steps { points, interpolate: false } => {
            Reach::Points(points.iter().map(|(_, c)| *c).collect())
        }
        Curve::Steps { points, interpolate: true } => {
            let low = points.iter().map(|(_, c)| *c).fold(1.0, f64::min);
            let high = points.iter().map(|(_, c)| *c).fold(0.0, f64::max);
            Reach::Between(low, high)
        }
        Curve::Map { entries, otherwise } => {
            Reach::Points(entries.iter().map(|entry| entry.c).chain(*otherwise).collect())
        }
        Curve::Bool { yes, no } => Reach::Points(vec![*yes, *no]),
        Curve::Identity
        | Curve::Linear { .. }
        | Curve::Log10 { .. }
        | Curve::Logistic { .. }
        | Curve::Decay { .. } => Reach::Between(0.0, 1.0),
    }
}

/// The value that a curve takes to c, or further. Nothing where none can be named.
fn needed(curve: &Curve, c: f64, direction: Direction) -> Option<Needed> {
    // Whether a larger value is what is wanted, where c rises with the value.
    let more = direction == Direction::Trust;
    let bound = |value: f64, rises: bool| {
        value.is_finite().then_some(if rises == more {
            Needed::AtLeast(value)
        } else {
            Needed::AtMost(value)
        })
    };
    match curve {
        Curve::Identity => bound(c, true),
        Curve::Linear { from, to } => bound(from + c * (to - from), to > from),
        Curve::Log10 { scale } => bound(libm::exp10(c / scale) - 1.0, *scale > 0.0),
        Curve::Logistic { mid, slope } => {
            bound(mid - libm::log(1.0 / c - 1.0) / slope, *slope > 0.0)
        }
        Curve::Decay { half_life } => {
            let age = -half_life * libm::log2(c);
            let age = age.is_finite().then_some(age)?;
            Some(if more { Needed::NoLongerThan(age) } else { Needed::NoShorterThan(age) })
        }
        Curve::Steps { points, interpolate } => steps(points, *interpolate, c, more),
        Curve::Bool { yes, no } => (yes != no).then_some(Needed::Is(*yes == c)),
        Curve::Map { entries, .. } => {
            let serves = |reached: f64| if more { reached >= c } else { reached <= c };
            let of = |entry: &super::curve::MapEntry| entry.value.clone();
            let values: Vec<_> = entries.iter().filter(|entry| serves(entry.c)).map(of).collect();
            (!values.is_empty()).then_some(Needed::OneOf(values))
        }
    }
}

/// Where a curve of points that only rises, or only falls, is at c. One that does both
/// has no single bound.
fn steps(points: &[(f64, f64)], interpolate: bool, c: f64, more: bool) -> Option<Needed> {
    let rises = points.is_sorted_by(|a, b| a.1 <= b.1);
    if !rises && !points.is_sorted_by(|a, b| a.1 >= b.1) {
        return None;
    }
    let serves = |reached: f64| if more { reached >= c } else { reached <= c };
    if rises == more {
        // From the first point on that is far enough, or from where the line to it is.
        let at = points.iter().position(|(_, reached)| serves(*reached))?;
        let point = points.get(at)?;
        let before = at.checked_sub(1).and_then(|at| points.get(at));
        return Some(Needed::AtLeast(match before.filter(|_| interpolate) {
            Some(before) => between(*before, *point, c),
            None => point.0,
        }));
    }
    let at = points.iter().rposition(|(_, reached)| serves(*reached))?;
    let point = points.get(at)?;
    let after = points.get(at + 1)?;
    // Without interpolation a point holds up to the next one.
    Some(Needed::AtMost(if interpolate { between(*after, *point, c) } else { after.0 }))
}

/// The x between two points at which the line between them is at c.
fn between(a: (f64, f64), b: (f64, f64), c: f64) -> f64 {
    let rise = b.1 - a.1;
    if rise == 0.0 { b.0 } else { a.0 + (b.0 - a.0) * ((c - a.1) / rise).clamp(0.0, 1.0) }
}
