//! Reasons: ranked while evaluating, put into words only when an answer carries them.

use std::fmt::Write as _;
use std::sync::Arc;

use super::counterfactual::Counterfactual;
use super::expr::{Expr, Scope, Trace};
use super::outcome::{Basis, DecidedBy, MAX_REASONS, Matched, Outcome, Ranked, Subject};
use super::snapshot::{Policy, Reason, Snapshot, Softening};
use crate::model::{Decision, Direction, Value, View};

/// A reason's text with its placeholders.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(pub Vec<TemplatePart>);

#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePart {
    Text(Arc<str>),
    /// `{value}`: the factor's value before its curve.
    Value,
    /// `{score}`, as shown.
    Score,
    /// `{level}`: its label, or its name.
    Level,
    /// `{confidence}`, in [0, 1], of two digits.
    Confidence,
}

impl Template {
    /// Reads `Account age {value} days`; an unknown placeholder is refused by name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(TemplatePart::Text(before.into()));
            }
            let Some((name, after)) = after.split_once('}') else {
                return Err("a placeholder is not closed: `}` is missing".to_owned());
            };
            parts.push(match name {
                "value" => TemplatePart::Value,
                "score" => TemplatePart::Score,
                "level" => TemplatePart::Level,
                "confidence" => TemplatePart::Confidence,
                other => {
                    return Err(format!(
                        "unknown placeholder `{{{other}}}`; there are `{{value}}`, `{{score}}`, `{{level}}` and `{{confidence}}`"
                    ));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(TemplatePart::Text(rest.into()));
        }
        Ok(Template(parts))
    }

    /// Whether it speaks of a factor's value.
    pub fn has_value(&self) -> bool {
        self.0.contains(&TemplatePart::Value)
    }
}

/// Ranks what costs trust, costliest first, at most four; of equals the first in the document.
pub(super) fn rank(policy: &Policy, out: &mut Outcome) {
    let mut best = Best::new(policy.range.width() * 1e-9);
    for (at, factor) in out.factors.iter().enumerate() {
        best.offer(factor.cost, Subject::Factor(at));
    }
    for (at, adjustment) in out.adjustments.iter().enumerate() {
        let cost = match policy.direction {
            Direction::Trust => -adjustment.contribution,
            Direction::Risk => adjustment.contribution,
        };
        best.offer(cost, Subject::Adjustment(at));
    }
    out.reasons.clear();
    out.reasons.extend(best.ranked.into_iter().filter(|r| r.cost > best.least));
}

/// The costliest so far. A place that isn't taken costs `least`.
struct Best {
    least: f64,
    ranked: [Ranked; MAX_REASONS],
}

impl Best {
    fn new(least: f64) -> Self {
        Best { least, ranked: [Ranked { subject: Subject::Factor(0), cost: least }; MAX_REASONS] }
    }

    /// A NaN is never above anything, so it ranks nowhere.
    fn offer(&mut self, cost: f64, subject: Subject) {
        let mut new = Ranked { subject, cost };
        let mut taken = false;
        for place in &mut self.ranked {
            taken |= new.cost > place.cost;
            if taken {
                // What stood here moves on by one.
                std::mem::swap(place, &mut new);
            }
        }
    }
}

/// The texts of an outcome's reasons, the deciding rule's first, for the person
/// concerned (`admin` false) or for those who may know more. These are told last what
/// was announced.
pub fn reason_texts<'v>(
    snapshot: &'v Snapshot,
    policy: &'v Policy,
    view: &View<'v>,
    out: &Outcome,
    admin: bool,
) -> Vec<String> {
    let writer = Writer { snapshot, policy, view, out, admin };
    let mut texts = Vec::new();
    texts.extend(writer.decision());
    for ranked in &out.reasons {
        texts.extend(match ranked.subject {
            Subject::Factor(at) => writer.factor(at),
            Subject::Adjustment(at) => writer.adjustment(at),
        });
    }
    let announced = policy.expected.iter().zip(&out.expected);
    let announced = announced.filter(|(_, outcome)| admin && outcome.applies);
    texts.extend(announced.map(|(softening, _)| writer.announced(softening)));
    texts.dedup();
    texts
}

/// What the person concerned is told of a counterfactual: the factor's remedy, or that
/// nothing else stands in the way.
pub fn counterfactual_text<'v>(
    snapshot: &'v Snapshot,
    policy: &'v Policy,
    view: &View<'v>,
    out: &Outcome,
    other: &Counterfactual,
) -> Option<String> {
    let writer = Writer { snapshot, policy, view, out, admin: false };
    let factor = policy.factors.get(other.factor)?;
    if let Some(remedy) = &factor.reason.remedy {
        return writer.render(remedy, Some(&factor.value));
    }
    let reason = match out.factors.get(other.factor)?.basis {
        Basis::Live => writer.factor(other.factor)?,
        // The factor's own words would claim what isn't known.
        _ => format!("{} is not known", factor.name.replace('_', " ")),
    };
    Some(match other.decision {
        Decision::Allow => format!("Only this stands in the way: {reason}"),
        _ => format!("This makes the difference: {reason}"),
    })
}

/// Names of the slots that were met and not known.
pub fn unknown_names<'s>(
    snapshot: &'s Snapshot,
    out: &'s Outcome,
) -> impl Iterator<Item = &'s str> + 's {
    out.unknown.iter().filter_map(|slot| snapshot.slots.get(slot.0 as usize)).map(|s| &*s.name)
}

struct Writer<'a, 'v> {
    snapshot: &'v Snapshot,
    policy: &'v Policy,
    view: &'a View<'v>,
    out: &'a Outcome,
    admin: bool,
}

impl<'v> Writer<'_, 'v> {
    fn decision(&self) -> Option<String> {
        match self.out.decided_by {
            DecidedBy::Rule(at) => {
                let rule = self.policy.rules.get(at)?;
                let matched = self.out.rules.get(at).map(|r| r.matched);
                if matched == Some(Matched::ByUnknown) {
                    // The rule's own words would claim what isn't known.
                    return self.said(&rule.reason).map(|_| self.not_known(&rule.when, &rule.name));
                }
                self.render(self.said(&rule.reason)?, None)
            }
            DecidedBy::MinConfidence => {
                let min = self.policy.min_confidence.as_ref()?;
                self.render(self.said(&min.reason)?, None)
            }
            DecidedBy::Default => None,
        }
    }

    fn factor(&self, at: usize) -> Option<String> {
        let factor = self.policy.factors.get(at)?;
        let template = self.said(&factor.reason)?;
        match self.out.factors.get(at)?.basis {
            Basis::Live => self.render(template, Some(&factor.value)),
            Basis::Assumed | Basis::Skipped => Some(self.not_known(&factor.value, &factor.name)),
        }
    }

    fn adjustment(&self, at: usize) -> Option<String> {
        let adjustment = self.policy.adjustments.get(at)?;
        let template = self.said(&adjustment.reason)?;
        match self.out.adjustments.get(at)?.matched {
            Matched::ByUnknown => Some(self.not_known(&adjustment.when, &adjustment.name)),
            _ => self.render(template, None),
        }
    }

    /// `Announced: travel until 2026-05-10 (CHG-123)`
    fn announced(&self, softening: &Softening) -> String {
        let mut text = format!("Announced: {}", softening.change.replace('_', " "));
        if let Value::Timestamp(until) = self.view.read(softening.until).value
            && let Ok(until) = jiff::Timestamp::from_millisecond(until.millis())
        {
            let at = until.to_string();
            text.push_str(" until ");
            text.push_str(at.strip_suffix("T00:00:00Z").unwrap_or(&at));
        }
        if let Value::Text(reference) = self.view.read(softening.reference).value {
            // Writing to a String can't fail.
            let _ = write!(text, " ({reference})");
        }
        text
    }

    fn said<'r>(&self, reason: &'r Reason) -> Option<&'r Template> {
        if self.admin {
            reason.admin.as_ref().or(reason.user.as_ref())
        } else {
            reason.user.as_ref()
        }
    }

    /// Admins read which slots; the person concerned reads only what it is about.
    fn not_known(&self, expr: &'v Expr, name: &str) -> String {
        if !self.admin {
            return format!("not known: {}", name.replace('_', " "));
        }
        let mut trace = Trace::default();
        trace.unknown.reserve(self.view.len());
        expr.eval(self.scope(), &mut trace);
        let names: Vec<&str> = trace
            .unknown
            .iter()
            .filter_map(|slot| self.snapshot.slots.get(slot.0 as usize))
            .map(|slot| &*slot.name)
            .collect();
        if names.is_empty() {
            return format!("not known: {}", name.replace('_', " "));
        }
        format!("not known: {}", names.join(", "))
    }

    fn scope(&self) -> Scope<'_, 'v> {
        Scope { view: self.view, policy: self.policy, progress: self.out }
    }

    fn render(&self, template: &Template, value: Option<&'v Expr>) -> Option<String> {
        let mut text = String::new();
        for part in &template.0 {
            match part {
                TemplatePart::Text(part) => text.push_str(part),
                TemplatePart::Value => {
                    let value = value?.eval(self.scope(), &mut Trace::default());
                    write_value(&mut text, value);
                }
                TemplatePart::Score => {
                    let shown = self.policy.shown(self.out.score);
                    // Writing to a String can't fail.
                    let _ = write!(text, "{shown:.*}", self.policy.decimals());
                }
                TemplatePart::Level => {
                    let level = self.policy.levels.get(self.out.level)?;
                    text.push_str(if level.label.is_empty() { &level.name } else { &level.label });
                }
                // Cut, so that what is below a limit is not shown as if it met it.
                TemplatePart::Confidence => {
                    let confidence = (self.out.confidence * 100.0 + 1e-9).floor() / 100.0;
                    let _ = write!(text, "{confidence}");
                }
            }
        }
        Some(text)
    }
}

fn write_value(text: &mut String, value: Value<'_>) {
    // Writing to a String can't fail.
    let _ = match value {
        Value::Number(x) => write!(text, "{}", (x * 100.0).round() / 100.0),
        Value::Bool(b) => write!(text, "{b}"),
        Value::Text(t) => write!(text, "{t}"),
        Value::Duration(seconds) => write!(text, "{} s", seconds.round()),
        Value::Address(ip) => write!(text, "{ip}"),
        Value::Timestamp(at) => match jiff::Timestamp::from_millisecond(at.millis()) {
            Ok(at) => write!(text, "{at}"),
            Err(_) => Ok(()),
        },
        Value::Location { latitude, longitude } => write!(text, "{latitude}, {longitude}"),
        Value::Set(set) => {
            write!(text, "{}", set.members().collect::<Vec<_>>().join(", "))
        }
        Value::None => write!(text, "never"),
        Value::Missing => write!(text, "not known"),
    };
}
