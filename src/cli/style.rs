//! Colours and words for people. Streams take colours out where they can't be shown.

use anstyle::{AnsiColor, Reset, Style};

use crate::model::{Decision, Seconds};

pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const NONE: Style = Style::new();
pub(super) const PLAIN: Reset = Reset;

/// The colour of a decision.
pub(super) fn of(decision: Decision) -> Style {
    let colour = match decision {
        Decision::Allow => AnsiColor::Green,
        Decision::Restrict => AnsiColor::Cyan,
        Decision::StepUp => AnsiColor::Yellow,
        Decision::Deny => AnsiColor::Red,
    };
    colour.on_default().bold()
}

/// A span in its largest fitting unit: `90 s`, `12 min`, `3 h`, `20 days`.
pub(super) fn span(seconds: Seconds) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
