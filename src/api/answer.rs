//! An answer, on its own: what every way out of the decision point encodes, be
//! it protobuf, JSON or a terminal.

mod obligations;

use bumpalo::Bump;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::pdp::Decided;
use crate::engine::{
    Basis, Chosen, Outcome, Policy, Subject, counterfactual, counterfactual_text, reason_texts,
    unknown_names,
};
use crate::model::Decision;

pub use obligations::{obligation_claims, obligation_headers};

/// A decision with everything that led to it. Its JSON has the names of its fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    pub id: String,
    #[serde(serialize_with = "name_of")]
    pub decision: Decision,
    /// On the policy's own range, unrounded.
    pub score: f64,
    /// Rounded down to the policy's precision.
    pub shown_score: f64,
    pub level: String,
    /// In [0, 1].
    pub confidence: f64,
    pub policy: AnswerPolicy,
    /// In document order, then the announced changes that soften some of them. Their
    /// contributions, those of the adjustments and the range's minimum sum to the score.
    pub factors: Vec<AnswerFactor>,
    pub adjustments: Vec<AnswerAdjustment>,
    /// The names of what cost the most trust, costliest first.
    pub reasons: Vec<String>,
    /// Safe to show to the person concerned.
    pub reason_user: Vec<String>,
    /// For those who may know more.
    pub reason_admin: Vec<String>,
    pub obligations: AnswerObligations,
    /// Of a `restrict`.
    pub limits: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_up: Option<AnswerStepUp>,
    /// The one factor that would have to be otherwise for a freer decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual: Option<AnswerCounterfactual>,
    /// What was asked for and is not known.
    pub unknown: Vec<String>,
    /// The rule that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The enforced rules that matched, in document order.
    pub rules: Vec<String>,
    pub shadow_rules: Vec<String>,
    /// Sub-scores on the policy's range, in document order; without those of
    /// which nothing is known.
    #[serde(serialize_with = "as_map")]
    pub dimensions: Vec<(String, f64)>,
    pub shadows: Vec<AnswerShadow>,
    /// The decision with shadow rules in force, where it differs.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "name_of_some")]
    pub shadow_decision: Option<Decision>,
    /// A `restrict` became this `deny`: the caller has not said that it enforces limits.
    pub limits_not_enforced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerPolicy {
    pub name: String,
    pub revision: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerFactor {
    pub name: String,
    /// In [0, 1]; nothing where the factor is left out.
    pub value: Option<f64>,
    /// In units of the score.
    pub contribution: f64,
    #[serde(serialize_with = "name_of_basis")]
    pub basis: Basis,
    /// In [0, 1].
    pub freshness: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerAdjustment {
    pub name: String,
    /// In units of the score, after clamping.
    pub contribution: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnswerObligations {
    pub review: bool,
    pub revoke_session: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<AnswerIncident>,
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    pub token: AnswerToken,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerIncident {
    pub severity: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnswerToken {
    pub claims: Map<String, Json>,
}

/// What a `step_up` asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerStepUp {
    /// Any of these.
    pub acr_values: Vec<String>,
    /// All of these.
    pub amr: Vec<String>,
    /// Seconds since the authentication, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<f64>,
}

/// What would have to be otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerCounterfactual {
    pub factor: String,
    /// What the factor's `value` would have to be, all else as it is.
    pub value: f64,
    /// What its signal would have to be, where that can be said: `at least 90`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    #[serde(serialize_with = "name_of")]
    pub decision: Decision,
    /// Safe to show to the person concerned.
    pub text: String,
}

/// What a shadow policy came to on the same request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerShadow {
    pub policy: String,
    #[serde(serialize_with = "name_of")]
    pub decision: Decision,
    pub score: f64,
    pub level: String,
    pub confidence: f64,
}

impl Answer {
    pub fn of(decided: &Decided<'_, '_>) -> Self {
        let Decided { snapshot, policy, view, outcome, evaluation, .. } = *decided;
        let decision = decision_of(outcome);
        let chosen = outcome.chosen(policy);
        let texts = |admin| reason_texts(snapshot, policy, view, outcome, admin);
        let rules = |shadow: bool| {
            let matched = policy.rules.iter().zip(&outcome.rules);
            let matched = matched.filter(|(rule, o)| rule.shadow == shadow && o.matched.applies());
            matched.map(|(rule, _)| rule.name.to_string()).collect()
        };
        Answer {
            id: decided.id.to_string(),
            decision,
            score: outcome.score,
            shown_score: shown(policy, outcome.score),
            level: policy.level_name(outcome.level).to_owned(),
            confidence: outcome.confidence,
            policy: AnswerPolicy {
                name: policy.name.to_string(),
                revision: snapshot.revision.to_string(),
            },
            factors: factors(policy, outcome),
            adjustments: adjustments(policy, outcome),
            reasons: reason_names(policy, outcome),
            reason_user: texts(false),
            reason_admin: texts(true),
            obligations: AnswerObligations {
                review: outcome.review,
                revoke_session: outcome.revoke_session,
                incident: outcome.incident.map(|i| AnswerIncident { severity: i.severity.name() }),
                headers: obligation_headers(decided, &Bump::new())
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                token: AnswerToken { claims: obligation_claims(decided) },
            },
            limits: match chosen {
                Some(chosen) if decision == Decision::Restrict => owned(&chosen.limits),
                _ => Vec::new(),
            },
            step_up: chosen.filter(|_| decision == Decision::StepUp).map(step_up),
            counterfactual: AnswerCounterfactual::of(decided),
            unknown: unknown_names(snapshot, outcome).map(str::to_owned).collect(),
            rule: match outcome.decided_by {
                crate::engine::DecidedBy::Rule(at) => {
                    policy.rules.get(at).map(|rule| rule.name.to_string())
                }
                _ => None,
            },
            rules: rules(false),
            shadow_rules: rules(true),
            dimensions: dimensions(policy, outcome),
            shadows: policy
                .shadows
                .iter()
                .filter_map(|id| Some(shadow(snapshot.policy(*id)?, evaluation.outcome(*id)?)))
                .collect(),
            shadow_decision: outcome.shadow_decision,
            limits_not_enforced: outcome.limits_not_enforced,
        }
    }
}

impl AnswerCounterfactual {
    /// Nothing for an allow, and where no factor suffices alone.
    pub fn of(decided: &Decided<'_, '_>) -> Option<Self> {
        let Decided { snapshot, policy, view, outcome, .. } = *decided;
        let other = counterfactual(policy, view, outcome)?;
        Some(AnswerCounterfactual {
            factor: policy.factors.get(other.factor)?.name.to_string(),
            value: other.c,
            needs: other.needs.as_ref().map(ToString::to_string),
            decision: other.decision,
            text: counterfactual_text(snapshot, policy, view, outcome, &other)?,
        })
    }
}

/// An outcome has a decision; if ever one had none, it would let nothing through.
fn decision_of(outcome: &Outcome) -> Decision {
    outcome.decision.unwrap_or(Decision::Deny)
}

/// 0.57, not the 0.5700000000000001 that 57 steps of 0.01 are.
fn shown(policy: &Policy, score: f64) -> f64 {
    let shown = policy.shown(score);
    format!("{shown:.*}", policy.decimals()).parse().unwrap_or(shown)
}

fn factors(policy: &Policy, outcome: &Outcome) -> Vec<AnswerFactor> {
    let each = policy.factors.iter().zip(&outcome.factors);
    each.map(|(factor, o)| AnswerFactor {
        name: factor.name.to_string(),
        value: o.c,
        contribution: o.contribution,
        basis: o.basis,
        freshness: o.freshness,
    })
    .chain(announced(policy, outcome))
    .collect()
}

/// What was announced and is in force: its contribution is what softening changed.
fn announced<'a>(
    policy: &'a Policy,
    outcome: &'a Outcome,
) -> impl Iterator<Item = AnswerFactor> + 'a {
    let each = policy.expected.iter().zip(&outcome.expected);
    each.filter(|(_, o)| o.applies).map(|(softening, o)| AnswerFactor {
        name: softening.name.to_string(),
        value: None,
        contribution: o.contribution,
        basis: Basis::Live,
        freshness: 1.0,
    })
}

fn adjustments(policy: &Policy, outcome: &Outcome) -> Vec<AnswerAdjustment> {
    let each = policy.adjustments.iter().zip(&outcome.adjustments);
    each.filter(|(_, o)| o.matched.applies())
        .map(|(adjustment, o)| AnswerAdjustment {
            name: adjustment.name.to_string(),
            contribution: o.contribution,
        })
        .collect()
}

/// The names of what cost the most trust, costliest first.
pub fn reason_names(policy: &Policy, outcome: &Outcome) -> Vec<String> {
    let name = |subject| match subject {
        Subject::Factor(at) => policy.factors.get(at).map(|f| f.name.to_string()),
        Subject::Adjustment(at) => policy.adjustments.get(at).map(|a| a.name.to_string()),
    };
    outcome.reasons.iter().filter_map(|ranked| name(ranked.subject)).collect()
}

fn dimensions(policy: &Policy, outcome: &Outcome) -> Vec<(String, f64)> {
    let each = policy.dimensions.iter().zip(&outcome.dimensions);
    each.filter(|(dimension, o)| !dimension.name.is_empty() && o.present)
        .map(|(dimension, o)| (dimension.name.to_string(), o.score))
        .collect()
}

fn step_up(chosen: &Chosen) -> AnswerStepUp {
    let asked = &chosen.step_up;
    AnswerStepUp { acr_values: owned(&asked.acr), amr: owned(&asked.amr), max_age: asked.max_age }
}

fn shadow(policy: &Policy, outcome: &Outcome) -> AnswerShadow {
    AnswerShadow {
        policy: policy.name.to_string(),
        decision: decision_of(outcome),
        score: outcome.score,
        level: policy.level_name(outcome.level).to_owned(),
        confidence: outcome.confidence,
    }
}

fn owned(texts: &[std::sync::Arc<str>]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

/// The word for what a factor rests on.
pub const fn basis_name(basis: Basis) -> &'static str {
    match basis {
        Basis::Live => "live",
        Basis::Assumed => "assumed",
        Basis::Skipped => "skipped",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn name_of<S: Serializer>(decision: &Decision, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(decision.name())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn name_of_some<S: Serializer>(decision: &Option<Decision>, to: S) -> Result<S::Ok, S::Error> {
    decision.map(Decision::name).serialize(to)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn name_of_basis<S: Serializer>(basis: &Basis, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(basis_name(*basis))
}

fn as_map<S: Serializer, V: Serialize>(pairs: &[(String, V)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}
