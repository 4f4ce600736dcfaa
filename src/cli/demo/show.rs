//! What the story looks like.

use std::path::Path;

use super::play::Played;
use super::story::{Report, is_risk, range};
use crate::api::answer::Answer;
use crate::cli::style::{self, say};
use crate::model::Decision;

/// Columns of a bar.
const BAR: usize = 24;
/// Reported signals are shown up to this many columns.
const REPORTED: usize = 88;
/// How many reasons are shown with each decision.
const REASONS: usize = 3;

pub(super) fn opening(grpc: &str, http: &str) {
    let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
    say!("{bold}plimsoll demo{plain}: gRPC on {grpc}, HTTP on {http}");
    say!("{faint}Days pass in seconds. Every decision is a real one, asked by gRPC.{plain}");
}

pub(super) fn chapter(number: usize, title: &str) {
    say!("\n{}{number}  {title}{}", style::BOLD, style::PLAIN);
}

/// One step; `before` is the score of the one before it, under the same policy.
pub(super) fn step(played: &Played, before: Option<f64>) {
    let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
    let answer = &played.answer;
    say!("\n   {}", played.step.says);
    for report in &played.step.reports {
        say!("   {faint}+ {}{plain}", reported(report));
    }
    let colour = style::of(answer.decision);
    say!(
        "   {colour}{:<9}{}{plain} {bold}{:>5}{plain} {:<12} {faint}confidence {:.2}  {}{plain}",
        answer.decision,
        bar(answer),
        score(answer, answer.shown_score),
        answer.level,
        answer.confidence,
        before.map(|before| moved(answer, before)).unwrap_or_default(),
    );
    for reason in answer.reason_admin.iter().take(REASONS) {
        say!("             {reason}");
    }
    let obliged = obliged(answer);
    if !obliged.is_empty() {
        say!("             {faint}so: {}{plain}", obliged.join(", "));
    }
    if !played.as_told() {
        let (decision, level) = played.step.expects;
        say!("   {}expected {decision}, level {level}{plain}", style::BAD);
    }
}

fn reported(report: &Report) -> String {
    let signals = report.signals.iter();
    let signals: Vec<String> =
        signals.map(|(name, value)| format!("{name}={}", style::value(value))).collect();
    let text = format!("{} {}: {}", report.kind, report.id, signals.join(" "));
    if text.chars().count() <= REPORTED {
        return text;
    }
    text.chars().take(REPORTED - 1).chain(['…']).collect()
}

fn bar(answer: &Answer) -> String {
    let (low, high) = range(&answer.policy.name);
    let share = ((answer.score - low) / (high - low)).clamp(0.0, 1.0);
    // In [0, BAR], so it fits.
    let full = (share * BAR as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

fn score(answer: &Answer, score: f64) -> String {
    let (_, high) = range(&answer.policy.name);
    if high <= 1.0 { format!("{score:.2}") } else { format!("{score:.0}") }
}

/// How far the score went, and whether that is for the better.
fn moved(answer: &Answer, before: f64) -> String {
    let by = answer.score - before;
    if by.abs() < 1e-9 {
        return String::new();
    }
    let better = (by > 0.0) != is_risk(&answer.policy.name);
    let arrow = if by > 0.0 { '▲' } else { '▼' };
    format!("{arrow} {} {}", score(answer, by.abs()), if better { "better" } else { "worse" })
}

fn obliged(answer: &Answer) -> Vec<String> {
    let obligations = &answer.obligations;
    let mut all = Vec::new();
    if let (Decision::StepUp, Some(asked)) = (answer.decision, &answer.step_up) {
        let wanted: Vec<String> = asked.acr_values.iter().chain(&asked.amr).cloned().collect();
        if !wanted.is_empty() {
            all.push(format!("authenticate by {}", wanted.join(" ")));
        }
    }
    if !answer.limits.is_empty() {
        all.push(format!("limits {}", answer.limits.join(" ")));
    }
    if obligations.review {
        all.push("review".to_owned());
    }
    if obligations.revoke_session {
        all.push("revoke the session".to_owned());
    }
    if let Some(incident) = &obligations.incident {
        all.push(format!("incident of severity {}", incident.severity));
    }
    all
}

pub(super) fn summary(steps: &[Played]) {
    let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
    let width = steps.iter().map(|step| step.step.says.chars().count()).max().unwrap_or(0);
    say!("\n{bold}Summary{plain}");
    let mut chapter = 0;
    for played in steps {
        let number =
            if played.chapter == chapter { String::new() } else { played.chapter.to_string() };
        chapter = played.chapter;
        let answer = &played.answer;
        let mark = if played.as_told() { "" } else { "not as told" };
        say!(
            "{number:>2} {:<width$}  {}{:<8}{plain} {:>5}  {faint}{:<11}{plain} {}{mark}{plain}",
            played.step.says,
            style::of(answer.decision),
            answer.decision,
            score(answer, answer.shown_score),
            answer.level,
            style::BAD,
        );
    }
    let wrong = steps.iter().filter(|step| !step.as_told()).count();
    if wrong == 0 {
        say!("{}{} decisions, all as told{plain}", style::GOOD, steps.len());
    } else {
        say!("{}{wrong} of {} decisions not as told{plain}", style::BAD, steps.len());
    }
}

pub(super) fn hints(grpc: &str, http: &str, folder: &Path) {
    let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
    let folder = folder.display();
    say!("\n{bold}The server goes on.{plain} {faint}Ctrl-C ends it. Try:{plain}");
    say!("  plimsoll signals get user noor --server {grpc}");
    say!("  plimsoll signals set user noor unique_apps=3 --server {grpc}");
    say!(
        "  echo '{{\"policy\": \"reputation\", \"request\": {{\"subject\": {{\"type\": \"user\", \"id\": \"noor\"}}, \
         \"action\": {{\"name\": \"withdraw_funds\"}}, \"resource\": {{\"type\": \"account\", \"id\": \"noor-1\"}}}}}}' \
         | plimsoll explain --request - --server {grpc}"
    );
    say!("  curl http://{http}/status");
    say!("  grpcurl -plaintext {grpc} list");
    say!("  plimsoll bench --address {grpc} --policy session");
    say!("{faint}The policies are in {folder}: an edit takes effect within a second.{plain}");
}
