//! Compiled expressions: typed trees over numbered slots.
//!
//! The compiler has checked types and bounded the depth (32), so evaluation is a
//! plain recursive match. Truth is three-valued: a comparison with what is not
//! known is not known (`Value::Missing`), and `&&`, `||`, `!` follow Kleene.

use std::sync::Arc;

use jiff::tz::TimeZone;
use regex::Regex;

use super::outcome::{Outcome, SlotSet};
use super::snapshot::Policy;
use crate::model::{Seconds, SlotId, Timestamp, Value, View};

/// How far ahead of `now` a timestamp may be and still count as past, in
/// seconds: clocks of signal sources are not ours.
const CLOCK_SKEW: f64 = 300.0;

/// A compiled expression.
#[derive(Debug)]
pub enum Expr {
    Number(f64),
    Bool(bool),
    Text(Arc<str>),
    Timestamp(Timestamp),
    Duration(Seconds),
    /// The literal `null`: equal to a signal that is known to be absent.
    Null,
    Now,
    Slot(SlotId),
    Known(Box<Expr>),
    Not(Box<Expr>),
    All(Box<[Expr]>),
    Any(Box<[Expr]>),
    Compare {
        op: Comparison,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Arithmetic {
        op: Arithmetic,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    Choose {
        when: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// `x in [literals]`
    InLiteral {
        value: Box<Expr>,
        set: LiteralSet,
    },
    /// `x in user.groups`
    InSet {
        value: Box<Expr>,
        set: Box<Expr>,
    },
    Text2 {
        test: TextTest,
        text: Box<Expr>,
        part: Box<Expr>,
    },
    Matches {
        text: Box<Expr>,
        regex: Box<Regex>,
    },
    Size(Box<Expr>),
    /// Seconds since a timestamp, times `scale`.
    Since {
        at: Box<Expr>,
        scale: f64,
    },
    /// The duration since a timestamp.
    Age(Box<Expr>),
    Hour {
        at: Box<Expr>,
        zone: Box<TimeZone>,
    },
    /// 0 is Sunday, as in CEL's `getDayOfWeek`.
    Weekday {
        at: Box<Expr>,
        zone: Box<TimeZone>,
    },
    Score,
    Level,
    Confidence,
    /// c of the factor with this index.
    Factor(usize),
    /// The sub-score of the dimension with this index.
    Dimension(usize),
    /// The value of the threshold with this index.
    Threshold(usize),
    /// Whether the level is this one or less trusted.
    AtOrWorse(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// A literal list, built once.
#[derive(Debug, Default)]
pub struct LiteralSet {
    /// Sorted.
    pub texts: Vec<Arc<str>>,
    /// Few, so compared one by one.
    pub numbers: Vec<f64>,
    pub bools: Vec<bool>,
}

/// A truth value that may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriState {
    Yes,
    No,
    Unknown,
}

/// What evaluation met on its way: asked for after a factor or a rule.
#[derive(Debug, Default)]
pub struct Trace {
    /// The least freshness of the slots read since it was last set to 1.
    pub freshness: f64,
    /// Slots that were read and missing.
    pub unknown: SlotSet,
    /// Inside `known(...)`: asking is not meeting.
    muted: bool,
}

/// What an expression can see.
#[derive(Clone, Copy)]
pub struct Scope<'a, 'v> {
    pub view: &'a View<'v>,
    pub policy: &'v Policy,
    /// What is decided so far: score, level, factors.
    pub progress: &'a Outcome,
}

impl Trace {
    /// Reads a slot, and notes what there is to note of it.
    #[inline]
    pub(super) fn read<'v>(&mut self, view: &View<'v>, slot: SlotId) -> Value<'v> {
        let reading = view.read(slot);
        if !reading.value.is_missing() {
            self.freshness = self.freshness.min(reading.freshness);
        } else if !self.muted {
            self.unknown.insert(slot);
        }
        reading.value
    }
}

impl Expr {
    /// The condition's truth.
    pub fn test(&self, scope: Scope<'_, '_>, trace: &mut Trace) -> TriState {
        match self.eval(scope, trace) {
            Value::Bool(true) => TriState::Yes,
            Value::Missing => TriState::Unknown,
            // A condition is boolean by its type; a `null` in its place is not true.
            _ => TriState::No,
        }
    }

    /// The expression's value.
    pub fn eval<'v>(&'v self, scope: Scope<'_, 'v>, trace: &mut Trace) -> Value<'v> {
        match self {
            Expr::Number(x) => Value::Number(*x),
            Expr::Bool(b) => Value::Bool(*b),
            Expr::Text(text) => Value::Text(text),
            Expr::Timestamp(at) => Value::Timestamp(*at),
            Expr::Duration(seconds) => Value::Duration(*seconds),
            Expr::Null => Value::None,
            Expr::Now => Value::Timestamp(scope.view.now),
            Expr::Slot(slot) => trace.read(scope.view, *slot),
            Expr::Known(of) => {
                let outer = std::mem::replace(&mut trace.muted, true);
                let known = !of.eval(scope, trace).is_missing();
                trace.muted = outer;
                Value::Bool(known)
            }
            Expr::Not(of) => match of.eval(scope, trace) {
                Value::Bool(b) => Value::Bool(!b),
                _ => Value::Missing,
            },
            Expr::All(of) => junction(of, false, scope, trace),
            Expr::Any(of) => junction(of, true, scope, trace),
            Expr::Compare { op, left, right } => {
                let left = left.eval(scope, trace);
                compare(*op, left, right.eval(scope, trace))
            }
            Expr::Arithmetic { op, left, right } => {
                let left = left.eval(scope, trace);
                calculate(*op, left, right.eval(scope, trace))
            }
            Expr::Negate(of) => match of.eval(scope, trace) {
                Value::Number(x) => Value::Number(-x),
                Value::Duration(x) => Value::Duration(-x),
                _ => Value::Missing,
            },
            Expr::Choose { when, then, otherwise } => match when.eval(scope, trace) {
                Value::Bool(true) => then.eval(scope, trace),
                Value::Bool(false) => otherwise.eval(scope, trace),
                _ => Value::Missing,
            },
            Expr::InLiteral { value, set } => set.contains(value.eval(scope, trace)),
            Expr::InSet { value, set } => {
                match (value.eval(scope, trace), set.eval(scope, trace)) {
                    (Value::Text(text), Value::Set(set)) => Value::Bool(set.contains(text)),
                    (Value::None, _) | (_, Value::None) => Value::Bool(false),
                    _ => Value::Missing,
                }
            }
            Expr::Text2 { test, text, part } => {
                match (text.eval(scope, trace), part.eval(scope, trace)) {
                    (Value::Text(text), Value::Text(part)) => Value::Bool(match test {
                        TextTest::StartsWith => text.starts_with(part),
                        TextTest::EndsWith => text.ends_with(part),
                        TextTest::Contains => text.contains(part),
                    }),
                    (Value::None, _) => Value::Bool(false),
                    _ => Value::Missing,
                }
            }
            Expr::Matches { text, regex } => match text.eval(scope, trace) {
                Value::Text(text) => Value::Bool(regex.is_match(text)),
                Value::None => Value::Bool(false),
                _ => Value::Missing,
            },
            Expr::Size(of) => match of.eval(scope, trace) {
                Value::Text(text) => Value::Number(text.chars().count() as f64),
                Value::Set(set) => Value::Number(set.len() as f64),
                Value::None => Value::Number(0.0),
                _ => Value::Missing,
            },
            Expr::Since { at, scale } => match seconds_since(at.eval(scope, trace), scope.view.now)
            {
                Some(seconds) => Value::Number(seconds * scale),
                None => Value::Missing,
            },
            Expr::Age(at) => match seconds_since(at.eval(scope, trace), scope.view.now) {
                Some(seconds) => Value::Duration(seconds),
                None => Value::Missing,
            },
            Expr::Hour { at, zone } => local(at.eval(scope, trace), zone, |t| t.hour()),
            Expr::Weekday { at, zone } => {
                local(at.eval(scope, trace), zone, |t| t.date().weekday().to_sunday_zero_offset())
            }
            Expr::Score => Value::Number(scope.progress.score),
            Expr::Level => Value::Text(scope.policy.level_name(scope.progress.level)),
            Expr::Confidence => Value::Number(scope.progress.confidence),
            Expr::Factor(at) => match scope.progress.factors.get(*at).and_then(|f| f.counted) {
                Some(c) => Value::Number(c),
                None => Value::Missing,
            },
            Expr::Dimension(at) => match scope.progress.dimensions.get(*at) {
                Some(d) if d.present => Value::Number(d.score),
                _ => Value::Missing,
            },
            Expr::Threshold(at) => match scope.policy.thresholds.get(*at) {
                Some(threshold) => Value::Number(threshold.value),
                None => Value::Missing,
            },
            Expr::AtOrWorse(level) => {
                Value::Bool(scope.policy.at_or_worse(scope.progress.level, *level))
            }
        }
    }
}

/// Kleene's `&&` (`decisive` false) and `||` (`decisive` true).
fn junction<'v>(
    of: &'v [Expr],
    decisive: bool,
    scope: Scope<'_, 'v>,
    trace: &mut Trace,
) -> Value<'v> {
    let mut unknown = false;
    for expr in of {
        match expr.eval(scope, trace) {
            Value::Bool(b) if b == decisive => return Value::Bool(decisive),
            Value::Bool(_) => {}
            _ => unknown = true,
        }
    }
    if unknown { Value::Missing } else { Value::Bool(!decisive) }
}

/// Compares two values. What is missing, or of another type, is unknown; what is
/// known to be absent compares false with everything but `null`.
fn compare<'v>(op: Comparison, left: Value<'_>, right: Value<'_>) -> Value<'v> {
    use std::cmp::Ordering;
    let order = match (left, right) {
        (Value::Missing, _) | (_, Value::Missing) => return Value::Missing,
        (Value::None, Value::None) => return Value::Bool(op == Comparison::Equal),
        (Value::None, _) | (_, Value::None) => return Value::Bool(false),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(&b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(&b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(&b)),
        (Value::Duration(a), Value::Duration(b)) => a.partial_cmp(&b),
        (Value::Address(a), Value::Address(b)) => Some(a.cmp(&b)),
        (Value::Address(a), Value::Text(b)) | (Value::Text(b), Value::Address(a)) => {
            return match b.parse::<std::net::IpAddr>() {
                Ok(b) => equality(op, a == b.to_canonical()),
                Err(_) => equality(op, false),
            };
        }
        (Value::Set(a), Value::Set(b)) => return equality(op, a == b),
        _ => return Value::Missing,
    };
    let Some(order) = order else { return Value::Missing };
    Value::Bool(match op {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    })
}

fn equality<'v>(op: Comparison, equal: bool) -> Value<'v> {
    match op {
        Comparison::Equal => Value::Bool(equal),
        Comparison::NotEqual => Value::Bool(!equal),
        _ => Value::Missing,
    }
}

fn calculate<'v>(op: Arithmetic, left: Value<'_>, right: Value<'_>) -> Value<'v> {
    match (op, left, right) {
        (_, Value::Number(a), Value::Number(b)) => Value::number(match op {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            Arithmetic::Remainder => a % b,
        }),
        (Arithmetic::Add, Value::Duration(a), Value::Duration(b)) => duration(a + b),
        (Arithmetic::Subtract, Value::Duration(a), Value::Duration(b)) => duration(a - b),
        (Arithmetic::Multiply, Value::Duration(a), Value::Number(b))
        | (Arithmetic::Multiply, Value::Number(b), Value::Duration(a)) => duration(a * b),
        (Arithmetic::Divide, Value::Duration(a), Value::Duration(b)) => Value::number(a / b),
        (Arithmetic::Divide, Value::Duration(a), Value::Number(b)) => duration(a / b),
        (Arithmetic::Subtract, Value::Timestamp(a), Value::Timestamp(b)) => {
            duration(a.seconds_since(b))
        }
        _ => Value::Missing,
    }
}

fn duration<'v>(seconds: f64) -> Value<'v> {
    if seconds.is_nan() { Value::Missing } else { Value::Duration(seconds) }
}

fn seconds_since(at: Value<'_>, now: Timestamp) -> Option<f64> {
    match at {
        Value::Timestamp(at) => {
            let seconds = now.seconds_since(at);
            (seconds >= -CLOCK_SKEW).then(|| seconds.max(0.0))
        }
        // It never happened: infinitely long ago.
        Value::None => Some(f64::INFINITY),
        _ => None,
    }
}

fn local<'v>(
    at: Value<'_>,
    zone: &TimeZone,
    part: impl Fn(jiff::civil::DateTime) -> i8,
) -> Value<'v> {
    let Value::Timestamp(at) = at else { return Value::Missing };
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(at) => Value::Number(f64::from(part(zone.to_datetime(at)))),
        Err(_) => Value::Missing,
    }
}

impl LiteralSet {
    fn contains<'v>(&self, value: Value<'_>) -> Value<'v> {
        match value {
            Value::Text(text) => {
                Value::Bool(self.texts.binary_search_by(|t| (**t).cmp(text)).is_ok())
            }
            Value::Number(x) => Value::Bool(self.numbers.contains(&x)),
            Value::Bool(b) => Value::Bool(self.bools.contains(&b)),
            Value::None => Value::Bool(false),
            _ => Value::Missing,
        }
    }
}
