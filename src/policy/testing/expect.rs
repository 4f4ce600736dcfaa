//! What a test expects, and how an outcome differs from it.

use serde_json::Value as Json;

use crate::engine::{Matched, Outcome, PolicyId, Snapshot, Subject, counterfactual, unknown_names};
use crate::model::{Decision, Severity, View, suggest};
use crate::policy::diagnostic::{Diagnostics, quoted};
use crate::policy::source::Node;

/// What must be; what is left out may be anything.
#[derive(Debug, Default)]
pub struct Expectation {
    decision: Option<Decision>,
    level: Option<String>,
    score: Option<Near>,
    confidence: Option<Near>,
    /// A prefix of the ranked list.
    reasons: Option<Vec<String>>,
    /// All of these matched.
    rules: Option<Vec<String>>,
    limits: Option<Vec<String>>,
    /// All of these were met and not known.
    unknown: Option<Vec<String>>,
    dimensions: Vec<(String, Near)>,
    /// The factor that alone stands in the way; `Some(None)`: there is none.
    counterfactual: Option<Option<String>>,
    review: Option<bool>,
    revoke_session: Option<bool>,
    /// `Some(None)`: no incident.
    incident: Option<Option<Severity>>,
}

/// A number and how far from it is near enough.
#[derive(Clone, Copy, Debug)]
struct Near {
    value: f64,
    within: f64,
}

/// One way in which an outcome is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub what: String,
    pub expected: String,
    pub found: String,
}

impl Expectation {
    pub(super) fn read(
        node: Node<'_>,
        snapshot: &Snapshot,
        policy: PolicyId,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let before = diagnostics.len();
        let allowed = [
            "decision",
            "level",
            "score",
            "confidence",
            "reasons",
            "rules",
            "obligations",
            "limits",
            "unknown",
            "dimensions",
            "counterfactual",
        ];
        let fields = node.mapping(diagnostics, &allowed)?;
        let policy = snapshot.policy(policy)?;
        let width = policy.range.width();
        let decisions = Decision::ALL.map(|decision| (decision.name(), decision));
        let levels: Vec<(&str, &str)> =
            policy.levels.iter().map(|level| (&*level.name, &*level.name)).collect();
        let mut expect = Expectation {
            decision: fields.get("decision").and_then(|n| n.one_of(diagnostics, &decisions)),
            level: fields
                .get("level")
                .and_then(|n| n.one_of(diagnostics, &levels))
                .map(str::to_owned),
            score: fields.get("score").and_then(|n| read_near(n, width * 1e-9, diagnostics)),
            confidence: fields.get("confidence").and_then(|n| read_near(n, 1e-9, diagnostics)),
            limits: fields.get("limits").and_then(|n| texts(n, diagnostics)),
            unknown: fields.get("unknown").and_then(|n| texts(n, diagnostics)),
            ..Expectation::default()
        };
        let factors = policy.factors.iter().map(|f| &*f.name);
        let named: Vec<&str> = factors.chain(policy.adjustments.iter().map(|a| &*a.name)).collect();
        expect.reasons = fields.get("reasons").and_then(|n| names(n, &named, diagnostics));
        let rules: Vec<&str> = policy.rules.iter().map(|r| &*r.name).collect();
        expect.rules = fields.get("rules").and_then(|n| names(n, &rules, diagnostics));
        let dimensions: Vec<&str> = policy.dimensions.iter().map(|d| &*d.name).collect();
        if let Some(node) = fields.get("dimensions") {
            for entry in node.entries(diagnostics).unwrap_or_default() {
                if !dimensions.contains(&entry.key) {
                    diagnostics
                        .error(
                            entry.key_place(),
                            format!("unknown dimension {}", quoted(entry.key)),
                        )
                        .did_you_mean(entry.key, dimensions.iter().copied());
                }
                if let Some(near) = read_near(entry.node, width * 1e-9, diagnostics) {
                    expect.dimensions.push((entry.key.to_owned(), near));
                }
            }
        }
        if let Some(node) = fields.get("counterfactual") {
            let factors = policy.factors.iter().map(|f| (&*f.name, Some(f.name.to_string())));
            let choices: Vec<_> = factors.chain([("none", None)]).collect();
            expect.counterfactual = node.one_of(diagnostics, &choices);
        }
        if let Some(node) = fields.get("obligations") {
            expect.read_obligations(node, diagnostics);
        }
        (diagnostics.len() == before).then_some(expect)
    }

    fn read_obligations(&mut self, node: Node<'_>, diagnostics: &mut Diagnostics) {
        let Some(fields) = node.mapping(diagnostics, &["review", "revoke_session", "incident"])
        else {
            return;
        };
        self.review = fields.get("review").and_then(|n| n.bool(diagnostics));
        self.revoke_session = fields.get("revoke_session").and_then(|n| n.bool(diagnostics));
        if let Some(node) = fields.get("incident") {
            self.incident = if node.is_null() || node.to_json() == Json::Bool(false) {
                Some(None)
            } else {
                node.mapping(diagnostics, &["severity"])
                    .and_then(|fields| fields.required("severity", diagnostics))
                    .and_then(|node| node.one_of(diagnostics, &Severity::ALL))
                    .map(Some)
            };
        }
    }

    /// Everything in which the outcome differs.
    pub(super) fn compare(
        &self,
        snapshot: &Snapshot,
        policy: PolicyId,
        view: &View<'_>,
        outcome: &Outcome,
    ) -> Vec<Mismatch> {
        let mut found = Mismatches(Vec::new());
        let Some(policy) = snapshot.policy(policy) else { return Vec::new() };
        let decision = outcome.decision.unwrap_or(Decision::Deny);
        found.same("decision", self.decision.map(Decision::name), decision.name());
        found.same("level", self.level.as_deref(), policy.level_name(outcome.level));
        found.near("score", self.score, outcome.score);
        found.near("confidence", self.confidence, outcome.confidence);
        for (name, near) in &self.dimensions {
            let at = policy.dimensions.iter().position(|d| *d.name == **name);
            if let Some(dimension) = at.and_then(|at| outcome.dimensions.get(at)) {
                found.near(&format!("dimensions.{name}"), Some(*near), dimension.score);
            }
        }
        let reasons: Vec<&str> = outcome
            .reasons
            .iter()
            .filter_map(|ranked| match ranked.subject {
                Subject::Factor(at) => policy.factors.get(at).map(|f| &*f.name),
                Subject::Adjustment(at) => policy.adjustments.get(at).map(|a| &*a.name),
            })
            .collect();
        if let Some(expected) = &self.reasons
            && (reasons.len() < expected.len()
                || !reasons.iter().zip(expected).all(|(a, b)| a == b))
        {
            found.add("reasons", &expected.join(", "), &reasons.join(", "));
        }
        let matched: Vec<&str> = policy
            .rules
            .iter()
            .zip(&outcome.rules)
            .filter(|(_, o)| matches!(o.matched, Matched::Yes | Matched::ByUnknown))
            .map(|(rule, _)| &*rule.name)
            .collect();
        found.all_of("rules", self.rules.as_deref(), &matched);
        let unknown: Vec<&str> = unknown_names(snapshot, outcome).collect();
        found.all_of("unknown", self.unknown.as_deref(), &unknown);
        if let Some(expected) = &self.limits {
            let limits: Vec<&str> = match decision {
                Decision::Restrict => outcome
                    .chosen(policy)
                    .map(|c| c.limits.iter().map(|l| &**l).collect())
                    .unwrap_or_default(),
                _ => Vec::new(),
            };
            if limits != *expected {
                found.add("limits", &expected.join(", "), &limits.join(", "));
            }
        }
        if let Some(expected) = &self.counterfactual {
            let other = counterfactual(policy, view, outcome);
            let other = other.and_then(|other| policy.factors.get(other.factor));
            let name = other.map_or("none", |factor| &*factor.name);
            found.same("counterfactual", Some(expected.as_deref().unwrap_or("none")), name);
        }
        found.flag("obligations.review", self.review, outcome.review);
        found.flag("obligations.revoke_session", self.revoke_session, outcome.revoke_session);
        if let Some(expected) = self.incident {
            let severity = |s: Option<Severity>| s.map_or("none", Severity::name);
            let actual = severity(outcome.incident.map(|i| i.severity));
            found.same("obligations.incident", Some(severity(expected)), actual);
        }
        found.0
    }
}

struct Mismatches(Vec<Mismatch>);

impl Mismatches {
    fn add(&mut self, what: &str, expected: &str, found: &str) {
        let (what, expected, found) = (what.to_owned(), expected.to_owned(), found.to_owned());
        self.0.push(Mismatch { what, expected, found });
    }

    fn same(&mut self, what: &str, expected: Option<&str>, found: &str) {
        if let Some(expected) = expected.filter(|e| *e != found) {
            self.add(what, expected, found);
        }
    }

    fn flag(&mut self, what: &str, expected: Option<bool>, found: bool) {
        if let Some(expected) = expected.filter(|e| *e != found) {
            self.add(what, &expected.to_string(), &found.to_string());
        }
    }

    fn near(&mut self, what: &str, expected: Option<Near>, found: f64) {
        let Some(Near { value, within }) = expected else { return };
        // Written so that a NaN is never near.
        let near = (found - value).abs() <= within;
        if !near {
            self.add(what, &format!("{value} within {within}"), &found.to_string());
        }
    }

    fn all_of(&mut self, what: &str, expected: Option<&[String]>, found: &[&str]) {
        let Some(expected) = expected else { return };
        if !expected.iter().all(|name| found.contains(&name.as_str())) {
            self.add(what, &expected.join(", "), &found.join(", "));
        }
    }
}

/// A number, or `{near: x, within: d}`.
fn read_near(node: Node<'_>, resolution: f64, diagnostics: &mut Diagnostics) -> Option<Near> {
    if node.is_number() {
        return Some(Near { value: node.number(diagnostics)?, within: resolution });
    }
    let fields = node.mapping(diagnostics, &["near", "within"])?;
    let value = fields.required("near", diagnostics)?.number(diagnostics)?;
    let within = fields.required("within", diagnostics)?.number(diagnostics)?;
    Some(Near { value, within })
}

fn texts(node: Node<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let items = node.items(diagnostics)?;
    items.into_iter().map(|item| item.string(diagnostics).map(str::to_owned)).collect()
}

fn names(node: Node<'_>, known: &[&str], diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for item in node.items(diagnostics)? {
        let name = item.string(diagnostics)?;
        if !known.contains(&name) {
            let near = suggest(name, known.iter().copied()).map(str::to_owned);
            let error = diagnostics.error(item, format!("the policy has no {}", quoted(name)));
            if let Some(near) = near {
                error.help(format!("did you mean `{near}`?"));
            }
        }
        all.push(name.to_owned());
    }
    Some(all)
}
