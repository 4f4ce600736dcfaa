//! One TrustPolicy document, compiled.

use std::sync::Arc;

use super::expression::Expressions;
use super::never::Bounds;
use crate::engine::{Appetite, Level, Policy, PolicyId, Range, SessionSlots, Threshold, Tune};
use crate::model::{Decision, SignalType, SlotId, Source};
use crate::policy::diagnostic::{Diagnostics, Place, quoted};
use crate::policy::source::{Document, Fields, Names, Node};

/// The head of a policy: what others refer to it by.
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) place: Place,
    pub(super) shadow_of: Option<(&'a str, Place)>,
    pub(super) node: Node<'a>,
    fields: Fields<'a>,
}

/// A policy and the places that whole-set checks point at.
pub(super) struct CompiledPolicy {
    pub(super) policy: Policy,
    pub(super) composes: Vec<(PolicyId, Place)>,
    pub(super) results: Vec<(PolicyId, crate::model::PolicyField, SlotId)>,
}

/// Reads name and kin; all policies' heads are read before any is compiled.
pub(super) fn head<'a>(document: &'a Document, diagnostics: &mut Diagnostics) -> Option<Head<'a>> {
    let allowed = [
        "metadata",
        "score",
        "levels",
        "thresholds",
        "rules",
        "default",
        "min_confidence",
        "shadow_of",
        "on_level",
    ];
    let fields = document.fields(diagnostics, &allowed)?;
    let metadata = fields.required("metadata", diagnostics)?;
    let metadata = metadata.mapping(diagnostics, &["name", "description"])?;
    let description =
        metadata.get("description").and_then(|node| node.string(diagnostics)).unwrap_or_default();
    let name_node = metadata.required("name", diagnostics)?;
    let name = name_node.name(diagnostics, Names::Dashed)?;
    let shadow_of = fields
        .get("shadow_of")
        .and_then(|node| Some((node.name(diagnostics, Names::Dashed)?, node.place())));
    let place = name_node.place();
    Some(Head { name, description, place, shadow_of, node: document.root(), fields })
}

impl Head<'_> {
    /// The names that `level` can have; what is wrong with them is told elsewhere.
    pub(super) fn level_names(&self) -> Arc<[Arc<str>]> {
        let entries = self.fields.get("levels").and_then(|n| n.entries(&mut Diagnostics::new()));
        entries.unwrap_or_default().iter().map(|entry| Arc::from(entry.key)).collect()
    }
}

impl<'a> Expressions<'_, 'a> {
    /// Compiles the policy. Where something is wrong, the diagnostics say so.
    pub(super) fn policy(&mut self, head: &Head<'a>) -> Option<CompiledPolicy> {
        let fields = &head.fields;
        let score_node = fields.required("score", self.diagnostics);
        let score_head = score_node.and_then(|node| self.score_head(node));
        let levels_node = fields.required("levels", self.diagnostics);
        let range = score_head.map(|h| h.range);
        let levels = levels_node.map(|node| self.levels(node, range)).unwrap_or_default();
        self.names.levels = levels.iter().map(|l| l.name.clone()).collect();
        let thresholds =
            fields.get("thresholds").map(|node| self.thresholds(node, range)).unwrap_or_default();
        self.names.thresholds = thresholds.iter().map(|t| t.name.clone()).collect();
        let score_head = score_head?;
        let score = self.score(score_head);
        let expected = self.softenings(score_head, &score.factors);
        let adjustments = self.adjustments(score_head, &levels);
        let bounds = Bounds { range: score.range, direction: score.direction };
        let rules = fields
            .get("rules")
            .map(|node| self.rules(node, &levels, &thresholds, bounds))
            .unwrap_or_default();
        let default = self.default_decision(fields.get("default"));
        let min_confidence = self.min_confidence(fields.get("min_confidence"));
        if score.skips && fields.get("min_confidence").is_none() {
            self.diagnostics
                .error(head.place.clone(), "`missing: skip` needs `min_confidence`")
                .help("a factor that is left out would otherwise earn trust by silence");
        }
        let on_level = self.on_level(fields.get("on_level"), &levels);
        let steps_up = rules
            .iter()
            .filter_map(|r| r.chosen.as_ref())
            .chain([&default])
            .chain(min_confidence.as_ref().map(|m| &m.chosen))
            .any(|chosen| chosen.decision == Decision::StepUp);
        let session = if steps_up { self.session_slots() } else { SessionSlots::default() };
        let policy = Policy {
            name: head.name.into(),
            description: head.description.into(),
            shadow_of: None,
            range: score.range,
            direction: score.direction,
            precision: score.precision,
            prior: score.prior,
            combine: score.combine,
            dimensions: score.dimensions,
            factors: score.factors,
            expected,
            adjustments,
            levels,
            thresholds,
            rules,
            default,
            min_confidence,
            on_level,
            reads: self.reads.iter().copied().collect(),
            before: Vec::new(),
            after: Vec::new(),
            shadows: Vec::new(),
            results: Vec::new(),
            session,
        };
        let composes = self.composes.iter().map(|(id, place)| (*id, place.clone())).collect();
        let results = self.results.iter().copied().collect();
        Some(CompiledPolicy { policy, composes, results })
    }

    /// Levels are the partition of the range by `from`.
    fn levels(&mut self, node: Node<'a>, range: Option<Range>) -> Vec<Level> {
        let mut levels: Vec<(Level, Place)> = Vec::new();
        for entry in node.entries(self.diagnostics).unwrap_or_default() {
            let name = entry.name(self.diagnostics, Names::Plain);
            let allowed = ["from", "label", "badge", "description"];
            let Some(fields) = entry.node.mapping(self.diagnostics, &allowed) else { continue };
            let mut text = |key: &str| -> Arc<str> {
                let text = fields.get(key).and_then(|n| n.string(self.diagnostics));
                text.unwrap_or_default().into()
            };
            let (label, badge, description) = (text("label"), text("badge"), text("description"));
            let from_node = fields.required("from", self.diagnostics);
            let from = from_node.and_then(|node| node.number(self.diagnostics));
            let (Some(name), Some(from), Some(node)) = (name, from, from_node) else { continue };
            if range.is_some_and(|r| !(r.min..=r.max).contains(&from)) {
                self.diagnostics.error(node, format!("`{from}` is not in the range of the score"));
            }
            if let Some((first, place)) = levels.iter().find(|(l, _)| l.from == from) {
                let message = format!("level `{name}` begins where `{}` does", first.name);
                let place = place.clone();
                self.diagnostics.error(node, message).also(&place, "begins here too");
                continue;
            }
            levels
                .push((Level { name: name.into(), from, label, badge, description }, node.place()));
        }
        levels.sort_by(|(a, _), (b, _)| a.from.total_cmp(&b.from));
        match (levels.first(), range) {
            (None, _) => {
                self.diagnostics.error(node, "a policy needs at least one level");
            }
            (Some((lowest, place)), Some(range)) if lowest.from > range.min => {
                let message = format!(
                    "there is a gap: no level for scores from {} to {}",
                    range.min, lowest.from
                );
                let place = place.clone();
                self.diagnostics
                    .error(place, message)
                    .help(format!("let the lowest level begin at {}", range.min));
            }
            _ => {}
        }
        levels.into_iter().map(|(level, _)| level).collect()
    }

    fn thresholds(&mut self, node: Node<'a>, range: Option<Range>) -> Vec<Threshold> {
        let mut thresholds = Vec::new();
        for entry in node.entries(self.diagnostics).unwrap_or_default() {
            let Some(name) = entry.name(self.diagnostics, Names::Plain) else { continue };
            if entry.node.is_number() {
                if let Some(value) = entry.node.number(self.diagnostics) {
                    thresholds.push(Threshold {
                        name: name.into(),
                        value,
                        tune: None,
                        appetites: Vec::new(),
                    });
                }
                continue;
            }
            let allowed = ["value", "tune", "appetites", "description"];
            let Some(fields) = entry.node.mapping(self.diagnostics, &allowed) else { continue };
            fields.check_texts(&["description"], self.diagnostics);
            let value_node = fields.required("value", self.diagnostics);
            let value = value_node.and_then(|node| node.number(self.diagnostics));
            let tune = fields.get("tune").and_then(|node| self.tune(node, value));
            let mut appetites = Vec::new();
            if let Some(node) = fields.get("appetites") {
                for entry in node.entries(self.diagnostics).unwrap_or_default() {
                    let Some(value) = entry.node.number(self.diagnostics) else { continue };
                    let within = tune.is_none_or(|t: Tune| (t.from..=t.to).contains(&value));
                    if !within || range.is_some_and(|r| !(r.min..=r.max).contains(&value)) {
                        self.diagnostics.error(
                            entry.node,
                            format!("`{value}` is not a value that it may have"),
                        );
                    }
                    appetites.push(Appetite { name: entry.key.into(), value });
                }
            }
            if let Some(value) = value {
                thresholds.push(Threshold { name: name.into(), value, tune, appetites });
            }
        }
        thresholds
    }

    fn tune(&mut self, node: Node<'a>, value: Option<f64>) -> Option<Tune> {
        let fields = node.mapping(self.diagnostics, &["within"])?;
        let within = fields.required("within", self.diagnostics)?;
        let items = within.items(self.diagnostics)?;
        let [from, to] = items.as_slice() else {
            self.diagnostics.error(within, "`within` is a pair: `[0.7, 0.9]`");
            return None;
        };
        let (from, to) = (from.number(self.diagnostics)?, to.number(self.diagnostics)?);
        if from > to || value.is_some_and(|v| !(from..=to).contains(&v)) {
            self.diagnostics.error(within, "`within` rises and holds the threshold's own value");
            return None;
        }
        Some(Tune { from, to })
    }

    /// Where the verified session says how it was authenticated, if the catalog
    /// declares it.
    fn session_slots(&mut self) -> SessionSlots {
        let mut slot = |name: &str, wanted: &[SignalType]| {
            let kind = self.catalogs.entity("session")?.kind;
            let signal = self.catalogs.signal(kind, name)?;
            if !wanted.contains(&signal.ty) {
                return None;
            }
            let (id, freshness, ty) = (signal.id, signal.freshness, signal.ty.value_type());
            let source = Source::Signal { kind, signal: id, freshness };
            let slot = self.slots.intern(&format!("session.{name}"), source, ty, true);
            self.slot(slot);
            Some(slot)
        };
        SessionSlots {
            acr: slot("acr", &[SignalType::Text, SignalType::Enum]),
            amr: slot("amr", &[SignalType::Set]),
            authenticated_at: slot("authenticated_at", &[SignalType::Timestamp]),
        }
    }

    /// Resolves `shadow_of`.
    pub(super) fn shadowed(&mut self, head: &Head<'a>, me: PolicyId) -> Option<PolicyId> {
        let (name, place) = head.shadow_of.as_ref()?;
        let Some(of) = self.policies.get(name).map(|known| known.id) else {
            let names: Vec<&str> = self.policies.keys().copied().collect();
            self.diagnostics
                .error(place, format!("unknown policy {}", quoted(name)))
                .did_you_mean(name, names);
            return None;
        };
        if of == me {
            self.diagnostics.error(place, "a policy can't be a shadow of itself");
            return None;
        }
        Some(of)
    }
}
