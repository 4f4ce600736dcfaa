//! What a policy folder compiles to. `policy/` builds it, nothing changes it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::curve::Curve;
use super::expr::Expr;
use super::reason::Template;
use crate::model::{
    Catalog, Combine, ContextFrom, Decision, Direction, EntityKind, Incident, ListKind, ListSource,
    Plan, PolicyField, Route, Seconds, Slot, SlotId, TravelFrom, Type,
};

/// A policy's place in its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub u16);

/// All policies of one revision, compiled: published as one atomic whole.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Content hash of the documents: 16 hexadecimal digits.
    pub revision: Arc<str>,
    pub catalog: Arc<Catalog>,
    /// The declared types of what callers send as context.
    pub context: HashMap<Arc<str>, Type>,
    pub slots: Vec<Slot>,
    pub policies: Vec<Policy>,
    pub by_name: HashMap<Arc<str>, PolicyId>,
    /// Lists by the number that membership slots carry.
    pub lists: Vec<ListDecl>,
    pub geo: GeoDecls,
    /// What an HTTP request is about, first match wins.
    pub routes: Vec<Route>,
    /// What is learned of entities.
    pub plan: Arc<Plan>,
    /// Kinds of entities that learn from being named in a request.
    pub presences: Vec<Presence>,
}

/// What a request teaches of an entity by naming it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    pub kind: EntityKind,
    /// Where it is, where that is learned.
    pub from: Option<TravelFrom>,
    /// What it comes from and with, where that is learned.
    pub context: Option<ContextFrom>,
}

impl Snapshot {
    pub fn find(&self, name: &str) -> Option<PolicyId> {
        self.by_name.get(name).copied()
    }

    pub fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.get(usize::from(id.0))
    }
}

/// A declared list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDecl {
    pub name: Arc<str>,
    pub kind: ListKind,
    /// Relative paths are under the policy folder.
    pub source: ListSource,
    /// What the list says is half as sure with each such age (seconds).
    pub half_life: Option<u64>,
}

/// The geo databases, where declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoDecls {
    pub city: Option<GeoDecl>,
    pub asn: Option<GeoDecl>,
}

/// Where a geo database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoDecl {
    /// Relative paths are under the policy folder.
    pub path: PathBuf,
    /// It may be left out: that it isn't there is no failure.
    pub optional: bool,
}

/// The scale of a policy's scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub min: f64,
    pub max: f64,
}

impl Range {
    pub fn width(self) -> f64 {
        self.max - self.min
    }

    /// The share of the range in [0, 1] that a score stands at.
    pub fn share(self, score: f64) -> f64 {
        ((score - self.min) / self.width()).clamp(0.0, 1.0)
    }

    pub fn at(self, share: f64) -> f64 {
        self.min + share * self.width()
    }

    /// Rounded to 1e-9 of the range, the resolution of scores.
    pub fn round(self, score: f64) -> f64 {
        let steps = 1e9 / self.width();
        self.min + libm::round((score - self.min) * steps) / steps
    }

    pub fn clamp(self, score: f64) -> f64 {
        score.clamp(self.min, self.max)
    }
}

/// One compiled trust policy.
#[derive(Debug)]
pub struct Policy {
    pub name: Arc<str>,
    pub description: Arc<str>,
    /// The policy that this one is a shadow of: evaluated with it, never answering.
    pub shadow_of: Option<PolicyId>,
    pub range: Range,
    pub direction: Direction,
    /// The step that shown scores are rounded down to.
    pub precision: f64,
    /// The score where nothing is known.
    pub prior: f64,
    /// How dimensions become the score.
    pub combine: Combine,
    /// In document order. A policy without dimensions has one, unnamed, of weight 1.
    pub dimensions: Vec<Dimension>,
    /// In document order; each belongs to one dimension.
    pub factors: Vec<Factor>,
    /// Announced changes that soften factors, in document order.
    pub expected: Vec<Softening>,
    pub adjustments: Vec<Adjustment>,
    /// Ascending by `from`.
    pub levels: Vec<Level>,
    pub thresholds: Vec<Threshold>,
    pub rules: Vec<Rule>,
    /// Decides where no allow or restrict rule matches.
    pub default: Chosen,
    pub min_confidence: Option<MinConfidence>,
    /// By level.
    pub on_level: Vec<LevelResponse>,
    /// What look-up fills before this policy, its shadows and those it composes
    /// are evaluated: ascending, closed under arguments.
    pub reads: Vec<SlotId>,
    /// Policies that it composes, each after those it needs itself.
    pub before: Vec<PolicyId>,
    /// Its shadows and what only they compose, in the order of evaluation.
    pub after: Vec<PolicyId>,
    pub shadows: Vec<PolicyId>,
    /// Slots of other policies that carry this one's result.
    pub results: Vec<(PolicyField, SlotId)>,
    pub session: SessionSlots,
}

impl Policy {
    /// Whether the policy's dimensions were declared, not implied.
    pub fn has_dimensions(&self) -> bool {
        self.dimensions.iter().any(|d| !d.name.is_empty())
    }

    /// The index of the level that a score falls in.
    pub fn level_of(&self, score: f64) -> usize {
        self.levels.iter().rposition(|level| score >= level.from).unwrap_or(0)
    }

    pub fn level_name(&self, level: usize) -> &str {
        self.levels.get(level).map_or("", |l| &l.name)
    }

    /// Whether level `a` is the level `b` or less trusted.
    pub fn at_or_worse(&self, a: usize, b: usize) -> bool {
        match self.direction {
            Direction::Trust => a <= b,
            Direction::Risk => a >= b,
        }
    }

    /// The score as people see it: rounded down to `precision`.
    pub fn shown(&self, score: f64) -> f64 {
        let steps = score / self.precision;
        let nearest = libm::round(steps);
        // A score that is a step but for rounding noise is that step.
        let whole = if libm::fabs(steps - nearest) < 1e-6 { nearest } else { libm::floor(steps) };
        whole * self.precision
    }

    /// How many decimals a shown score has.
    pub fn decimals(&self) -> usize {
        let mut step = self.precision;
        let mut decimals = 0;
        while decimals < 9 && libm::fabs(step - libm::round(step)) > 1e-9 {
            step *= 10.0;
            decimals += 1;
        }
        decimals
    }

    /// Risk in [0, 1], 1 the worst, whatever the range and direction.
    pub fn risk(&self, score: f64) -> f64 {
        let share = self.range.share(score);
        match self.direction {
            Direction::Trust => 1.0 - share,
            Direction::Risk => share,
        }
    }
}

/// A group of factors with a sub-score.
#[derive(Debug)]
pub struct Dimension {
    pub name: Arc<str>,
    pub weight: f64,
    pub combine: Combine,
    /// The factors `first..last` of the policy.
    pub first: usize,
    pub last: usize,
}

/// A policy's use of a signal.
#[derive(Debug)]
pub struct Factor {
    pub name: Arc<str>,
    pub value: Expr,
    pub curve: Curve,
    pub weight: f64,
    /// Its part of the declared weight of the whole policy, in [0, 1].
    pub share: f64,
    pub missing: Missing,
    pub reason: Reason,
}

/// An announced change, and which factors it softens.
#[derive(Debug)]
pub struct Softening {
    /// As the decision shows it: `expected_travel`.
    pub name: Arc<str>,
    /// The kind of change: `travel`.
    pub change: Arc<str>,
    /// Whether a window is in force, when it ends, and its reference.
    pub in_force: SlotId,
    pub until: SlotId,
    pub reference: SlotId,
    /// What must hold besides.
    pub when: Option<Expr>,
    /// Indices into the policy's factors, ascending.
    pub factors: Vec<usize>,
    /// By what part of the way each factor's c moves towards the trusted end, in (0, 1].
    pub by: f64,
}

/// What stands in for a factor's value that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// The factor is left out.
    Skip,
    /// The factor counts as this value in [0, 1].
    As(f64),
}

/// Texts of a reason: for whom it is about, and for those who may know more.
#[derive(Debug, Default)]
pub struct Reason {
    pub user: Option<Template>,
    pub admin: Option<Template>,
    /// Of a factor: what the person concerned can do about it.
    pub remedy: Option<Template>,
}

/// A correction of the score or of a sub-score under a condition.
#[derive(Debug)]
pub struct Adjustment {
    pub name: Arc<str>,
    pub when: Expr,
    pub unknown: OnUnknown,
    /// The dimension whose sub-score it corrects; else the score.
    pub dimension: Option<usize>,
    pub adjust: Adjust,
    pub reason: Reason,
}

/// What a condition that can't be told counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    Match,
    Skip,
}

/// How an adjustment changes a score (in units of the range).
#[derive(Debug)]
pub enum Adjust {
    NoBetterThan(f64),
    NoWorseThan(f64),
    Add(f64),
    Set(f64),
    /// Multiplies the odds of the score's share of the range.
    Odds(Expr),
}

/// A named part of the range, from `from` to the next level's.
#[derive(Debug)]
pub struct Level {
    pub name: Arc<str>,
    pub from: f64,
    pub label: Arc<str>,
    pub badge: Arc<str>,
    pub description: Arc<str>,
}

/// A named number that rules compare with.
#[derive(Debug)]
pub struct Threshold {
    pub name: Arc<str>,
    pub value: f64,
    pub tune: Option<Tune>,
    pub appetites: Vec<Appetite>,
}

/// Within what a threshold may be tuned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tune {
    pub from: f64,
    pub to: f64,
}

/// A threshold's value for a named risk appetite.
#[derive(Clone, Debug)]
pub struct Appetite {
    pub name: Arc<str>,
    pub value: f64,
}

/// A condition and what follows from it.
#[derive(Debug)]
pub struct Rule {
    pub name: Arc<str>,
    pub when: Expr,
    /// What an unknown condition counts as, said or by the decision's nature.
    pub unknown: OnUnknown,
    /// Without one, the rule only adds obligations.
    pub chosen: Option<Chosen>,
    pub exempt: bool,
    pub ignore_confidence: bool,
    pub shadow: bool,
    pub obligations: Obligations,
    pub reason: Reason,
}

/// What the caller or the cold side must do besides.
#[derive(Debug, Default)]
pub struct Obligations {
    pub review: bool,
    pub revoke_session: bool,
    pub incident: Option<Incident>,
    /// Headers to set, lower-case names.
    pub headers: Vec<(Arc<str>, Expr)>,
    /// Claims of the trust token.
    pub claims: Vec<(Arc<str>, Expr)>,
}

/// A decision with what belongs to it.
#[derive(Debug)]
pub struct Chosen {
    pub decision: Decision,
    /// Of a `restrict`.
    pub limits: Vec<Arc<str>>,
    /// Of a `step_up`.
    pub step_up: StepUp,
}

/// What a `step_up` asks for; a session that has it already need not do it again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepUp {
    /// Any of these authentication context classes.
    pub acr: Vec<Arc<str>>,
    /// All of these authentication methods (RFC 8176).
    pub amr: Vec<Arc<str>>,
    /// Seconds since the authentication.
    pub max_age: Option<Seconds>,
}

/// The decision where too little is known.
#[derive(Debug)]
pub struct MinConfidence {
    pub value: f64,
    pub chosen: Chosen,
    pub reason: Reason,
}

/// What follows when a subject crosses into a level.
#[derive(Clone, Debug)]
pub struct LevelResponse {
    pub level: usize,
    pub review: bool,
    pub revoke_session: bool,
    pub incident: Option<Incident>,
}

/// Where the verified session's authentication stands in the view.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionSlots {
    pub acr: Option<SlotId>,
    pub amr: Option<SlotId>,
    pub authenticated_at: Option<SlotId>,
}
