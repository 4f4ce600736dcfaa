//! Colours and words for people. Streams take colours out where they can't be shown.

use anstyle::{AnsiColor, Reset, Style};

use serde_json::Value as Json;

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
        s if s < 7200.0 && s % 3600.0 != 0.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// A value as `plimsoll signals set` takes it. Numbers that are whole are shown so.
pub(super) fn value(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(x) => x.as_f64().map_or_else(|| x.to_string(), |x| x.to_string()),
        other => other.to_string(),
    }
}

/// Prints to standard output. A reader that has seen enough and went is no error.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(why),
        _ => Ok(()),
    }
}
