//! A decision as a waterfall: from the range's minimum, factor by factor, to the
//! score; then what the rules made of it.

mod rules;

use std::fmt::Write as _;

use anstyle::Style;

use super::shape::{ANNOUNCED, Group, Shape};
use crate::api::answer::{Answer, AnswerFactor, basis_name};
use crate::cli::style;
use crate::engine::{Basis, Matched};
use crate::model::{Decision, Direction};

/// Columns of the axis.
const AXIS: usize = 32;
/// Longer names are not cut, they only stand out of line.
const MAX_NAME: usize = 30;

/// Draws it, with colours: for a stream that takes them out where they don't belong.
pub(super) fn draw(answer: &Answer, shape: &Shape) -> String {
    let mut out = String::new();
    let mut waterfall = Waterfall::new(answer, shape);
    // Writing to a String can't fail.
    let _ = waterfall.draw(answer, &mut out);
    let _ = rules::draw(answer, shape, &mut out);
    out
}

/// Writes one line after another, and knows how high the water stands.
struct Waterfall<'a> {
    shape: &'a Shape,
    /// Columns that names take.
    names: usize,
    /// Columns that numbers take.
    numbers: usize,
    decimals: usize,
    at: f64,
}

impl<'a> Waterfall<'a> {
    fn new(answer: &Answer, shape: &'a Shape) -> Self {
        let indent = |group: &Group| if group.name.is_empty() { 0 } else { 2 };
        let factors = shape.groups.iter().flat_map(|group| {
            let members = answer.factors.get(group.factors.clone()).unwrap_or_default();
            members.iter().map(|factor| factor.name.len() + indent(group))
        });
        let adjustments = answer.adjustments.iter().map(|a| a.name.len());
        let names = factors.chain(adjustments).max().unwrap_or(0).clamp(10, MAX_NAME);
        let (low, high) = shape.axis;
        let decimals = if high - low <= 10.0 { 3 } else { 1 };
        let width = |x: f64| format!("{x:+.decimals$}").len();
        let numbers = width(low).max(width(high)).max(5);
        Waterfall { shape, names, numbers, decimals, at: shape.from }
    }

    fn draw(&mut self, answer: &Answer, out: &mut String) -> std::fmt::Result {
        self.head(answer, out)?;
        for group in &self.shape.groups {
            self.group(group, answer, out)?;
        }
        if self.shape.prior != 0.0 {
            self.step("prior", self.shape.prior, "nothing is known", out)?;
        }
        if !answer.adjustments.is_empty() {
            if self.shape.groups.iter().any(|group| !group.name.is_empty()) {
                writeln!(out, "adjustments")?;
            }
            for adjustment in &answer.adjustments {
                self.step(&adjustment.name, adjustment.contribution, "adjustment", out)?;
            }
        }
        self.foot(answer, out)
    }

    fn head(&self, answer: &Answer, out: &mut String) -> std::fmt::Result {
        let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
        let (low, high) = self.shape.axis;
        write!(out, "{bold}{}{plain}", answer.policy.name)?;
        if let Some(direction) = self.shape.direction {
            let worse = if direction == Direction::Risk { "worse" } else { "better" };
            write!(out, "  {} from {low} to {high}, higher is {worse}", direction.name())?;
        }
        writeln!(out, "  {faint}revision {}{plain}", answer.policy.revision)?;
        let blank = self.names + 1 + self.numbers + 2;
        let shown = |x: f64| match x {
            x if x.fract() == 0.0 => format!("{x}"),
            x => format!("{x:.*}", self.decimals),
        };
        let (low, high) = (shown(low), shown(high));
        let rest = AXIS.saturating_sub(low.len() + high.len());
        writeln!(out, "{:blank$}{faint}{low}{:rest$}{high}   value  basis{plain}", "", "")
    }

    fn group(&mut self, group: &Group, answer: &Answer, out: &mut String) -> std::fmt::Result {
        let members = answer.factors.get(group.factors.clone()).unwrap_or_default();
        if !group.name.is_empty() {
            let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
            let score = match group.score {
                Some(score) => format!("{score:.*}", self.decimals),
                None if group.name == ANNOUNCED => String::new(),
                None => "not known".to_owned(),
            };
            writeln!(out, "{bold}{}{plain} {faint}{score}{plain}", group.name)?;
        }
        let indent = if group.name.is_empty() { "" } else { "  " };
        for factor in members {
            self.factor(factor, indent, out)?;
        }
        Ok(())
    }

    fn factor(
        &mut self,
        factor: &AnswerFactor,
        indent: &str,
        out: &mut String,
    ) -> std::fmt::Result {
        let name = format!("{indent}{}", factor.name);
        let value = factor.value.map_or_else(|| "    –".to_owned(), |c| format!("{c:5.2}"));
        let mut note = format!("{value}  {}", basis_name(factor.basis));
        if factor.basis == Basis::Live && factor.freshness < 1.0 {
            // Writing to a String can't fail.
            let _ = write!(note, ", {:.0} % fresh", factor.freshness * 100.0);
        }
        if factor.basis == Basis::Skipped {
            let (faint, plain) = (style::FAINT, style::PLAIN);
            let blank = self.numbers + 2 + AXIS + 3;
            return writeln!(out, "{faint}{name:<0$} {1:blank$}{note}{plain}", self.names, "");
        }
        self.step(&name, factor.contribution, &note, out)
    }

    /// One step of the water, with its bar between where it was and where it is.
    fn step(&mut self, name: &str, by: f64, note: &str, out: &mut String) -> std::fmt::Result {
        let (from, to) = (self.at, self.at + by);
        self.at = to;
        let (low, high) = (self.column(from.min(to)), self.column(from.max(to)));
        let bar = match high.saturating_sub(low) {
            _ if by == 0.0 => String::new(),
            0 => "▏".to_owned(),
            columns => "█".repeat(columns),
        };
        // What is less than a column still has one, and must not leave the axis.
        let before = low.min(AXIS - 1);
        let after = AXIS.saturating_sub(before + bar.chars().count());
        let (colour, plain) = (self.colour(by), style::PLAIN);
        let number = format!("{by:+.*}", self.decimals);
        writeln!(
            out,
            "{name:<0$} {number:>1$}  {2:before$}{colour}{bar}{plain}{2:after$}   {3}{note}{plain}",
            self.names,
            self.numbers,
            "",
            style::FAINT,
        )
    }

    fn foot(&self, answer: &Answer, out: &mut String) -> std::fmt::Result {
        let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
        let columns = self.column(answer.score);
        let number = format!("{:.*}", self.decimals, answer.score);
        let label = match self.shape.label.as_str() {
            "" => String::new(),
            label => format!(" ({label})"),
        };
        let (names, numbers, rest) = (self.names, self.numbers, AXIS - columns);
        let bar = format!("{}{}{plain}", style::of(answer.decision), "▒".repeat(columns));
        writeln!(
            out,
            "{bold}{:<names$} {number:>numbers$}{plain}  {bar}{:rest$}   {bold}{}{plain}{label}, confidence {:.2}",
            "score", "", answer.level, answer.confidence,
        )?;
        let idle: Vec<String> = self
            .shape
            .idle
            .iter()
            .map(|(name, matched)| match matched {
                Matched::UnknownSkipped => format!("{name} (not known)"),
                _ => name.clone(),
            })
            .collect();
        if !idle.is_empty() {
            writeln!(out, "{faint}adjustments that did not apply: {}{plain}", idle.join(", "))?;
        }
        Ok(())
    }

    fn column(&self, score: f64) -> usize {
        let (low, high) = self.shape.axis;
        let share = if high > low { ((score - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        // In [0, AXIS], so it fits.
        (share * AXIS as f64).round() as usize
    }

    /// Green for what gains trust, red for what costs it.
    fn colour(&self, by: f64) -> Style {
        match (self.shape.direction, by > 0.0) {
            (None, _) => style::BOLD,
            (Some(Direction::Trust), true) | (Some(Direction::Risk), false) => {
                style::of(Decision::Allow)
            }
            (Some(_), _) => style::of(Decision::Deny),
        }
    }
}
