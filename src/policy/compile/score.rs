//! `score`: range, factors, dimensions and adjustments.

use std::sync::Arc;

use super::curve;
use super::expression::{Expressions, Stage};
use crate::engine::{Dimension, Expr, Factor, Missing, OnUnknown, Range, Reason};
use crate::model::{Combine, Direction};
use crate::policy::diagnostic::quoted;
use crate::policy::source::{Entry, Fields, Names, Node};

/// A compiled `score`.
pub(super) struct Score {
    pub(super) range: Range,
    pub(super) direction: Direction,
    pub(super) precision: f64,
    pub(super) prior: f64,
    pub(super) combine: Combine,
    pub(super) dimensions: Vec<Dimension>,
    pub(super) factors: Vec<Factor>,
    /// Whether a factor is left out where it is missing, and where it says so.
    pub(super) skips: bool,
    /// Whether a factor has a value whatever is known.
    is_always_known: bool,
}

/// What the head of a `score` says, which factors and levels are read by.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) range: Range,
    pub(super) direction: Direction,
    precision: f64,
    prior: Option<f64>,
    combine: Combine,
    missing: Option<Missing>,
    missing_node: Option<Node<'a>>,
    factors: Option<Node<'a>>,
    dimensions: Option<Node<'a>>,
    pub(super) adjustments: Option<Node<'a>>,
    pub(super) expected: Option<Node<'a>>,
    node: Node<'a>,
}

impl<'a> Expressions<'_, 'a> {
    /// Reads everything of a `score` but its factors and adjustments.
    pub(super) fn score_head(&mut self, node: Node<'a>) -> Option<Head<'a>> {
        let diagnostics = &mut *self.diagnostics;
        let fields = node.mapping(
            diagnostics,
            &[
                "range",
                "direction",
                "precision",
                "missing",
                "prior",
                "combine",
                "factors",
                "dimensions",
                "adjustments",
                "expected",
            ],
        )?;
        let range = match fields.get("range") {
            None => Some(Range { min: 0.0, max: 100.0 }),
            Some(node) => read_range(node, diagnostics),
        };
        let directions = [("trust", Direction::Trust), ("risk", Direction::Risk)];
        let direction = fields
            .required("direction", diagnostics)
            .and_then(|node| node.one_of(diagnostics, &directions));
        let (range, direction) = (range?, direction?);
        let precision = match fields.get("precision") {
            None => Some((range.width() / 100.0).min(1.0)),
            Some(node) => match node.number(diagnostics) {
                Some(step) if step > 0.0 && step <= range.width() => Some(step),
                Some(_) => {
                    diagnostics.error(node, "`precision` is above 0 and at most the whole range");
                    None
                }
                None => None,
            },
        };
        let prior = match fields.get("prior") {
            None => None,
            Some(node) => {
                let prior = node.number(diagnostics)?;
                if !(range.min..=range.max).contains(&prior) {
                    diagnostics.error(node, "`prior` is not in the range of the score");
                    return None;
                }
                Some(prior)
            }
        };
        let combine = match fields.get("combine") {
            None => Combine::WeightedSum,
            Some(node) => node.one_of(diagnostics, &Combine::ALL)?,
        };
        let missing = fields.get("missing").and_then(|n| self.missing(n, direction));
        if fields.get("factors").is_some() == fields.get("dimensions").is_some() {
            self.diagnostics
                .error(node, "a score has either `factors` or `dimensions`")
                .help("dimensions are groups of factors, each with a sub-score");
            return None;
        }
        Some(Head {
            range,
            direction,
            precision: precision?,
            prior,
            combine,
            missing,
            missing_node: fields.get("missing"),
            factors: fields.get("factors"),
            dimensions: fields.get("dimensions"),
            adjustments: fields.get("adjustments"),
            expected: fields.get("expected"),
            node,
        })
    }

    /// Reads and compiles the factors.
    pub(super) fn score(&mut self, head: Head<'a>) -> Score {
        let mut score = Score {
            range: head.range,
            direction: head.direction,
            precision: head.precision,
            prior: head.prior.unwrap_or(head.range.at(head.direction.worst())),
            combine: head.combine,
            dimensions: Vec::new(),
            factors: Vec::new(),
            skips: false,
            is_always_known: false,
        };
        if let Some(node) = head.factors {
            self.factors(node, head, head.combine, &mut score);
            score.combine = Combine::WeightedSum;
            let last = score.factors.len();
            score.dimensions.push(Dimension {
                name: "".into(),
                weight: 1.0,
                combine: head.combine,
                first: 0,
                last,
            });
        }
        if let Some(node) = head.dimensions {
            for entry in node.entries(self.diagnostics).unwrap_or_default() {
                self.dimension(&entry, head, &mut score);
            }
        }
        if score.factors.is_empty() {
            self.diagnostics.error(head.node, "a score needs at least one factor");
        }
        share_weights(&mut score);
        self.warn_of_the_prior(head, &score);
        score
    }

    /// What stands in for each value should not say the contrary of what stands in for all
    /// of them.
    fn warn_of_the_prior(&mut self, head: Head<'a>, score: &Score) {
        let worst = head.direction.worst();
        let milder = score.factors.iter().filter_map(|factor| match factor.missing {
            Missing::As(c) if c != worst => Some(c),
            _ => None,
        });
        let milder: Vec<f64> = milder.collect();
        let Some(c) = milder.first().filter(|_| milder.len() == score.factors.len()) else {
            return;
        };
        let is_said = head.prior.is_some() || head.missing == Some(Missing::As(worst));
        if is_said || score.is_always_known {
            return;
        }
        let (worst, other) = (head.range.at(worst), head.range.at(*c));
        let message = format!(
            "where nothing at all is known the score is {worst}, the untrusting end, whatever `missing` says"
        );
        self.diagnostics
            .warning(head.missing_node.unwrap_or(head.node), message)
            .help(format!("add `prior: {other}`, which `missing` means for all factors, or `prior: {worst}` where it is meant so"));
    }

    fn dimension(&mut self, entry: &Entry<'a>, head: Head<'a>, score: &mut Score) {
        let Some(name) = entry.name(self.diagnostics, Names::Plain) else { return };
        let Some(fields) =
            entry.node.mapping(self.diagnostics, &["weight", "combine", "factors", "description"])
        else {
            return;
        };
        fields.check_texts(&["description"], self.diagnostics);
        let combine = match fields.get("combine") {
            None => Combine::WeightedSum,
            Some(node) => {
                node.one_of(self.diagnostics, &Combine::ALL).unwrap_or(Combine::WeightedSum)
            }
        };
        let weight = self.weight(&fields, head.combine);
        let first = score.factors.len();
        if let Some(node) = fields.required("factors", self.diagnostics) {
            self.factors(node, head, combine, score);
            if node.is_mapping() && score.factors.len() == first {
                self.diagnostics
                    .error(node, format!("the dimension {} has no factor", quoted(name)))
                    .help("its weight would be lost: give it a factor, or take it out");
            }
        }
        self.names.dimensions.push(name.into());
        let last = score.factors.len();
        score.dimensions.push(Dimension { name: name.into(), weight, combine, first, last });
    }

    fn factors(&mut self, node: Node<'a>, head: Head<'a>, combine: Combine, score: &mut Score) {
        let first = score.factors.len();
        for entry in node.entries(self.diagnostics).unwrap_or_default() {
            let Some(name) = entry.name(self.diagnostics, Names::Plain) else { continue };
            if self.names.factors.iter().any(|n| **n == *name) {
                self.diagnostics
                    .error(entry.key_place(), format!("factor {} stands twice", quoted(name)));
            }
            self.names.factors.push(name.into());
            match self.factor(&entry, head, combine, score) {
                Some(factor) => score.factors.push(factor),
                // Keeps numbering right, so that later errors are no consequences of this one.
                None => score.factors.push(broken(name)),
            }
        }
        let weight: f64 = score.factors.iter().skip(first).map(|f| f.weight).sum();
        if score.factors.len() > first && weight <= 0.0 {
            self.diagnostics.error(node, "the total weight is zero");
        }
    }

    fn factor(
        &mut self,
        entry: &Entry<'a>,
        head: Head<'a>,
        combine: Combine,
        score: &mut Score,
    ) -> Option<Factor> {
        let allowed = ["value", "curve", "weight", "missing", "reason", "description"];
        let fields = entry.node.mapping(self.diagnostics, &allowed)?;
        fields.check_texts(&["description"], self.diagnostics);
        let weight = self.weight(&fields, combine);
        let missing_node = fields.get("missing");
        let declared = missing_node.and_then(|node| self.missing(node, head.direction));
        let reason = self.reason_with_remedy(fields.get("reason"));
        let value_node = fields.required("value", self.diagnostics)?;
        let typed = self.read(value_node, Stage::Value)?;
        let input = curve::Input { ty: typed.ty, choices: typed.choices.clone() };
        let curve = curve::read(fields.get("curve"), value_node, &input, self.diagnostics)?;
        let missing = match (declared.or(head.missing), typed.can_be_missing) {
            (Some(missing), _) => missing,
            (None, false) => Missing::As(head.direction.worst()),
            (None, true) => {
                if missing_node.is_none() {
                    self.diagnostics
                        .error(
                            value_node,
                            "the value can be missing, and nothing says what then",
                        )
                        .help("add `missing: worst`, `missing: skip` or a number in [0, 1], here or at `score`");
                }
                return None;
            }
        };
        score.skips |= missing == Missing::Skip && typed.can_be_missing;
        score.is_always_known |= !typed.can_be_missing;
        Some(Factor {
            name: entry.key.into(),
            value: typed.expr,
            curve,
            weight,
            share: 0.0,
            missing,
            reason,
        })
    }

    fn missing(&mut self, node: Node<'a>, direction: Direction) -> Option<Missing> {
        if node.is_number() {
            return curve::read_share(node, self.diagnostics).map(Missing::As);
        }
        let words = [("worst", Missing::As(direction.worst())), ("skip", Missing::Skip)];
        node.one_of(self.diagnostics, &words)
    }

    fn weight(&mut self, fields: &Fields<'a>, combine: Combine) -> f64 {
        let Some(node) = fields.get("weight") else { return 1.0 };
        if !combine.takes_weights() {
            self.diagnostics
                .error(node, "a weight has no meaning here")
                .help("`max`, `min` and `ranked` take none");
            return 1.0;
        }
        match node.number(self.diagnostics) {
            Some(weight) if weight < 0.0 => {
                self.diagnostics.error(node, "a weight is not negative");
                1.0
            }
            Some(weight) if combine == Combine::NoisyOr && weight > 1.0 => {
                self.diagnostics.error(node, "a weight of `noisy_or` is in [0, 1]");
                1.0
            }
            Some(weight) => weight,
            None => 1.0,
        }
    }

    /// `unknown: match | skip`
    pub(super) fn on_unknown(&mut self, node: Option<Node<'a>>) -> Option<OnUnknown> {
        let words = [("match", OnUnknown::Match), ("skip", OnUnknown::Skip)];
        node?.one_of(self.diagnostics, &words)
    }
}

fn read_range(
    node: Node<'_>,
    diagnostics: &mut crate::policy::diagnostic::Diagnostics,
) -> Option<Range> {
    let items = node.items(diagnostics)?;
    let [min, max] = items.as_slice() else {
        diagnostics.error(node, "a range is a pair: `[0, 100]`");
        return None;
    };
    let (min, max) = (min.number(diagnostics)?, max.number(diagnostics)?);
    if min >= max || !(max - min).is_finite() || max.abs().max(min.abs()) > 1e12 {
        diagnostics.error(node, "a range rises, within 1e12");
        return None;
    }
    Some(Range { min, max })
}

/// A factor's share of the declared weight: its dimension's share times its own.
fn share_weights(score: &mut Score) {
    let total: f64 = score.dimensions.iter().map(|d| d.weight).sum();
    for dimension in &score.dimensions {
        let members = score.factors.get_mut(dimension.first..dimension.last).unwrap_or_default();
        let weight: f64 = members.iter().map(|f| f.weight).sum();
        for factor in members {
            factor.share = (dimension.weight / total) * (factor.weight / weight);
        }
    }
}

/// Stands in for a factor with errors while the rest is checked; never published.
fn broken(name: &str) -> Factor {
    Factor {
        name: Arc::from(name),
        value: Expr::Bool(false),
        curve: crate::engine::Curve::Identity,
        weight: 1.0,
        share: 0.0,
        missing: Missing::As(0.0),
        reason: Reason::default(),
    }
}
