//! Announced changes: the catalog's `expected`, the function of that name, and what a
//! policy softens by them (`score.expected`).

use super::catalog::Catalogs;
use super::expression::{Expressions, Stage, Typed};
use super::score::Head;
use crate::engine::{Factor, Softening};
use crate::model::{
    EXPECTED_SIGNAL, ExpectedDecl, ExpectedField, Seconds, SignalType, SlotId, Source, Type,
    Vocabulary,
};
use crate::policy::cel::{self, ExprKind};
use crate::policy::diagnostic::{Diagnostics, quoted};
use crate::policy::source::{Entry, Fields, Names, Node};

/// `at_most` is within these (seconds).
const SHORTEST: Seconds = 60.0;
const LONGEST: Seconds = 366.0 * 86_400.0;

impl<'a> Catalogs<'a> {
    /// `expected: {travel: {entity: user, at_most: 30d}}`
    pub(super) fn read_expected(
        &mut self,
        node: Node<'a>,
        vocabulary: &Vocabulary,
        diagnostics: &mut Diagnostics,
    ) {
        for entry in node.entries(diagnostics).unwrap_or_default() {
            let name = entry.name(diagnostics, Names::Plain);
            if !self.once("expected change", &entry, diagnostics) {
                continue;
            }
            let Some(fields) = entry.node.mapping(diagnostics, &["entity", "at_most"]) else {
                continue;
            };
            let entity = fields.required("entity", diagnostics);
            let kind = entity.and_then(|node| {
                let names: Vec<(&str, _)> =
                    self.entities.iter().map(|e| (&*e.name, e.kind)).collect();
                node.one_of(diagnostics, &names)
            });
            let at_most = fields.required("at_most", diagnostics).and_then(|node| {
                let seconds = node.duration(diagnostics)?;
                let good = (SHORTEST..=LONGEST).contains(&seconds);
                if !good {
                    diagnostics.error(node, "`at_most` is from 1 minute to 366 days");
                }
                good.then_some(seconds)
            });
            let (Some(name), Some(kind), Some(at_most)) = (name, kind, at_most) else { continue };
            match vocabulary.signal(kind, EXPECTED_SIGNAL, SignalType::Set) {
                Some(signal) => {
                    self.expected.push(ExpectedDecl { name: name.into(), kind, signal, at_most });
                }
                None => {
                    diagnostics.error(entry.key_place(), "more signals than can be numbered");
                }
            }
        }
    }
}

/// What a call or a softening asks the windows for.
struct Asked {
    declared: ExpectedDecl,
    entity: String,
    value: Option<(SlotId, String)>,
}

impl<'a> Expressions<'_, 'a> {
    /// `expected(user, "travel")`, `expected(user, "travel", geo(address.ip).country)`
    pub(super) fn expected(&mut self, ast: &cel::Expr, args: &[cel::Expr]) -> Option<Typed> {
        let (entity, change, value) = match args {
            [entity, change] => (entity, change, None),
            [entity, change, value] => (entity, change, Some(value)),
            _ => {
                self.error(ast, "`expected` takes an entity kind, a kind of change, and maybe a value")
                    .help("write `expected(user, \"travel\")` or `expected(user, \"travel\", geo(address.ip).country)`");
                return None;
            }
        };
        let ExprKind::String(name) = &change.kind else {
            self.error(change, "a kind of change is a string literal, such as `\"travel\"`");
            return None;
        };
        let Some(declared) = self.catalogs.expected.iter().find(|d| *d.name == **name).cloned()
        else {
            let names: Vec<_> = self.catalogs.expected.iter().map(|d| d.name.clone()).collect();
            self.error(change, format!("unknown kind of change {}", quoted(name)))
                .help(declare(name))
                .did_you_mean(name, names.iter().map(|n| &**n));
            return None;
        };
        if self.entity_kind(entity) != Some(declared.kind) {
            let of = self.kind_name(&declared);
            self.error(entity, format!("{} is announced of another kind of entity", quoted(name)))
                .help(format!("the catalog says: of `{of}`"));
            return None;
        }
        let value = match value {
            None => None,
            Some(value) => Some(self.announced_value(value)?),
        };
        let asked = Asked { declared, entity: entity.to_string(), value };
        let slot = self.expected_slot(&asked, ExpectedField::InForce);
        Some(self.slot(slot))
    }

    /// What is compared with the values that a window names.
    fn announced_value(&mut self, ast: &cel::Expr) -> Option<(SlotId, String)> {
        let (slot, ty) = self.argument(ast)?;
        if !matches!(ty, Type::Text | Type::Any) {
            self.error(ast, format!("windows name strings, and this is a {ty}"));
            return None;
        }
        Some((slot, ast.to_string()))
    }

    fn expected_slot(&mut self, asked: &Asked, field: ExpectedField) -> SlotId {
        let Asked { declared, entity, value } = asked;
        let value_text = value.as_ref().map(|(_, text)| format!(", {text}")).unwrap_or_default();
        let (name, ty) = match field {
            ExpectedField::InForce => ("", Type::Bool),
            ExpectedField::Until => (".until", Type::Timestamp),
            ExpectedField::Reference => (".reference", Type::Text),
        };
        let name = format!("expected({entity}, {:?}{value_text}){name}", &*declared.name);
        let source = Source::Expected {
            kind: declared.kind,
            signal: declared.signal,
            change: declared.name.clone(),
            value: value.as_ref().map(|(slot, _)| *slot),
            field,
        };
        self.slots.intern(&name, source, ty, field != ExpectedField::InForce)
    }

    /// `expected: {travel: {soften: [new_country], by: 0.8, value: ..., when: ...}}`
    pub(super) fn softenings(&mut self, head: Head<'a>, factors: &[Factor]) -> Vec<Softening> {
        let mut softenings = Vec::new();
        let entries = head.expected.and_then(|node| node.entries(self.diagnostics));
        for entry in entries.unwrap_or_default() {
            softenings.extend(self.softening(&entry, factors));
        }
        softenings
    }

    fn softening(&mut self, entry: &Entry<'a>, factors: &[Factor]) -> Option<Softening> {
        let allowed = ["soften", "by", "value", "when", "description"];
        let fields = entry.node.mapping(self.diagnostics, &allowed)?;
        fields.check_texts(&["description"], self.diagnostics);
        let softened = self.softened(&fields, factors);
        let by = fields.required("by", self.diagnostics).and_then(|node| {
            let by = node.number(self.diagnostics)?;
            let good = by > 0.0 && by <= 1.0;
            if !good {
                self.diagnostics
                    .error(node, "`by` is above 0 and at most 1")
                    .help("0.8 moves a factor by 80 % of the way to its trusted end");
            }
            good.then_some(by)
        });
        let name = format!("expected_{}", entry.key);
        if self.names.factors.iter().any(|known| **known == *name) {
            self.diagnostics
                .error(entry.key_place(), format!("the name {} stands twice", quoted(&name)))
                .help("decisions show the announced change under that name: call the factor otherwise");
        }
        let Some(declared) = self.catalogs.expected.iter().find(|d| *d.name == *entry.key).cloned()
        else {
            let names: Vec<_> = self.catalogs.expected.iter().map(|d| d.name.clone()).collect();
            self.diagnostics
                .error(entry.key_place(), format!("unknown kind of change {}", quoted(entry.key)))
                .help(declare(entry.key))
                .did_you_mean(entry.key, names.iter().map(|n| &**n));
            return None;
        };
        let value = match fields.get("value") {
            None => None,
            Some(node) => {
                let ast = self.begin(node, Stage::Value)?;
                Some(self.announced_value(&ast)?)
            }
        };
        let when = match fields.get("when") {
            None => None,
            Some(node) => Some(self.condition(node, Stage::Value)?.expr),
        };
        let entity = self.kind_name(&declared);
        let asked = Asked { declared, entity, value };
        let [in_force, until, reference] =
            [ExpectedField::InForce, ExpectedField::Until, ExpectedField::Reference].map(|field| {
                let slot = self.expected_slot(&asked, field);
                self.slot(slot);
                slot
            });
        let name: std::sync::Arc<str> = name.into();
        self.names.expected.push(name.clone());
        let change = asked.declared.name;
        let (factors, by) = (softened?, by?);
        Some(Softening { name, change, in_force, until, reference, when, factors, by })
    }

    /// The factors that `soften` names, by their numbers.
    fn softened(&mut self, fields: &Fields<'a>, factors: &[Factor]) -> Option<Vec<usize>> {
        let node = fields.required("soften", self.diagnostics)?;
        let mut softened: Vec<usize> = Vec::new();
        for item in node.items(self.diagnostics)? {
            let Some(name) = item.string(self.diagnostics) else { continue };
            match factors.iter().position(|factor| *factor.name == *name) {
                Some(at) if softened.contains(&at) => {
                    self.diagnostics.error(item, format!("{} stands twice", quoted(name)));
                }
                Some(at) => softened.push(at),
                None => {
                    self.diagnostics
                        .error(item, format!("unknown factor {}", quoted(name)))
                        .did_you_mean(name, factors.iter().map(|factor| &*factor.name));
                }
            }
        }
        if softened.is_empty() {
            self.diagnostics.error(node, "nothing is softened: name factors of this policy");
            return None;
        }
        softened.sort_unstable();
        Some(softened)
    }

    fn kind_name(&self, declared: &ExpectedDecl) -> String {
        let entity = self.catalogs.entities.iter().find(|e| e.kind == declared.kind);
        entity.map_or_else(String::new, |entity| entity.name.to_string())
    }
}

fn declare(name: &str) -> String {
    format!("declare it in a catalog: `expected: {{{name}: {{entity: user, at_most: 30d}}}}`, say")
}
