//! `adjustments`: corrections of the score and of sub-scores.

use super::expression::{Expressions, Stage};
use super::score::Head;
use crate::engine::{Adjust, Adjustment, Expr, Level, OnUnknown};
use crate::model::{Direction, Type};
use crate::policy::diagnostic::quoted;
use crate::policy::source::{Fields, Names, Node};

impl<'a> Expressions<'_, 'a> {
    pub(super) fn adjustments(&mut self, head: Head<'a>, levels: &[Level]) -> Vec<Adjustment> {
        let mut adjustments = Vec::new();
        let Some(node) = head.adjustments else { return adjustments };
        let mut names: Vec<&str> = Vec::new();
        for item in node.items(self.diagnostics).unwrap_or_default() {
            let allowed = [
                "name",
                "when",
                "unknown",
                "dimension",
                "no_better_than",
                "no_worse_than",
                "add",
                "set",
                "odds",
                "reason",
            ];
            let Some(fields) = item.mapping(self.diagnostics, &allowed) else { continue };
            let name = fields
                .required("name", self.diagnostics)
                .and_then(|node| node.name(self.diagnostics, Names::Plain));
            if let Some(name) = name {
                let mut taken = self.names.factors.iter().chain(&self.names.expected);
                if names.contains(&name) || taken.any(|n| **n == *name) {
                    let place = fields.get("name").unwrap_or(item);
                    self.diagnostics
                        .error(place, format!("the name {} stands twice", quoted(name)))
                        .help("factors and adjustments share their names, as reasons are called by them");
                }
                names.push(name);
            }
            let adjustment = self.adjustment(item, &fields, name, head, levels);
            adjustments.extend(adjustment);
        }
        adjustments
    }

    fn adjustment(
        &mut self,
        item: Node<'a>,
        fields: &Fields<'a>,
        name: Option<&str>,
        head: Head<'a>,
        levels: &[Level],
    ) -> Option<Adjustment> {
        let dimension = match fields.get("dimension") {
            None => None,
            Some(node) => {
                let choices: Vec<(String, usize)> = self
                    .names
                    .dimensions
                    .iter()
                    .enumerate()
                    .map(|(at, name)| (name.to_string(), at))
                    .collect();
                let choices: Vec<(&str, usize)> =
                    choices.iter().map(|(name, at)| (name.as_str(), *at)).collect();
                Some(node.one_of(self.diagnostics, &choices)?)
            }
        };
        let stage = if dimension.is_some() { Stage::SubScore } else { Stage::Decide };
        let adjust = self.adjust(item, fields, head, levels, stage);
        let unknown = self.on_unknown(fields.get("unknown"));
        let reason = self.reason(fields.get("reason"));
        let when_node = fields.required("when", self.diagnostics)?;
        let when = self.condition(when_node, stage)?;
        if when.can_be_missing && fields.get("unknown").is_none() {
            self.diagnostics
                .error(when_node, "the condition can be unknown, and nothing says what then")
                .help("add `unknown: match` or `unknown: skip`");
            return None;
        }
        Some(Adjustment {
            name: name?.into(),
            when: when.expr,
            unknown: unknown.unwrap_or(OnUnknown::Skip),
            dimension,
            adjust: adjust?,
            reason,
        })
    }

    fn adjust(
        &mut self,
        item: Node<'a>,
        fields: &Fields<'a>,
        head: Head<'a>,
        levels: &[Level],
        stage: Stage,
    ) -> Option<Adjust> {
        let kinds = ["no_better_than", "no_worse_than", "add", "set", "odds"];
        let given: Vec<&str> = kinds.into_iter().filter(|k| fields.get(k).is_some()).collect();
        let [kind] = given.as_slice() else {
            self.diagnostics
                .error(item, "an adjustment does one thing")
                .help(format!("there are `{}`", kinds.join("`, `")));
            return None;
        };
        let node = fields.get(kind)?;
        match *kind {
            "no_better_than" => self.bound(node, head, levels, true).map(Adjust::NoBetterThan),
            "no_worse_than" => self.bound(node, head, levels, false).map(Adjust::NoWorseThan),
            "set" => self.bound_number(node, head).map(Adjust::Set),
            "add" => node.number(self.diagnostics).map(Adjust::Add),
            _ if node.is_number() => match node.number(self.diagnostics)? {
                odds if odds < 0.0 => {
                    self.diagnostics.error(node, "odds are not negative");
                    None
                }
                odds => Some(Adjust::Odds(Expr::Number(odds))),
            },
            _ => {
                let typed = self.read(node, stage)?;
                if !matches!(typed.ty, Type::Number | Type::Any) {
                    let message = format!("odds are a number, and this is a {}", typed.ty);
                    self.diagnostics.error(node, message);
                    return None;
                }
                Some(Adjust::Odds(typed.expr))
            }
        }
    }

    fn bound_number(&mut self, node: Node<'a>, head: Head<'a>) -> Option<f64> {
        let value = node.number(self.diagnostics)?;
        if !(head.range.min..=head.range.max).contains(&value) {
            self.diagnostics.error(node, format!("`{value}` is not in the range of the score"));
            return None;
        }
        Some(value)
    }

    /// A bound is a score, or the name of a level: its end on the side that is meant.
    fn bound(
        &mut self,
        node: Node<'a>,
        head: Head<'a>,
        levels: &[Level],
        better: bool,
    ) -> Option<f64> {
        if node.is_number() {
            return self.bound_number(node, head);
        }
        let choices: Vec<(String, usize)> =
            levels.iter().enumerate().map(|(at, l)| (l.name.to_string(), at)).collect();
        let choices: Vec<(&str, usize)> =
            choices.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        let at = node.one_of(self.diagnostics, &choices)?;
        let top_is_meant = match head.direction {
            Direction::Trust => better,
            Direction::Risk => !better,
        };
        if top_is_meant {
            // Just below the next level: one step of the score's resolution.
            let step = head.range.width() * 1e-9;
            return Some(levels.get(at + 1).map_or(head.range.max, |next| next.from - step));
        }
        levels.get(at).map(|level| level.from)
    }
}
