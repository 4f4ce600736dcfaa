//! Conditions that can't hold: a rule with one can never decide, which is a mistake.

use crate::engine::{Comparison, Expr, Level, Range, Threshold};
use crate::model::Direction;

/// The scale that a policy's score lies on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) range: Range,
    pub(super) direction: Direction,
}

/// Why the condition can't be true, where that can be told from itself alone.
pub(super) fn why_never(
    when: &Expr,
    levels: &[Level],
    thresholds: &[Threshold],
    bounds: Bounds,
) -> Option<String> {
    if truth(when) == Some(false) {
        return Some("this is false, whatever is asked".to_owned());
    }
    let conjuncts = match when {
        Expr::All(terms) => terms,
        single => std::slice::from_ref(single),
    };
    let Range { min, max } = bounds.range;
    let mut possible = Interval { low: min, low_open: false, high: max, high_open: false };
    for term in conjuncts {
        narrow(&mut possible, term, levels, thresholds, bounds);
    }
    possible.is_empty().then(|| format!("no score from {min} to {max} meets this"))
}

/// Scores that a condition leaves possible.
#[derive(Clone, Copy)]
struct Interval {
    low: f64,
    low_open: bool,
    high: f64,
    high_open: bool,
}

impl Interval {
    fn above(&mut self, x: f64, open: bool) {
        if x > self.low || (x == self.low && open) {
            (self.low, self.low_open) = (x, open);
        }
    }

    fn below(&mut self, x: f64, open: bool) {
        if x < self.high || (x == self.high && open) {
            (self.high, self.high_open) = (x, open);
        }
    }

    fn is_empty(self) -> bool {
        self.low > self.high || (self.low == self.high && (self.low_open || self.high_open))
    }
}

fn narrow(
    possible: &mut Interval,
    term: &Expr,
    levels: &[Level],
    thresholds: &[Threshold],
    bounds: Bounds,
) {
    match term {
        Expr::AtOrWorse(level) => match bounds.direction {
            Direction::Risk => {
                if let Some(level) = levels.get(*level) {
                    possible.above(level.from, false);
                }
            }
            Direction::Trust => {
                if let Some(next) = levels.get(level + 1) {
                    possible.below(next.from, true);
                }
            }
        },
        Expr::Compare { op, left, right } => {
            let (op, bound) = match (&**left, &**right) {
                (Expr::Score, right) => (*op, constant(right, thresholds)),
                (left, Expr::Score) => (mirrored(*op), constant(left, thresholds)),
                (Expr::Level, Expr::Text(name)) | (Expr::Text(name), Expr::Level)
                    if *op == Comparison::Equal =>
                {
                    if let Some(at) = levels.iter().position(|l| l.name == *name) {
                        if let Some(level) = levels.get(at) {
                            possible.above(level.from, false);
                        }
                        if let Some(next) = levels.get(at + 1) {
                            possible.below(next.from, true);
                        }
                    }
                    return;
                }
                _ => return,
            };
            let Some(bound) = bound else { return };
            match op {
                Comparison::Less => possible.below(bound, true),
                Comparison::LessOrEqual => possible.below(bound, false),
                Comparison::Greater => possible.above(bound, true),
                Comparison::GreaterOrEqual => possible.above(bound, false),
                Comparison::Equal => {
                    possible.above(bound, false);
                    possible.below(bound, false);
                }
                Comparison::NotEqual => {}
            }
        }
        _ => {}
    }
}

fn constant(expr: &Expr, thresholds: &[Threshold]) -> Option<f64> {
    match expr {
        // A threshold that may be tuned may move.
        Expr::Threshold(at) => thresholds.get(*at).filter(|t| t.tune.is_none()).map(|t| t.value),
        expr => number(expr),
    }
}

fn mirrored(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}

/// The truth of a condition that no request can change.
fn truth(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Bool(b) => Some(*b),
        Expr::Not(of) => truth(of).map(|b| !b),
        Expr::All(of) => {
            let all: Vec<_> = of.iter().map(truth).collect();
            if all.contains(&Some(false)) {
                return Some(false);
            }
            all.iter().all(|t| *t == Some(true)).then_some(true)
        }
        Expr::Any(of) => {
            let all: Vec<_> = of.iter().map(truth).collect();
            if all.contains(&Some(true)) {
                return Some(true);
            }
            all.iter().all(|t| *t == Some(false)).then_some(false)
        }
        Expr::InLiteral { set, .. } => {
            let empty = set.texts.is_empty() && set.numbers.is_empty() && set.bools.is_empty();
            empty.then_some(false)
        }
        Expr::Compare { op, left, right } => {
            let (a, b) = (number(left)?, number(right)?);
            Some(match op {
                Comparison::Equal => a == b,
                Comparison::NotEqual => a != b,
                Comparison::Less => a < b,
                Comparison::LessOrEqual => a <= b,
                Comparison::Greater => a > b,
                Comparison::GreaterOrEqual => a >= b,
            })
        }
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Number(x) => Some(*x),
        Expr::Negate(of) => number(of).map(|x| -x),
        _ => None,
    }
}
