//! What a replay came to, in words.

use serde::Serialize;

use crate::cli::style;
use crate::replay::{Delay, Measured, Odd, Order};

/// So many bad lines are told one by one.
const MOST_TOLD: u64 = 10;

/// What came of the lines.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) decisions: u64,
    refused: u64,
    #[serde(flatten)]
    pub(super) order: Order,
}

impl Tally {
    pub(super) fn refuse(&mut self, line: u64, why: &impl std::fmt::Display) {
        self.refused += 1;
        if self.refused <= MOST_TOLD {
            style::complain(format_args!("line {line}: {why}"));
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.refused == 0
    }

    pub(super) fn text(&self, seconds: f64) -> String {
        let Tally { events, decisions, refused, order: Order { late, ahead, .. } } = self;
        let rate = *events as f64 / seconds.max(1e-9);
        let mut text = format!(
            "{events} events, {decisions} decisions, {refused} refused lines, in {seconds:.1} s: {rate:.0} events/s\n"
        );
        text.push_str(&odd(ahead, "more than 30 days ahead of all before", "ahead"));
        text.push_str(&odd(late, "earlier than one before, and happen when that did", "behind"));
        text
    }
}

fn odd(odd: &Odd, what: &str, off: &str) -> String {
    let Some(first) = odd.first else { return String::new() };
    let lines = if odd.lines == 1 { "line is" } else { "lines are" };
    format!(
        "{} {lines} {what}: the first is line {first}, the worst {} {off}\n",
        odd.lines,
        time(odd.most_seconds)
    )
}

pub(super) fn text(measured: &Measured) -> String {
    let mut text = format!(
        "{} requests with a truth, {} of attacks\naverage precision {:.3}, ROC AUC {:.4}\n",
        measured.requests, measured.attacks, measured.average_precision, measured.roc_auc
    );
    for detection in &measured.detections {
        text.push_str(&format!(
            "{:5.1} % of attacks at risk {:.3}: {:.2} % of others asked again\n",
            detection.detected * 100.0,
            detection.risk,
            detection.reauthenticated * 100.0
        ));
    }
    text.push_str(&format!(
        "the policy's own decisions stopped {:.1} % of attack requests and {:.2} % of others\n",
        measured.stopped_attacks * 100.0,
        measured.stopped_others * 100.0
    ));
    if measured.episodes > 0 {
        let (stopped, all) = (measured.episodes_stopped, measured.episodes);
        text.push_str(&format!("{stopped} of {all} attacks stopped{}\n", delay(measured.delay)));
    }
    for (name, kind) in &measured.kinds {
        text.push_str(&format!(
            "  {name}: {} of {}{}\n    {:.1} % of its {} requests stopped, average precision {:.3}, ROC AUC {:.4}\n",
            kind.stopped,
            kind.episodes,
            delay(kind.delay),
            kind.stopped_requests * 100.0,
            kind.requests,
            kind.average_precision,
            kind.roc_auc,
        ));
    }
    text
}

fn delay(delay: Option<Delay>) -> String {
    let Some(delay) = delay else { return String::new() };
    format!(
        ", half of them by request {} and within {}, nine in ten by request {} and within {}",
        delay.requests_median,
        time(delay.seconds_median),
        delay.requests_90,
        time(delay.seconds_90)
    )
}

fn time(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}
