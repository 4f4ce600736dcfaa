//! What an evaluation came to. Reused from request to request, borrows nothing.

use arrayvec::ArrayVec;

use super::combine::Term;
use super::snapshot::{Policy, PolicyId};
use crate::model::{Decision, Incident, SlotId};

/// How many reasons an answer carries at most.
pub const MAX_REASONS: usize = 4;

/// One policy's result for one request.
#[derive(Debug, Default)]
pub struct Outcome {
    pub policy: Option<PolicyId>,
    /// On the policy's range, rounded to 1e-9 of it.
    pub score: f64,
    /// Index into the policy's levels.
    pub level: usize,
    /// In [0, 1]: the live part of the declared weight, by freshness.
    pub confidence: f64,
    /// In units of the score: what the prior gave where nothing was known.
    pub prior: f64,
    pub factors: Vec<FactorOutcome>,
    pub dimensions: Vec<DimensionOutcome>,
    /// What announced changes are worth.
    pub expected: Vec<ExpectedOutcome>,
    pub adjustments: Vec<AdjustmentOutcome>,
    pub rules: Vec<RuleOutcome>,
    pub decision: Option<Decision>,
    pub decided_by: DecidedBy,
    /// A `restrict` became a `deny`, as the caller has not said that it enforces limits.
    pub limits_not_enforced: bool,
    pub review: bool,
    pub revoke_session: bool,
    pub incident: Option<Incident>,
    /// What would have been decided with the shadow rules in force, where that differs.
    pub shadow_decision: Option<Decision>,
    /// Costliest first.
    pub reasons: ArrayVec<Ranked, MAX_REASONS>,
    /// Slots that were read and not known.
    pub unknown: SlotSet,
    pub(super) terms: Vec<Term>,
    pub(super) order: Vec<u16>,
    /// By announced change and dimension, what softening changed of the sub-score.
    pub(super) softened: Vec<f64>,
}

impl Outcome {
    /// Nothing decided yet: what factors see.
    pub(super) const NOTHING: Self = Outcome {
        policy: None,
        score: 0.0,
        level: 0,
        confidence: 0.0,
        prior: 0.0,
        factors: Vec::new(),
        dimensions: Vec::new(),
        expected: Vec::new(),
        adjustments: Vec::new(),
        rules: Vec::new(),
        decision: None,
        decided_by: DecidedBy::Default,
        limits_not_enforced: false,
        review: false,
        revoke_session: false,
        incident: None,
        shadow_decision: None,
        reasons: ArrayVec::new_const(),
        unknown: SlotSet { words: Vec::new() },
        terms: Vec::new(),
        order: Vec::new(),
        softened: Vec::new(),
    };

    /// What is known of the risk, in [0, 1]: without what the prior and stand-ins for what
    /// is not known make of it.
    pub fn known_risk(&self, policy: &Policy) -> f64 {
        let unknown = if self.is_known() {
            let assumed = self.factors.iter().filter(|factor| factor.basis == Basis::Assumed);
            assumed.map(|factor| factor.cost).sum::<f64>() / policy.range.width()
        } else {
            policy.risk(policy.prior)
        };
        (policy.risk(self.score) - unknown).max(0.0)
    }

    /// Whether anything is known: what is wholly stale, or composed of nothing known, is no
    /// knowledge either.
    pub(super) fn is_known(&self) -> bool {
        self.factors.iter().any(|f| f.basis == Basis::Live && f.freshness > 0.0)
    }

    /// Empties it for `policy`, keeping what is allocated.
    pub(super) fn reset(&mut self, id: PolicyId, policy: &Policy) {
        self.policy = Some(id);
        self.score = policy.prior;
        self.level = 0;
        self.confidence = 0.0;
        self.prior = 0.0;
        self.factors.clear();
        self.dimensions.clear();
        self.expected.clear();
        self.softened.clear();
        self.adjustments.clear();
        self.rules.clear();
        self.decision = None;
        self.decided_by = DecidedBy::Default;
        self.limits_not_enforced = false;
        self.review = false;
        self.revoke_session = false;
        self.incident = None;
        self.shadow_decision = None;
        self.reasons.clear();
        self.unknown.clear();
    }
}

/// What a factor's c rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// A value that is known.
    Live,
    /// The declared stand-in for what is not known.
    Assumed,
    /// Nothing: the factor is left out.
    #[default]
    Skipped,
}

/// One factor's part in the score.
#[derive(Clone, Copy, Debug, Default)]
pub struct FactorOutcome {
    /// In [0, 1]; nothing where the factor is left out.
    pub c: Option<f64>,
    /// The same as it counts: softened by what was announced.
    pub counted: Option<f64>,
    pub basis: Basis,
    /// The least freshness of its signals, in [0, 1].
    pub freshness: f64,
    /// In units of the score.
    pub contribution: f64,
    /// What it costs in trust against its best, in units of the score, >= 0.
    pub cost: f64,
}

/// One dimension's sub-score.
#[derive(Clone, Copy, Debug, Default)]
pub struct DimensionOutcome {
    /// On the policy's range.
    pub score: f64,
    /// Whether any of its factors has a value.
    pub present: bool,
    /// The sub-score's contribution to the score, in units of the score.
    pub contribution: f64,
    /// Of the factors that have a value.
    pub(super) weight: f64,
    /// Its factors combined, in [0, 1], before its adjustments.
    pub(super) combined: f64,
    pub(super) softened: bool,
}

/// What an announced change is worth.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpectedOutcome {
    /// Whether a window is in force, and meant by the policy here.
    pub applies: bool,
    /// In units of the score: what softening its factors changed.
    pub contribution: f64,
}

/// Whether a condition held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matched {
    Yes,
    #[default]
    No,
    /// Not known, and what is not known counts as a match here.
    ByUnknown,
    /// Not known, and what is not known counts as no match here.
    UnknownSkipped,
    /// A step-up that the session has already met.
    Satisfied,
}

impl Matched {
    pub const fn applies(self) -> bool {
        matches!(self, Matched::Yes | Matched::ByUnknown)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Matched::Yes => "yes",
            Matched::No => "no",
            Matched::ByUnknown => "by_unknown",
            Matched::UnknownSkipped => "unknown_skipped",
            Matched::Satisfied => "satisfied",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct AdjustmentOutcome {
    pub matched: Matched,
    /// In units of the score, after clamping.
    pub contribution: f64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct RuleOutcome {
    pub matched: Matched,
}

/// What the decision rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecidedBy {
    /// The rule with this index.
    Rule(usize),
    MinConfidence,
    #[default]
    Default,
}

/// What a reason is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Factor(usize),
    Adjustment(usize),
}

/// One ranked reason.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    pub subject: Subject,
    /// What it costs in trust, in units of the score.
    pub cost: f64,
}

/// A set of slots, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotSet {
    words: Vec<u64>,
}

impl SlotSet {
    /// Makes room for slots below `slots`, so that inserting them never allocates.
    pub fn reserve(&mut self, slots: usize) {
        let words = slots.div_ceil(64);
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
    }

    pub fn insert(&mut self, slot: SlotId) {
        let at = slot.0 as usize;
        self.reserve(at + 1);
        if let Some(word) = self.words.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub fn contains(&self, slot: SlotId) -> bool {
        let at = slot.0 as usize;
        self.words.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Becomes equal to `other`, in the memory that it has.
    pub(super) fn copy(&mut self, other: &Self) {
        self.words.clear();
        self.words.extend_from_slice(&other.words);
    }

    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The slots, ascending.
    pub fn iter(&self) -> impl Iterator<Item = SlotId> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let base = at as u32 * 64;
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| SlotId(base + bit))
        })
    }
}
