//! One evaluation: the policies that are composed, the policy asked, its shadows.

use super::expr::Trace;
use super::outcome::Outcome;
use super::snapshot::{Chosen, Policy, PolicyId, Snapshot};
use super::{reason, rules, score};
use crate::model::{PolicyField, Reading, Value, View};

/// Outcomes by policy, reused from request to request.
#[derive(Debug, Default)]
pub struct Evaluation {
    outcomes: Vec<Outcome>,
    trace: Trace,
}

impl Evaluation {
    pub fn new() -> Self {
        Self::default()
    }

    /// The outcome of a policy that the last `evaluate` evaluated.
    pub fn outcome(&self, id: PolicyId) -> Option<&Outcome> {
        self.outcomes.get(usize::from(id.0)).filter(|o| o.policy == Some(id))
    }
}

/// Evaluates the policy `id` on the filled view: first the policies that it and
/// its shadows compose (their results go into the view's slots, unless those are
/// given), then itself, then its shadows.
pub fn evaluate<'v>(
    snapshot: &'v Snapshot,
    id: PolicyId,
    view: &mut View<'v>,
    evaluation: &mut Evaluation,
) {
    if evaluation.outcomes.len() < snapshot.policies.len() {
        evaluation.outcomes.resize_with(snapshot.policies.len(), Outcome::default);
    }
    for outcome in &mut evaluation.outcomes {
        outcome.policy = None;
    }
    let Some(policy) = snapshot.policy(id) else { return };
    for each in policy.before.iter().chain([&id]).chain(&policy.after) {
        evaluate_one(snapshot, *each, view, evaluation);
    }
}

fn evaluate_one<'v>(
    snapshot: &'v Snapshot,
    id: PolicyId,
    view: &mut View<'v>,
    evaluation: &mut Evaluation,
) {
    let Some(policy) = snapshot.policy(id) else { return };
    let Some(out) = evaluation.outcomes.get_mut(usize::from(id.0)) else { return };
    let trace = &mut evaluation.trace;
    trace.unknown.reserve(view.len());
    trace.unknown.clear();
    out.reset(id, policy);
    score::score(policy, view, out, trace);
    rules::decide(policy, view, out, trace);
    reason::rank(policy, out);
    out.unknown.copy(&trace.unknown);
    publish(policy, out, view);
}

/// Puts a policy's result into the slots by which others compose it.
fn publish<'v>(policy: &'v Policy, out: &Outcome, view: &mut View<'v>) {
    for (field, slot) in &policy.results {
        if !view.read(*slot).value.is_missing() {
            continue;
        }
        let value = match field {
            PolicyField::Score => Value::Number(out.score),
            PolicyField::Level => Value::Text(policy.level_name(out.level)),
            PolicyField::Confidence => Value::Number(out.confidence),
            PolicyField::Risk => Value::Number(policy.risk(out.score)),
        };
        // A composed score counts as much as it is known.
        view.fill(*slot, Reading { value, freshness: out.confidence });
    }
}

impl Outcome {
    /// What the decision came from: its limits, its step-up.
    pub fn chosen<'p>(&self, policy: &'p Policy) -> Option<&'p Chosen> {
        rules::chosen(policy, self.decided_by)
    }

    /// The rules whose obligations count, by index.
    pub fn obliging<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = usize> + 'a {
        rules::obliging(policy, self.decided_by, &self.rules)
    }
}
