//! What of a decision an answer doesn't carry, and a picture shows: the range,
//! which factor is of which dimension, and the rules that did not match.

use std::ops::Range;

use crate::api::answer::Answer;
use crate::api::pdp::Decided;
use crate::engine::{DecidedBy, Matched};
use crate::model::{Decision, Direction};

/// The group of announced changes, where factors are in dimensions.
pub(super) const ANNOUNCED: &str = "announced";

/// How a decision is laid out.
#[derive(Debug)]
pub(super) struct Shape {
    /// What all contributions are added to.
    pub(super) from: f64,
    /// The ends of the axis.
    pub(super) axis: (f64, f64),
    pub(super) direction: Option<Direction>,
    /// What the prior gave, where nothing was known.
    pub(super) prior: f64,
    /// In document order, all factors in one of them.
    pub(super) groups: Vec<Group>,
    /// Adjustments that did not apply, and those that nobody could tell.
    pub(super) idle: Vec<(String, Matched)>,
    pub(super) label: String,
    pub(super) rules: Vec<RuleLine>,
    pub(super) why: Why,
}

#[derive(Debug)]
pub(super) struct Group {
    /// Empty where the policy has no dimensions.
    pub(super) name: String,
    /// Nothing where none of its factors has a value.
    pub(super) score: Option<f64>,
    pub(super) factors: Range<usize>,
}

#[derive(Debug)]
pub(super) struct RuleLine {
    pub(super) name: String,
    /// Without one, it only obliges.
    pub(super) decision: Option<Decision>,
    pub(super) matched: Matched,
    pub(super) shadow: bool,
}

/// What decided.
#[derive(Debug)]
pub(super) enum Why {
    Rule {
        name: String,
        exempt: bool,
    },
    Confidence {
        least: Option<f64>,
    },
    Default,
    /// The answer doesn't tell which of the two it was.
    ConfidenceOrDefault,
}

impl Shape {
    pub(super) fn of(decided: &Decided<'_, '_>) -> Self {
        let (policy, outcome) = (decided.policy, decided.outcome);
        let dimensions = policy.dimensions.iter().zip(&outcome.dimensions);
        let groups = dimensions.map(|(dimension, outcome)| Group {
            name: dimension.name.to_string(),
            score: outcome.present.then_some(outcome.score),
            factors: dimension.first..dimension.last,
        });
        // They stand behind the factors in the answer.
        let (first, named) = (policy.factors.len(), policy.has_dimensions());
        let applied = outcome.expected.iter().filter(|expected| expected.applies).count();
        let announced = (applied > 0).then(|| Group {
            name: if named { ANNOUNCED.to_owned() } else { String::new() },
            score: None,
            factors: first..first + applied,
        });
        let adjustments = policy.adjustments.iter().zip(&outcome.adjustments);
        let idle = adjustments
            .filter(|(_, outcome)| !outcome.matched.applies())
            .map(|(adjustment, outcome)| (adjustment.name.to_string(), outcome.matched));
        let rules = policy.rules.iter().zip(&outcome.rules).map(|(rule, outcome)| RuleLine {
            name: rule.name.to_string(),
            decision: rule.chosen.as_ref().map(|chosen| chosen.decision),
            matched: outcome.matched,
            shadow: rule.shadow,
        });
        Shape {
            from: policy.range.min,
            axis: (policy.range.min, policy.range.max),
            direction: Some(policy.direction),
            prior: outcome.prior,
            groups: groups.chain(announced).collect(),
            idle: idle.collect(),
            label: policy
                .levels
                .get(outcome.level)
                .map_or_else(String::new, |l| l.label.to_string()),
            rules: rules.collect(),
            why: match outcome.decided_by {
                DecidedBy::Rule(at) => match policy.rules.get(at) {
                    Some(rule) => Why::Rule { name: rule.name.to_string(), exempt: rule.exempt },
                    None => Why::Default,
                },
                DecidedBy::MinConfidence => {
                    Why::Confidence { least: policy.min_confidence.as_ref().map(|m| m.value) }
                }
                DecidedBy::Default => Why::Default,
            },
        }
    }

    /// What can be told from an answer alone, as a server gives it.
    pub(super) fn of_answer(answer: &Answer) -> Self {
        let factors = answer.factors.iter().map(|f| f.contribution);
        let parts: Vec<f64> =
            factors.chain(answer.adjustments.iter().map(|a| a.contribution)).collect();
        // Scores are rounded to 1e-9 of their range, so the difference is no cleaner.
        let from = answer.score - parts.iter().sum::<f64>();
        let from = (from * 1e6).round() / 1e6 + 0.0;
        let (mut low, mut high, mut at) = (from, from, from);
        for part in parts {
            at += part;
            (low, high) = (low.min(at), high.max(at));
        }
        let name = |name: &String| name.clone();
        let rule = |shadow| {
            move |name: &String| RuleLine {
                name: name.clone(),
                decision: None,
                matched: Matched::Yes,
                shadow,
            }
        };
        let enforced = answer.rules.iter().map(rule(false));
        Shape {
            from,
            axis: (low, high),
            direction: None,
            prior: 0.0,
            groups: vec![Group {
                name: String::new(),
                score: None,
                factors: 0..answer.factors.len(),
            }],
            idle: Vec::new(),
            label: String::new(),
            rules: enforced.chain(answer.shadow_rules.iter().map(rule(true))).collect(),
            why: match answer.rule.as_ref().map(name) {
                Some(name) => Why::Rule { name, exempt: false },
                None => Why::ConfidenceOrDefault,
            },
        }
    }
}
