//! Words of an answer.

use std::fmt;

/// What the caller is told to do, from free to strict: the order is the meaning
/// of "the strictest rule decides".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    Allow,
    /// Allowed within limits that the caller enforces.
    Restrict,
    /// Authenticate more strongly first (RFC 9470).
    StepUp,
    Deny,
}

impl Decision {
    pub const ALL: [Decision; 4] =
        [Decision::Allow, Decision::Restrict, Decision::StepUp, Decision::Deny];

    pub const fn name(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Restrict => "restrict",
            Decision::StepUp => "step_up",
            Decision::Deny => "deny",
        }
    }

    /// Whether the request goes through: the boolean that AuthZEN speaks.
    pub const fn permits(self) -> bool {
        matches!(self, Decision::Allow | Decision::Restrict)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which end of a score is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Higher is better.
    Trust,
    /// Higher is worse.
    Risk,
}

impl Direction {
    /// The untrusting end of [0, 1].
    pub const fn worst(self) -> f64 {
        match self {
            Direction::Trust => 0.0,
            Direction::Risk => 1.0,
        }
    }

    /// The trusting end of [0, 1].
    pub const fn best(self) -> f64 {
        1.0 - self.worst()
    }

    pub const fn name(self) -> &'static str {
        match self {
            Direction::Trust => "trust",
            Direction::Risk => "risk",
        }
    }
}

/// How several values in [0, 1] become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    WeightedSum,
    Max,
    Min,
    NoisyOr,
    Ranked,
}

impl Combine {
    pub const ALL: [(&'static str, Combine); 5] = [
        ("weighted_sum", Combine::WeightedSum),
        ("max", Combine::Max),
        ("min", Combine::Min),
        ("noisy_or", Combine::NoisyOr),
        ("ranked", Combine::Ranked),
    ];

    /// Whether factors under it carry weights.
    pub const fn takes_weights(self) -> bool {
        matches!(self, Combine::WeightedSum | Combine::NoisyOr)
    }
}

/// How grave an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [(&'static str, Severity); 4] = [
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, s)| *s == self).map_or("", |(name, _)| name)
    }
}

/// The obligation to open an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    pub severity: Severity,
}
