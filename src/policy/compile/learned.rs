//! Functions of learned state: signatures, arguments, call sites as slots.

use super::expression::{Expressions, Typed};
use crate::model::{Source, Type};
use crate::policy::cel::{self, ExprKind, Name};
use crate::policy::diagnostic::quoted;

/// What a function of learned state takes at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// The name of a signal.
    Signal,
    /// A value that look-up can see.
    Value,
    /// The name of an entity kind.
    Entity,
    /// A time window, as a string literal.
    Window,
    /// The name of a peer group.
    Group,
    /// A signal, or a daily `sum`, `rate`, `distinct` of one, or a policy.
    Series,
    /// A number literal.
    Count,
    /// `geo(x)`
    Geo,
}

/// Functions of learned state: signatures and what they give.
pub(super) const LEARNED: [(&str, &[&[Takes]], Type); 14] = {
    use Takes::{Count, Entity, Geo, Group, Series, Signal, Value, Window};
    [
        ("deviation", &[&[Signal], &[Value, Signal]], Type::Number),
        ("peer_deviation", &[&[Signal, Group]], Type::Number),
        ("familiar", &[&[Signal, Value]], Type::Bool),
        ("rarity", &[&[Entity]], Type::Number),
        ("unusual_hour", &[&[Entity]], Type::Number),
        ("travel_speed", &[&[Entity, Geo]], Type::Number),
        ("rate", &[&[Signal, Window]], Type::Number),
        ("sum", &[&[Signal, Window]], Type::Number),
        ("distinct", &[&[Signal, Window]], Type::Number),
        ("trend", &[&[Series]], Type::Number),
        ("shared_by", &[&[Value, Entity, Window]], Type::Number),
        ("linked_to_flagged", &[&[Entity, Count]], Type::Number),
        ("flag_rate", &[&[Entity, Window, Window]], Type::Number),
        ("cluster_size", &[&[Entity]], Type::Number),
    ]
};

impl Expressions<'_, '_> {
    /// A function of learned state: its arguments checked, its call site a slot.
    pub(super) fn learned(
        &mut self,
        ast: &cel::Expr,
        function: &Name,
        args: &[cel::Expr],
        signatures: &[&[Takes]],
        ty: Type,
    ) -> Option<Typed> {
        let Some(signature) = signatures.iter().find(|s| s.len() == args.len()) else {
            let wanted: Vec<String> = signatures.iter().map(|s| s.len().to_string()).collect();
            self.error(
                ast,
                format!(
                    "`{}` takes {} arguments, and {} are given",
                    function.text,
                    wanted.join(" or "),
                    args.len()
                ),
            );
            return None;
        };
        let mut good = true;
        for (arg, takes) in args.iter().zip(*signature) {
            good &= self.learned_argument(arg, *takes);
        }
        if !good {
            return None;
        }
        let source = match (function.text.as_str(), args) {
            ("familiar", [signal, value]) => self.familiar(signal, value)?,
            _ => Source::Learned,
        };
        let slot = self.slots.intern(&ast.to_string(), source, ty, true);
        Some(self.slot(slot))
    }

    fn familiar(&mut self, signal: &cel::Expr, value: &cel::Expr) -> Option<Source> {
        let names = signal.dotted()?;
        let [entity, name] = names.as_slice() else { return None };
        let kind = self.catalogs.entity(entity)?.kind;
        let decl = self.catalogs.signal(kind, name)?;
        if decl.learn.familiar.is_none() {
            let name = quoted(&signal.to_string());
            self.error(signal, format!("{name} does not learn what is familiar")).help(
                "declare it in the catalog: `learn: {familiar: {keep: 16, forget_after: 90d}}`",
            );
            return None;
        }
        let signal = decl.id;
        let (value, _) = self.argument(value)?;
        Some(Source::Familiar { kind, signal, value })
    }

    fn learned_argument(&mut self, arg: &cel::Expr, takes: Takes) -> bool {
        match takes {
            Takes::Value => self.argument(arg).is_some(),
            Takes::Window => self.window(arg).is_some(),
            Takes::Signal => self.signal_argument(arg),
            Takes::Entity => {
                let name = match &arg.kind {
                    ExprKind::Ident(name) => name.as_str(),
                    _ => "",
                };
                let known = self.catalogs.entity(name).is_some();
                if !known {
                    let names: Vec<_> =
                        self.catalogs.entities.iter().map(|e| e.name.clone()).collect();
                    self.error(arg, "an entity kind is wanted here, such as `user`")
                        .did_you_mean(name, names.iter().map(|n| &**n));
                }
                known
            }
            Takes::Group => {
                let name = match &arg.kind {
                    ExprKind::Ident(name) | ExprKind::String(name) => name.as_str(),
                    _ => "",
                };
                let known = self.catalogs.peer_groups.contains(&name);
                if !known {
                    let names = self.catalogs.peer_groups.clone();
                    self.error(arg, format!("unknown peer group {}", quoted(name)))
                        .help("declare it in the catalog, under `peer_groups`")
                        .did_you_mean(name, names);
                }
                known
            }
            Takes::Count => {
                let good = matches!(arg.kind, ExprKind::Number(x) if (1.0..=8.0).contains(&x));
                if !good {
                    self.error(arg, "a number literal from 1 to 8 is wanted here");
                }
                good
            }
            Takes::Geo => {
                let address = match &arg.kind {
                    ExprKind::Call { function, args } if function.text == "geo" => args.first(),
                    _ => None,
                };
                match address {
                    Some(address) => self.argument(address).is_some(),
                    None => {
                        self.error(arg, "a place is wanted here: `geo(address.ip)`");
                        false
                    }
                }
            }
            Takes::Series => match &arg.kind {
                ExprKind::Call { function, .. }
                    if matches!(function.text.as_str(), "sum" | "rate" | "distinct") =>
                {
                    self.expr(arg).is_some()
                }
                ExprKind::Call { function, args } if function.text == "policy" => {
                    match args.first().map(|a| &a.kind) {
                        Some(ExprKind::String(name))
                            if self.policies.contains_key(name.as_str()) =>
                        {
                            true
                        }
                        _ => {
                            self.error(arg, "unknown policy");
                            false
                        }
                    }
                }
                _ => self.signal_argument(arg),
            },
        }
    }

    /// An argument called *signal* is a name, and checked as such.
    fn signal_argument(&mut self, arg: &cel::Expr) -> bool {
        let names = arg.dotted().unwrap_or_default();
        let known = match names.as_slice() {
            [entity, name] => self
                .catalogs
                .entity(entity)
                .is_some_and(|e| self.catalogs.signal(e.kind, name).is_some()),
            _ => false,
        };
        if !known {
            let text = arg.to_string();
            let all = self.catalogs.signal_names();
            self.error(arg, format!("a signal is wanted here, and {} is none", quoted(&text)))
                .did_you_mean(&text, all.iter().map(String::as_str));
        }
        known
    }
}
