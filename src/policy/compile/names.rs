//! Names in expressions: what `user.auth_count`, `context.amount` or `score` stand for.

use std::sync::Arc;

use super::expression::{Expressions, Stage, Typed};
use crate::engine::Expr;
use crate::model::{HttpField, Owner, PolicyField, Source, Type};
use crate::policy::cel::{self, ExprKind};
use crate::policy::diagnostic::{quoted, suggest};

/// What may follow `request.`.
const REQUEST: [(&str, HttpField); 4] = [
    ("method", HttpField::Method),
    ("path", HttpField::Path),
    ("host", HttpField::Host),
    ("scheme", HttpField::Scheme),
];

impl Expressions<'_, '_> {
    /// `a`, `a.b`, `a["b"]`, `geo(x).country`, `policy("x").score`.
    pub(super) fn name(&mut self, ast: &cel::Expr) -> Option<Typed> {
        if let Some(names) = ast.dotted() {
            return self.dotted(ast, &names);
        }
        match &ast.kind {
            ExprKind::Select { base, field } => match &base.kind {
                ExprKind::Call { function, args } if function.text == "geo" => {
                    self.geo(ast, args, &field.text)
                }
                ExprKind::Call { function, args } if function.text == "policy" => {
                    self.composed(ast, args, &field.text)
                }
                _ => {
                    self.error(ast, format!("{} has no fields", quoted(&base.to_string())));
                    None
                }
            },
            ExprKind::Index { base, index } => self.indexed(ast, base, index),
            _ => {
                self.error(ast, "this is no name");
                None
            }
        }
    }

    fn dotted(&mut self, ast: &cel::Expr, names: &[&str]) -> Option<Typed> {
        match names {
            ["now"] => Some(Typed::new(Expr::Now, Type::Timestamp, false)),
            ["score"] => self.late(ast, Expr::Score, Type::Number),
            ["confidence"] => self.late(ast, Expr::Confidence, Type::Number),
            ["level"] => {
                let mut typed = self.late(ast, Expr::Level, Type::Text)?;
                typed.choices = Some(self.names.levels.clone().into());
                Some(typed)
            }
            ["factors", name] => self.numbered(ast, name, "factor"),
            ["dimensions", name] => self.numbered(ast, name, "dimension"),
            ["thresholds", name] => self.numbered(ast, name, "threshold"),
            ["subject", "type"] => self.fixed("subject.type", Source::SubjectType, true),
            ["subject", "id"] => self.fixed("subject.id", Source::SubjectId, true),
            ["action", "name"] => self.fixed("action.name", Source::ActionName, false),
            ["resource", "type"] => self.fixed("resource.type", Source::ResourceType, false),
            ["resource", "id"] => self.fixed("resource.id", Source::ResourceId, false),
            ["subject", "properties", key @ ..] if !key.is_empty() => {
                Some(self.party(Owner::Subject, &key.join(".")))
            }
            ["action", "properties", key @ ..] if !key.is_empty() => {
                Some(self.party(Owner::Action, &key.join(".")))
            }
            ["resource", "properties", key @ ..] if !key.is_empty() => {
                Some(self.party(Owner::Resource, &key.join(".")))
            }
            [owner @ ("subject" | "action" | "resource"), rest @ ..] => {
                let found = self.error(ast, format!("{} is not known", quoted(&names.join("."))));
                match rest {
                    [field, ..] if *owner != "action" => found.help(format!(
                        "there are `{owner}.type`, `{owner}.id` and `{owner}.properties.{field}`"
                    )),
                    _ => found.help(format!("there are `{owner}.name` and `{owner}.properties`")),
                };
                None
            }
            ["context", key @ ..] if !key.is_empty() => Some(self.context(ast, &key.join("."))),
            ["request", name] => {
                if let Some((_, field)) = REQUEST.iter().find(|(n, _)| n == name) {
                    return Some(self.http(*field, &format!("request.{name}")));
                }
                let names = REQUEST.iter().map(|(n, _)| *n).chain(["headers"]);
                self.error(ast, format!("{} is not known", quoted(&format!("request.{name}"))))
                    .help("there are `method`, `path`, `host`, `scheme` and `headers[\"x\"]`")
                    .did_you_mean(name, names);
                None
            }
            ["lists", ..] => {
                self.error(ast, "a list can only stand to the right of `in`");
                None
            }
            [entity, name] => self.entity(ast, entity, name),
            _ => self.unknown(ast, names),
        }
    }

    fn entity(&mut self, ast: &cel::Expr, entity: &str, name: &str) -> Option<Typed> {
        let Some(kind) = self.catalogs.entity(entity).map(|e| e.kind) else {
            return self.unknown(ast, &[entity, name]);
        };
        let text = format!("{entity}.{name}");
        if name == "id" {
            let slot = self.slots.intern(&text, Source::EntityId(kind), Type::Text, true);
            return Some(self.slot(slot));
        }
        if entity == "address" && name == "ip" {
            let slot = self.slots.intern(&text, Source::AddressIp, Type::Address, true);
            return Some(self.slot(slot));
        }
        let Some(signal) = self.catalogs.signal(kind, name) else {
            return self.unknown(ast, &[entity, name]);
        };
        let source = Source::Signal { kind, signal: signal.id, freshness: signal.freshness };
        let choices: Option<Arc<[Arc<str>]>> =
            (!signal.values.is_empty()).then(|| signal.values.clone().into());
        let slot = self.slots.intern(&text, source, signal.ty.value_type(), true);
        let mut typed = self.slot(slot);
        typed.choices = choices;
        Some(typed)
    }

    fn unknown(&mut self, ast: &cel::Expr, names: &[&str]) -> Option<Typed> {
        let text = names.join(".");
        let mut candidates = self.catalogs.signal_names();
        candidates.extend(self.catalogs.entities.iter().map(|e| format!("{}.id", e.name)));
        for name in ["now", "score", "level", "confidence", "action.name", "address.ip"] {
            candidates.push(name.to_owned());
        }
        let near = suggest(&text, candidates.iter().map(String::as_str)).map(str::to_owned);
        let what = if names.len() == 2 { "signal" } else { "name" };
        let found = self.error(ast, format!("unknown {what} {}", quoted(&text)));
        match near {
            Some(near) => found.help(format!("did you mean `{near}`?")),
            None => found.help("signals are declared in a Catalog, under `signals`"),
        };
        None
    }

    /// What exists only once the score does.
    pub(super) fn late(&mut self, ast: &cel::Expr, expr: Expr, ty: Type) -> Option<Typed> {
        if self.stage() < Stage::Decide {
            let text = quoted(&ast.to_string());
            self.error(ast, format!("{text} is not known yet here"))
                .help("the score exists in rules and in adjustments of the score");
            return None;
        }
        Some(Typed::new(expr, ty, false))
    }

    fn numbered(&mut self, ast: &cel::Expr, name: &str, what: &str) -> Option<Typed> {
        let names = match what {
            "factor" => &self.names.factors,
            "dimension" => &self.names.dimensions,
            _ => &self.names.thresholds,
        };
        let Some(at) = names.iter().position(|n| **n == *name) else {
            let names: Vec<_> = names.clone();
            self.error(ast, format!("unknown {what} {}", quoted(name)))
                .did_you_mean(name, names.iter().map(|n| &**n));
            return None;
        };
        if what == "threshold" {
            return Some(Typed::new(Expr::Threshold(at), Type::Number, false));
        }
        if self.stage() < Stage::SubScore {
            self.error(ast, format!("{what}s can't be read by a factor"))
                .help("rules and adjustments can read them");
            return None;
        }
        let expr = if what == "factor" { Expr::Factor(at) } else { Expr::Dimension(at) };
        Some(Typed::new(expr, Type::Number, true))
    }

    fn fixed(&mut self, name: &str, source: Source, can_be_missing: bool) -> Option<Typed> {
        let slot = self.slots.intern(name, source, Type::Text, can_be_missing);
        Some(self.slot(slot))
    }

    fn party(&mut self, owner: Owner, key: &str) -> Typed {
        self.property(owner, key, &format!("{}.properties.{key}", owner.name()), Type::Any)
    }

    fn context(&mut self, ast: &cel::Expr, key: &str) -> Typed {
        let ty = match self.catalogs.context.get(key) {
            Some(ty) => *ty,
            None => {
                let place = self.place_of(ast.span.clone());
                let near = suggest(key, self.catalogs.context.keys().copied());
                let help = match near {
                    Some(near) => format!("did you mean `context.{near}`?"),
                    None => format!("declare it in a Catalog: `context: {{{key}: number}}`, say"),
                };
                self.diagnostics
                    .warning(place, format!("context key {} is not declared", quoted(key)))
                    .help(help);
                Type::Any
            }
        };
        self.property(Owner::Context, key, &format!("context.{key}"), ty)
    }

    fn indexed(&mut self, ast: &cel::Expr, base: &cel::Expr, index: &cel::Expr) -> Option<Typed> {
        let ExprKind::String(key) = &index.kind else {
            self.error(index, "an index is a string literal");
            return None;
        };
        match base.dotted().as_deref() {
            Some(["request", "headers"]) => {
                let name = key.to_ascii_lowercase();
                let text = format!("request.headers[{name:?}]");
                let source = Source::Header(name.as_str().into());
                let slot = self.slots.intern(&text, source, Type::Text, true);
                Some(self.slot(slot))
            }
            Some(["context"]) => Some(self.context(ast, key)),
            Some(["subject", "properties"]) => Some(self.party(Owner::Subject, key)),
            Some(["action", "properties"]) => Some(self.party(Owner::Action, key)),
            Some(["resource", "properties"]) => Some(self.party(Owner::Resource, key)),
            _ => {
                self.error(base, format!("{} can't be indexed", quoted(&base.to_string())))
                    .help("`request.headers`, `context` and `properties` can");
                None
            }
        }
    }

    /// `policy("insider").score`
    fn composed(&mut self, ast: &cel::Expr, args: &[cel::Expr], field: &str) -> Option<Typed> {
        let [name] = args else {
            self.error(ast, "`policy` takes the name of a policy");
            return None;
        };
        let ExprKind::String(text) = &name.kind else {
            self.error(name, "the name of a policy is a string literal");
            return None;
        };
        let Some(known) = self.policies.get(text.as_str()) else {
            let names: Vec<&str> = self.policies.keys().copied().collect();
            self.error(name, format!("unknown policy {}", quoted(text))).did_you_mean(text, names);
            return None;
        };
        let Some((_, field)) = PolicyField::ALL.iter().find(|(n, _)| *n == field) else {
            self.error(ast, format!("a policy has no {}", quoted(field)))
                .help("there are `score`, `level`, `confidence` and `risk`");
            return None;
        };
        let (id, levels) = (known.id, known.levels.clone());
        let ty = if *field == PolicyField::Level { Type::Text } else { Type::Number };
        let source = Source::Policy { policy: id.0, field: *field };
        let slot = self.slots.intern(&ast.to_string(), source, ty, false);
        let place = self.place_of(ast.span.clone());
        self.composes.entry(id).or_insert(place);
        self.results.insert((id, *field, slot));
        let mut typed = self.slot(slot);
        typed.choices = (*field == PolicyField::Level).then_some(levels);
        Some(typed)
    }
}
