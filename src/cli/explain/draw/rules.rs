//! What the rules made of the score: who decided and why, what follows from it.

use std::fmt::{Result, Write as _};

use crate::api::answer::{Answer, AnswerCounterfactual, AnswerStepUp};
use crate::cli::explain::shape::{RuleLine, Shape, Why};
use crate::cli::style;
use crate::engine::Matched;
use crate::model::Decision;

/// Columns of the words that lines begin with.
const WORD: usize = 13;

pub(super) fn draw(answer: &Answer, shape: &Shape, out: &mut String) -> Result {
    let plain = style::PLAIN;
    writeln!(out)?;
    let colour = style::of(answer.decision);
    let why = why(answer, shape);
    writeln!(out, "{:<WORD$}{colour}{}{plain} {why}", "decision", answer.decision)?;
    if let Some(step_up) = &answer.step_up {
        line("asks for", &asked(step_up), out)?;
    }
    if !answer.limits.is_empty() {
        line("limits", &answer.limits.join(", "), out)?;
    }
    rules(shape, out)?;
    list("to the user", &answer.reason_user, out)?;
    list("to admins", &answer.reason_admin, out)?;
    if let Some(other) = &answer.counterfactual {
        line("otherwise", &otherwise(other), out)?;
        line("", &other.text, out)?;
    }
    list("obliges to", &obligations(answer), out)?;
    if !answer.unknown.is_empty() {
        line("not known", &answer.unknown.join(", "), out)?;
    }
    if let Some(would) = answer.shadow_decision {
        line("would be", &format!("{would} with the shadow rules in force"), out)?;
    }
    let shadows: Vec<String> = answer
        .shadows
        .iter()
        .map(|s| format!("{}: {}, {} {:.3}", s.policy, s.decision, s.level, s.score))
        .collect();
    list("shadows", &shadows, out)
}

fn why(answer: &Answer, shape: &Shape) -> String {
    let deciding =
        |rule: &&RuleLine| !rule.shadow && rule.matched.applies() && rule.decision.is_some();
    let matched = shape.rules.iter().filter(deciding).count();
    let mut why = match &shape.why {
        Why::Rule { name, exempt: true } => format!("by `{name}`, which is exempt from all others"),
        Why::Rule { name, .. } if matched > 1 => {
            format!("by `{name}`, the strictest of {matched} rules that matched")
        }
        Why::Rule { name, .. } => format!("by `{name}`"),
        Why::Confidence { least: Some(least) } => {
            format!("as the confidence {:.2} is below {least}", answer.confidence)
        }
        Why::Confidence { least: None } => "as the confidence is too low".to_owned(),
        Why::Default => "by default, as no rule allows it".to_owned(),
        Why::ConfidenceOrDefault => "by the confidence or by default".to_owned(),
    };
    if answer.limits_not_enforced {
        why.push_str(": `restrict`, but the caller has not said that it enforces limits");
    }
    why
}

fn asked(step_up: &AnswerStepUp) -> String {
    let mut parts = Vec::new();
    if !step_up.acr_values.is_empty() {
        parts.push(format!("acr {}", step_up.acr_values.join(" or ")));
    }
    if !step_up.amr.is_empty() {
        parts.push(format!("amr {}", step_up.amr.join(" and ")));
    }
    if let Some(seconds) = step_up.max_age {
        parts.push(format!("at most {} old", style::span(seconds)));
    }
    if parts.is_empty() { "another authentication".to_owned() } else { parts.join(", ") }
}

fn otherwise(other: &AnswerCounterfactual) -> String {
    let AnswerCounterfactual { factor, value, needs, decision, .. } = other;
    match needs {
        Some(needs) => format!("{decision}, with `{factor}` {value:.2} (value {needs})"),
        None => format!("{decision}, with `{factor}` {value:.2}"),
    }
}

fn rules(shape: &Shape, out: &mut String) -> Result {
    let (faint, plain) = (style::FAINT, style::PLAIN);
    let told: Vec<&RuleLine> = shape.rules.iter().filter(|r| r.matched != Matched::No).collect();
    let width = told.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    for (at, rule) in told.iter().enumerate() {
        let word = if at == 0 { "rules" } else { "" };
        let what = rule.decision.map_or("", Decision::name);
        let how = match rule.matched {
            Matched::Yes | Matched::No => "",
            Matched::ByUnknown => "as what it asks is not known",
            Matched::UnknownSkipped => "not known, so it doesn't match",
            Matched::Satisfied => "the session has met it",
        };
        let how = if rule.shadow { format!("{how} (shadow)") } else { how.to_owned() };
        let decided = matches!(&shape.why, Why::Rule { name, .. } if *name == rule.name);
        let (mark, name) = if decided { ("→", style::BOLD) } else { (" ", style::NONE) };
        let colour = rule.decision.filter(|_| rule.matched.applies()).map_or(faint, style::of);
        let text = format!(
            "{word:<0$}{mark} {name}{1:<width$}{plain}  {colour}{what:<8}{plain} {faint}{how}{plain}",
            WORD - 2,
            rule.name
        );
        writeln!(out, "{}", text.trim_end())?;
    }
    let silent: Vec<&str> =
        shape.rules.iter().filter(|r| r.matched == Matched::No).map(|r| r.name.as_str()).collect();
    if silent.is_empty() {
        return Ok(());
    }
    writeln!(out, "{:<WORD$}{faint}did not match: {}{plain}", "", silent.join(", "))
}

fn obligations(answer: &Answer) -> Vec<String> {
    let obligations = &answer.obligations;
    let mut all = Vec::new();
    if obligations.review {
        all.push("review".to_owned());
    }
    if obligations.revoke_session {
        all.push("revoke the session".to_owned());
    }
    if let Some(incident) = &obligations.incident {
        all.push(format!("incident of severity {}", incident.severity));
    }
    all.extend(obligations.headers.iter().map(|(name, value)| format!("header {name}: {value}")));
    let claims = obligations.token.claims.iter();
    all.extend(claims.map(|(name, value)| format!("token claim {name}: {value}")));
    all
}

fn line(word: &str, text: &str, out: &mut String) -> Result {
    writeln!(out, "{word:<WORD$}{text}")
}

fn list(word: &str, texts: &[String], out: &mut String) -> Result {
    for (at, text) in texts.iter().enumerate() {
        line(if at == 0 { word } else { "" }, text, out)?;
    }
    Ok(())
}
