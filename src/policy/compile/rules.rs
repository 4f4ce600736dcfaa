//! `rules`, `default`, `min_confidence` and obligations.

use std::sync::Arc;

use super::curve;
use super::expression::{Expressions, Stage};
use super::never::{self, Bounds};
use crate::engine::{
    Chosen, Expr, Level, LevelResponse, MinConfidence, Obligations, OnUnknown, Rule, StepUp,
    Threshold,
};
use crate::model::{Decision, Incident, Severity, Type};
use crate::policy::diagnostic::quoted;
use crate::policy::source::{Fields, Names, Node};

const DECISIONS: [(&str, Decision); 4] = [
    ("allow", Decision::Allow),
    ("restrict", Decision::Restrict),
    ("step_up", Decision::StepUp),
    ("deny", Decision::Deny),
];

const SEVERITIES: [(&str, Severity); 4] = Severity::ALL;

/// Keys that belong to a decision.
pub(super) const CHOSEN: [&str; 5] = ["decision", "limits", "acr", "amr", "max_age"];

/// Keys that oblige.
pub(super) const OBLIGATIONS: [&str; 5] =
    ["review", "revoke_session", "incident", "headers", "token"];

impl<'a> Expressions<'_, 'a> {
    pub(super) fn rules(
        &mut self,
        node: Node<'a>,
        levels: &[Level],
        thresholds: &[Threshold],
        bounds: Bounds,
    ) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for item in node.items(self.diagnostics).unwrap_or_default() {
            let mut allowed =
                vec!["name", "when", "unknown", "exempt", "ignore_confidence", "mode", "reason"];
            allowed.extend(CHOSEN);
            allowed.extend(OBLIGATIONS);
            let Some(fields) = item.mapping(self.diagnostics, &allowed) else { continue };
            let name = fields
                .required("name", self.diagnostics)
                .and_then(|node| node.name(self.diagnostics, Names::Plain));
            if let Some(name) = name {
                if names.contains(&name) {
                    let place = fields.get("name").unwrap_or(item);
                    self.diagnostics.error(place, format!("rule {} stands twice", quoted(name)));
                }
                names.push(name);
            }
            if let Some(rule) = self.rule(item, &fields, name) {
                if let Some(why) = never::why_never(&rule.when, levels, thresholds, bounds) {
                    let place = fields.get("when").unwrap_or(item);
                    self.diagnostics.error(place, "the rule can never decide").label(why);
                }
                rules.push(rule);
            }
        }
        rules
    }

    fn rule(&mut self, item: Node<'a>, fields: &Fields<'a>, name: Option<&str>) -> Option<Rule> {
        let chosen = match fields.get("decision") {
            Some(_) => Some(self.chosen(item, fields)),
            None => {
                for key in CHOSEN.iter().skip(1) {
                    if let Some(node) = fields.get(key) {
                        self.diagnostics.error(node, format!("`{key}` needs a `decision`"));
                    }
                }
                None
            }
        };
        let (decides, failed) = (chosen.is_some(), matches!(chosen, Some(None)));
        // Goes on with what is wrong, so that all of the rule is checked at once.
        let chosen = chosen.flatten();
        let decision = chosen.as_ref().map(|c| c.decision);
        let exempt = self.flag(fields, "exempt");
        if exempt && !failed && decision != Some(Decision::Allow) {
            self.diagnostics.error(item, "only a rule that allows can be `exempt`");
        }
        let ignore_confidence = self.flag(fields, "ignore_confidence");
        if ignore_confidence && !decides {
            self.diagnostics.error(item, "`ignore_confidence` needs a `decision`");
        }
        let shadow = match fields.get("mode") {
            None => false,
            Some(node) => node
                .one_of(self.diagnostics, &[("enforce", false), ("shadow", true)])
                .unwrap_or(false),
        };
        let obligations = self.obligations(fields);
        if !decides && !OBLIGATIONS.iter().any(|key| fields.get(key).is_some()) {
            self.diagnostics.error(
                item,
                "the rule does nothing: it has neither a `decision` nor an obligation",
            );
        }
        let reason = self.reason(fields.get("reason"));
        let declared = self.on_unknown(fields.get("unknown"));
        let restricting = decision.is_some_and(|d| d != Decision::Allow);
        let natural = if restricting { OnUnknown::Match } else { OnUnknown::Skip };
        let when_node = fields.required("when", self.diagnostics)?;
        let when = self.condition(when_node, Stage::Decide)?;
        if when.can_be_missing && fields.get("unknown").is_none() {
            let (counts, word) = match natural {
                OnUnknown::Match => ("counts as a match", "match"),
                OnUnknown::Skip => ("counts as no match", "skip"),
            };
            self.diagnostics
                .warning(when_node, format!("the condition can be unknown, which {counts} here"))
                .help(format!("say so with `unknown: {word}`, or ask `known(...)`"));
        }
        if failed {
            return None;
        }
        Some(Rule {
            name: name?.into(),
            when: when.expr,
            unknown: declared.unwrap_or(natural),
            chosen,
            exempt,
            ignore_confidence,
            shadow,
            obligations,
            reason,
        })
    }

    fn flag(&mut self, fields: &Fields<'a>, key: &str) -> bool {
        fields.get(key).and_then(|node| node.bool(self.diagnostics)).unwrap_or(false)
    }

    /// A decision with its limits or its step-up.
    pub(super) fn chosen(&mut self, at: Node<'a>, fields: &Fields<'a>) -> Option<Chosen> {
        let decision =
            fields.required("decision", self.diagnostics)?.one_of(self.diagnostics, &DECISIONS)?;
        let limits = self.texts(fields, "limits");
        let step_up = StepUp {
            acr: self.texts(fields, "acr"),
            amr: self.texts(fields, "amr"),
            max_age: fields.get("max_age").and_then(|node| node.duration(self.diagnostics)),
        };
        if decision == Decision::Restrict && limits.is_empty() {
            self.diagnostics
                .error(at, "a `restrict` says what is restricted")
                .help("add `limits: [read_only]`, say: names that the caller enforces");
        }
        for (key, belongs) in [
            ("limits", Decision::Restrict),
            ("acr", Decision::StepUp),
            ("amr", Decision::StepUp),
            ("max_age", Decision::StepUp),
        ] {
            if let Some(node) = fields.get(key)
                && decision != belongs
            {
                self.diagnostics.error(node, format!("`{key}` belongs to a `{belongs}`"));
            }
        }
        Some(Chosen { decision, limits, step_up })
    }

    /// One string or a list of them.
    fn texts(&mut self, fields: &Fields<'a>, key: &str) -> Vec<Arc<str>> {
        let Some(node) = fields.get(key) else { return Vec::new() };
        let items = if node.is_sequence() {
            node.items(self.diagnostics).unwrap_or_default()
        } else {
            vec![node]
        };
        let mut texts = Vec::new();
        for item in items {
            let Some(text) = item.string(self.diagnostics) else { continue };
            // These words go into headers and challenges.
            if text.is_empty()
                || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
            {
                self.diagnostics
                    .error(item, format!("{} is not a word for `{key}`", quoted(text)))
                    .help("use visible ASCII characters but quotes and backslashes");
                continue;
            }
            texts.push(text.into());
        }
        texts
    }

    fn obligations(&mut self, fields: &Fields<'a>) -> Obligations {
        let mut obligations = Obligations {
            review: self.flag(fields, "review"),
            revoke_session: self.flag(fields, "revoke_session"),
            incident: fields.get("incident").and_then(|node| self.incident(node)),
            ..Obligations::default()
        };
        if let Some(node) = fields.get("headers") {
            for entry in node.entries(self.diagnostics).unwrap_or_default() {
                let name = entry.key.to_ascii_lowercase();
                if http::HeaderName::from_bytes(name.as_bytes()).is_err() || is_forbidden(&name) {
                    self.diagnostics.error(
                        entry.key_place(),
                        format!("{} is no header that a policy may set", quoted(entry.key)),
                    );
                    continue;
                }
                if let Some(expr) = self.output(entry.node) {
                    obligations.headers.push((name.into(), expr));
                }
            }
        }
        if let Some(node) = fields.get("token")
            && let Some(token) = node.mapping(self.diagnostics, &["claims"])
            && let Some(claims) = token.required("claims", self.diagnostics)
        {
            for entry in claims.entries(self.diagnostics).unwrap_or_default() {
                if let Some(expr) = self.output(entry.node) {
                    obligations.claims.push((entry.key.into(), expr));
                }
            }
        }
        obligations
    }

    /// An expression whose value goes out: a number, a string or a bool.
    fn output(&mut self, node: Node<'a>) -> Option<Expr> {
        let typed = self.read(node, Stage::Decide)?;
        if matches!(typed.ty, Type::Number | Type::Text | Type::Bool | Type::Address | Type::Any) {
            return Some(typed.expr);
        }
        let message = format!("a {} can't be sent: give a number, a string or a bool", typed.ty);
        self.diagnostics.error(node, message);
        None
    }

    fn incident(&mut self, node: Node<'a>) -> Option<Incident> {
        let fields = node.mapping(self.diagnostics, &["severity"])?;
        let severity =
            fields.required("severity", self.diagnostics)?.one_of(self.diagnostics, &SEVERITIES)?;
        Some(Incident { severity })
    }

    /// `default`; left out, it denies.
    pub(super) fn default_decision(&mut self, node: Option<Node<'a>>) -> Chosen {
        let deny =
            Chosen { decision: Decision::Deny, limits: Vec::new(), step_up: StepUp::default() };
        let Some(node) = node else { return deny };
        let Some(fields) = node.mapping(self.diagnostics, &CHOSEN) else { return deny };
        self.chosen(node, &fields).unwrap_or(deny)
    }

    pub(super) fn min_confidence(&mut self, node: Option<Node<'a>>) -> Option<MinConfidence> {
        let node = node?;
        let mut allowed = vec!["value", "reason"];
        allowed.extend(CHOSEN);
        let fields = node.mapping(self.diagnostics, &allowed)?;
        let value = fields.required("value", self.diagnostics);
        let value = value.and_then(|node| curve::read_share(node, self.diagnostics));
        let reason = self.reason(fields.get("reason"));
        let chosen = self.chosen(node, &fields)?;
        if chosen.decision == Decision::Allow {
            self.diagnostics.error(node, "too little confidence can't be a reason to allow");
        }
        Some(MinConfidence { value: value?, chosen, reason })
    }

    pub(super) fn on_level(
        &mut self,
        node: Option<Node<'a>>,
        levels: &[Level],
    ) -> Vec<LevelResponse> {
        let mut responses = Vec::new();
        let Some(node) = node else { return responses };
        for entry in node.entries(self.diagnostics).unwrap_or_default() {
            let level = levels.iter().position(|l| *l.name == *entry.key);
            if level.is_none() {
                let names: Vec<_> = levels.iter().map(|l| l.name.clone()).collect();
                self.diagnostics
                    .error(entry.key_place(), format!("unknown level {}", quoted(entry.key)))
                    .did_you_mean(entry.key, names.iter().map(|n| &**n));
            }
            let allowed = ["review", "revoke_session", "incident"];
            let Some(fields) = entry.node.mapping(self.diagnostics, &allowed) else { continue };
            let response = LevelResponse {
                level: level.unwrap_or_default(),
                review: self.flag(&fields, "review"),
                revoke_session: self.flag(&fields, "revoke_session"),
                incident: fields.get("incident").and_then(|node| self.incident(node)),
            };
            responses.push(response);
        }
        responses
    }
}

/// Headers that frame a message, or that say who the answer is from.
fn is_forbidden(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "connection"
            | "content-length"
            | "transfer-encoding"
            | "te"
            | "trailer"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
    ) || name.starts_with("x-envoy-")
}
