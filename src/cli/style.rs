//! Colours and words for people. Streams take colours out where they can't be shown.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

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

/// What could not be said, for the first time.
static UNSAID: OnceLock<io::Error> = OnceLock::new();

/// Says a line on standard output. A reader that has seen enough and went is no
/// error; any other is told in the end.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::style::line(format_args!($($words)*)) };
}
pub(super) use say;

pub(super) fn line(text: fmt::Arguments<'_>) {
    note(writeln!(anstream::stdout().lock(), "{text}"));
}

/// Prints to standard output, as [`say`] does.
pub(super) fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    note(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Says a line on standard error. Where nobody hears that, nobody can be told.
pub(super) fn complain(text: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Whether whoever read our output has gone.
pub(super) fn is_unheard() -> bool {
    UNSAID.get().is_some_and(|why| why.kind() == io::ErrorKind::BrokenPipe)
}

/// # Errors
/// Where output was lost that somebody waits for.
pub(super) fn all_was_said() -> anyhow::Result<()> {
    match UNSAID.get() {
        Some(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            anyhow::bail!("standard output can't be written: {why}")
        }
        _ => Ok(()),
    }
}

fn note(said: io::Result<()>) {
    if let Err(why) = said {
        // Only the first one tells what happened.
        let _ = UNSAID.set(why);
    }
}
