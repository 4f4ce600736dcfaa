//! Rules: the strictest of those that match decides, whatever their order.

use super::expr::{Scope, Trace, TriState};
use super::outcome::{DecidedBy, Matched, Outcome, RuleOutcome};
use super::snapshot::{Chosen, OnUnknown, Policy, Rule, StepUp};
use crate::model::{Decision, Incident, Value, View};

/// The strictest candidate so far.
#[derive(Clone, Copy)]
struct Candidate {
    decision: Decision,
    by: DecidedBy,
}

/// Decides on a scored outcome.
pub(super) fn decide<'v>(
    policy: &'v Policy,
    view: &View<'v>,
    out: &mut Outcome,
    trace: &mut Trace,
) {
    for rule in &policy.rules {
        let scope = Scope { view, policy, progress: out };
        let mut matched = match (rule.when.test(scope, trace), rule.unknown) {
            (TriState::Yes, _) => Matched::Yes,
            (TriState::No, _) => Matched::No,
            (TriState::Unknown, OnUnknown::Match) => Matched::ByUnknown,
            (TriState::Unknown, OnUnknown::Skip) => Matched::UnknownSkipped,
        };
        if matched.applies() && rule.chosen.as_ref().is_some_and(|c| satisfied(policy, c, view)) {
            matched = Matched::Satisfied;
        }
        out.rules.push(RuleOutcome { matched });
    }

    let decided = strictest(policy, view, out, false);
    out.decision = Some(decided.decision);
    out.decided_by = decided.by;
    out.limits_not_enforced = decided.decision == Decision::Deny
        && chosen(policy, decided.by).is_some_and(|c| c.decision == Decision::Restrict);
    if policy.rules.iter().any(|rule| rule.shadow) {
        let would = strictest(policy, view, out, true).decision;
        out.shadow_decision = (would != decided.decision).then_some(would);
    }
    oblige(policy, out);
}

/// What a decision came from: its limits, its step-up.
pub(super) fn chosen(policy: &Policy, by: DecidedBy) -> Option<&Chosen> {
    match by {
        DecidedBy::Rule(at) => policy.rules.get(at)?.chosen.as_ref(),
        DecidedBy::MinConfidence => policy.min_confidence.as_ref().map(|m| &m.chosen),
        DecidedBy::Default => Some(&policy.default),
    }
}

/// The decision, with shadow rules in force or not.
fn strictest(policy: &Policy, view: &View<'_>, out: &Outcome, with_shadow: bool) -> Candidate {
    let mut best: Option<Candidate> = None;
    let mut granted = false;
    for (at, (rule, outcome)) in policy.rules.iter().zip(&out.rules).enumerate() {
        let Some(chosen) = &rule.chosen else { continue };
        if !outcome.matched.applies() || (rule.shadow && !with_shadow) {
            continue;
        }
        let by = DecidedBy::Rule(at);
        if rule.exempt {
            return Candidate { decision: chosen.decision, by };
        }
        granted |= chosen.decision.permits();
        stricter(&mut best, Candidate { decision: effective(chosen, view), by });
    }
    if !granted {
        // A step-up by default that the session has met leaves nothing to ask.
        let decision = if satisfied(policy, &policy.default, view) {
            Decision::Allow
        } else {
            effective(&policy.default, view)
        };
        stricter(&mut best, Candidate { decision, by: DecidedBy::Default });
    }
    let mut best = best.unwrap_or(Candidate { decision: Decision::Deny, by: DecidedBy::Default });
    if let Some(min) = &policy.min_confidence {
        let ignored = match best.by {
            DecidedBy::Rule(at) => policy.rules.get(at).is_some_and(|r| r.ignore_confidence),
            _ => false,
        };
        let decision = effective(&min.chosen, view);
        if !ignored
            && out.confidence < min.value
            && decision > best.decision
            && !satisfied(policy, &min.chosen, view)
        {
            best = Candidate { decision, by: DecidedBy::MinConfidence };
        }
    }
    best
}

/// Keeps the stricter of the two; of equals, the first.
fn stricter(best: &mut Option<Candidate>, candidate: Candidate) {
    if best.is_none_or(|b| candidate.decision > b.decision) {
        *best = Some(candidate);
    }
}

/// A `restrict` is a `deny` for a caller that doesn't enforce limits.
fn effective(chosen: &Chosen, view: &View<'_>) -> Decision {
    match chosen.decision {
        Decision::Restrict if !view.enforces_limits => Decision::Deny,
        decision => decision,
    }
}

/// Whether it is a step-up that the verified session already meets. What is not
/// known about the session doesn't meet anything.
fn satisfied(policy: &Policy, chosen: &Chosen, view: &View<'_>) -> bool {
    if chosen.decision != Decision::StepUp {
        return false;
    }
    let StepUp { acr, amr, max_age } = &chosen.step_up;
    if acr.is_empty() && amr.is_empty() && max_age.is_none() {
        return false;
    }
    let read = |slot| match slot {
        Some(slot) => view.read(slot).value,
        None => Value::Missing,
    };
    let acr_met = acr.is_empty()
        || read(policy.session.acr).as_text().is_some_and(|a| acr.iter().any(|w| **w == *a));
    let amr_met = amr.is_empty()
        || match read(policy.session.amr) {
            Value::Set(set) => amr.iter().all(|m| set.contains(m)),
            _ => false,
        };
    let age_met = max_age.is_none_or(|max_age| match read(policy.session.authenticated_at) {
        Value::Timestamp(at) => {
            let age = view.now.seconds_since(at);
            // An authentication from the future proves nothing, beyond what clocks differ by.
            (-300.0..=max_age).contains(&age)
        }
        _ => false,
    });
    acr_met && amr_met && age_met
}

/// Merges the obligations of all rules that match. Under an exemption only its
/// own count, and those of rules that do nothing but oblige.
fn oblige(policy: &Policy, out: &mut Outcome) {
    let mut incident: Option<Incident> = None;
    for at in obliging(policy, out.decided_by, &out.rules) {
        let Some(rule) = policy.rules.get(at) else { continue };
        out.review |= rule.obligations.review;
        out.revoke_session |= rule.obligations.revoke_session;
        if let Some(new) = rule.obligations.incident
            && incident.is_none_or(|old| new.severity > old.severity)
        {
            incident = Some(new);
        }
    }
    out.incident = incident;
}

/// The rules whose obligations count, by index.
pub(super) fn obliging<'a>(
    policy: &'a Policy,
    by: DecidedBy,
    rules: &'a [RuleOutcome],
) -> impl Iterator<Item = usize> + 'a {
    let exempting = match by {
        DecidedBy::Rule(at) if policy.rules.get(at).is_some_and(|r| r.exempt) => Some(at),
        _ => None,
    };
    let counts = move |at: usize, rule: &Rule| match exempting {
        Some(exempting) => at == exempting || rule.chosen.is_none(),
        None => true,
    };
    policy
        .rules
        .iter()
        .zip(rules)
        .enumerate()
        .filter(move |(at, (rule, outcome))| {
            outcome.matched.applies() && !rule.shadow && counts(*at, rule)
        })
        .map(|(at, _)| at)
}
