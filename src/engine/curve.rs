//! Curves: from a factor's value to c in [0, 1].

use std::sync::Arc;

use crate::model::{Timestamp, Value};

/// How a factor's value becomes c in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// The number itself, clamped.
    Identity,
    /// (x - from) / (to - from); falling when `from` > `to`.
    Linear {
        from: f64,
        to: f64,
    },
    /// log10(x + 1) / log10(to); `scale` is 1 / log10(to).
    Log10 {
        scale: f64,
    },
    /// Points ascending in x; flat outside. Without interpolation the last point at or below x counts.
    Steps {
        points: Vec<(f64, f64)>,
        interpolate: bool,
    },
    /// 1 / (1 + exp(-slope * (x - mid)))
    Logistic {
        mid: f64,
        slope: f64,
    },
    /// 2^(-age / half_life), of a duration or of a timestamp's age (seconds).
    Decay {
        half_life: f64,
    },
    /// By value; `otherwise` for all others.
    Map {
        entries: Vec<MapEntry>,
        otherwise: Option<f64>,
    },
    Bool {
        yes: f64,
        no: f64,
    },
}

/// One value of a `map` curve.
#[derive(Clone, Debug, PartialEq)]
pub struct MapEntry {
    pub value: Arc<str>,
    pub c: f64,
}

impl Curve {
    /// c in [0, 1], or nothing where the value is missing or of no type that the curve takes.
    pub fn apply(&self, value: Value<'_>, now: Timestamp) -> Option<f64> {
        let c = match self {
            Curve::Identity => value.as_number()?,
            Curve::Linear { from, to } => (amount(value)? - from) / (to - from),
            Curve::Log10 { scale } => {
                // Below -1 there is no logarithm; counts below 0 are as good as 0.
                libm::log10(amount(value)?.max(0.0) + 1.0) * scale
            }
            Curve::Steps { points, interpolate } => steps(points, *interpolate, amount(value)?)?,
            Curve::Logistic { mid, slope } => {
                1.0 / (1.0 + libm::exp(-slope * (amount(value)? - mid)))
            }
            Curve::Decay { half_life } => {
                let age = match value {
                    Value::Duration(seconds) => seconds,
                    Value::Timestamp(at) => now.seconds_since(at),
                    // What never happened has decayed wholly.
                    Value::None => f64::INFINITY,
                    _ => return None,
                };
                libm::exp2(-age.max(0.0) / half_life)
            }
            Curve::Map { entries, otherwise } => match value {
                Value::Text(text) => {
                    entries.iter().find(|e| *e.value == *text).map(|e| e.c).or(*otherwise)?
                }
                Value::Missing => return None,
                _ => (*otherwise)?,
            },
            Curve::Bool { yes, no } => match value {
                Value::Bool(true) => *yes,
                Value::Bool(false) | Value::None => *no,
                _ => return None,
            },
        };
        // A NaN (0 * infinity and the like) is not a value.
        (!c.is_nan()).then(|| c.clamp(0.0, 1.0))
    }
}

fn amount(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Number(x) => Some(x),
        Value::Duration(seconds) => Some(seconds),
        _ => None,
    }
}

fn steps(points: &[(f64, f64)], interpolate: bool, x: f64) -> Option<f64> {
    let above = points.iter().position(|(at, _)| *at > x);
    let (below, above) = match above {
        None => return points.last().map(|(_, c)| *c),
        Some(0) => return points.first().map(|(_, c)| *c),
        Some(at) => (points.get(at - 1)?, points.get(at)?),
    };
    if !interpolate {
        return Some(below.1);
    }
    Some(below.1 + (above.1 - below.1) * ((x - below.0) / (above.0 - below.0)))
}
