//! Functions and methods that expressions can call.

use jiff::tz::TimeZone;
use regex::RegexBuilder;

use super::expression::{Expressions, Stage, Typed};
use crate::engine::{Expr, TextTest};
use crate::model::{GeoField, Source, Timestamp, Type};
use crate::policy::cel::{self, ExprKind, Name};
use crate::policy::diagnostic::{quoted, suggest};
use crate::policy::source::parse_duration;

/// A regular expression's compiled size limit (bytes): matching stays linear in
/// the text, and this bounds its factor.
const REGEX_SIZE: usize = 256 * 1024;

/// What a function of learned state takes at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
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
const LEARNED: [(&str, &[&[Takes]], Type); 14] = {
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

/// The other functions, for suggestions.
const PLAIN: [&str; 13] = [
    "days_since",
    "hours_since",
    "age",
    "hour",
    "weekday",
    "geo",
    "policy",
    "at_or_worse",
    "known",
    "size",
    "duration",
    "timestamp",
    "has",
];

impl Expressions<'_, '_> {
    pub(super) fn call(
        &mut self,
        ast: &cel::Expr,
        function: &Name,
        args: &[cel::Expr],
    ) -> Option<Typed> {
        match (function.text.as_str(), args) {
            ("known", [of]) => {
                let typed = self.expr(of)?;
                Some(Typed::new(Expr::Known(typed.expr.into()), Type::Bool, false))
            }
            ("at_or_worse", [level]) => self.at_or_worse(ast, level),
            ("days_since", [at]) => self.since(at, 1.0 / 86_400.0),
            ("hours_since", [at]) => self.since(at, 1.0 / 3600.0),
            ("age", [at]) => {
                let typed = self.timestamp_argument(at)?;
                Some(Typed::new(Expr::Age(typed.expr.into()), Type::Duration, typed.can_be_missing))
            }
            ("hour" | "weekday", [at, zone]) => self.local_time(&function.text, at, zone),
            ("size", [of]) => self.size(of),
            ("duration", [text]) => {
                let seconds = self.window(text)?;
                Some(Typed::new(Expr::Duration(seconds), Type::Duration, false))
            }
            ("timestamp", [text]) => self.timestamp_literal(text),
            ("geo", _) => {
                self.error(ast, "`geo(...)` is asked for a field")
                    .help("there are `.country`, `.city`, `.asn`, `.org`, `.lat`, `.lon` and `.radius_km`");
                None
            }
            ("policy", _) => {
                self.error(ast, "`policy(...)` is asked for a field")
                    .help("there are `.score`, `.level`, `.confidence` and `.risk`");
                None
            }
            ("has", _) => {
                self.error(ast, "there is no `has`").help("ask `known(...)`");
                None
            }
            (name, _) => match LEARNED.iter().find(|(n, _, _)| *n == name) {
                Some((_, signatures, ty)) => self.learned(ast, function, args, signatures, *ty),
                None => self.unknown_function(function, args.len()),
            },
        }
    }

    fn unknown_function(&mut self, function: &Name, given: usize) -> Option<Typed> {
        let name = &function.text;
        let place = self.place_of(function.span.clone());
        if PLAIN.contains(&name.as_str()) {
            let wanted = if matches!(name.as_str(), "hour" | "weekday") { 2 } else { 1 };
            self.diagnostics
                .error(place, format!("`{name}` takes {wanted} arguments, and {given} are given"));
            return None;
        }
        let all = LEARNED.iter().map(|(n, _, _)| *n).chain(PLAIN);
        let near = suggest(name, all).map(str::to_owned);
        let found = self.diagnostics.error(place, format!("unknown function {}", quoted(name)));
        if let Some(near) = near {
            found.help(format!("did you mean `{near}`?"));
        }
        None
    }

    fn at_or_worse(&mut self, ast: &cel::Expr, level: &cel::Expr) -> Option<Typed> {
        let ExprKind::String(name) = &level.kind else {
            self.error(level, "`at_or_worse` takes the name of a level, as a string literal");
            return None;
        };
        let Some(at) = self.names.levels.iter().position(|n| **n == **name) else {
            let names: Vec<_> = self.names.levels.clone();
            self.error(level, format!("unknown level {}", quoted(name)))
                .did_you_mean(name, names.iter().map(|n| &**n));
            return None;
        };
        self.late(ast, Expr::AtOrWorse(at), Type::Bool)
    }

    fn timestamp_argument(&mut self, at: &cel::Expr) -> Option<Typed> {
        let typed = self.expr(at)?;
        self.want(at, &typed, Type::Timestamp, "what time has passed since").then_some(typed)
    }

    fn since(&mut self, at: &cel::Expr, scale: f64) -> Option<Typed> {
        let typed = self.timestamp_argument(at)?;
        let expr = Expr::Since { at: typed.expr.into(), scale };
        Some(Typed::new(expr, Type::Number, typed.can_be_missing))
    }

    fn local_time(&mut self, function: &str, at: &cel::Expr, zone: &cel::Expr) -> Option<Typed> {
        let typed = self.timestamp_argument(at)?;
        let ExprKind::String(name) = &zone.kind else {
            self.error(zone, "a time zone is a string literal, such as `\"Europe/Berlin\"`");
            return None;
        };
        let Ok(found) = TimeZone::get(name) else {
            self.error(zone, format!("unknown time zone {}", quoted(name)))
                .help("IANA names are known, such as `UTC` or `Europe/Berlin`");
            return None;
        };
        let (at, zone) = (typed.expr.into(), Box::new(found));
        let expr = match function {
            "hour" => Expr::Hour { at, zone },
            _ => Expr::Weekday { at, zone },
        };
        Some(Typed::new(expr, Type::Number, typed.can_be_missing))
    }

    fn size(&mut self, of: &cel::Expr) -> Option<Typed> {
        let typed = self.expr(of)?;
        if !matches!(typed.ty, Type::Text | Type::Set | Type::Any) {
            self.error(of, format!("`size` takes a string or a set, and this is a {}", typed.ty));
            return None;
        }
        Some(Typed::new(Expr::Size(typed.expr.into()), Type::Number, typed.can_be_missing))
    }

    /// A time window: a string literal such as `"24h"`, in seconds.
    fn window(&mut self, ast: &cel::Expr) -> Option<f64> {
        let found = match &ast.kind {
            ExprKind::String(text) => parse_duration(text).filter(|seconds| *seconds > 0.0),
            _ => None,
        };
        if found.is_none() {
            self.error(ast, "a time window is wanted here")
                .help("write `\"30s\"`, `\"5m\"`, `\"24h\"` or `\"28d\"`");
        }
        found
    }

    fn timestamp_literal(&mut self, ast: &cel::Expr) -> Option<Typed> {
        let parsed = match &ast.kind {
            ExprKind::String(text) => text.parse::<jiff::Timestamp>().ok(),
            _ => None,
        };
        let Some(at) = parsed else {
            self.error(ast, "a point in time is wanted here")
                .help("write `timestamp(\"2026-01-31T09:00:00Z\")`");
            return None;
        };
        let at = Timestamp::from_millis(at.as_millisecond());
        Some(Typed::new(Expr::Timestamp(at), Type::Timestamp, false))
    }

    /// `geo(address.ip).country`
    pub(super) fn geo(
        &mut self,
        ast: &cel::Expr,
        args: &[cel::Expr],
        field: &str,
    ) -> Option<Typed> {
        let [address] = args else {
            self.error(ast, "`geo` takes an address");
            return None;
        };
        let (slot, ty) = self.argument(address)?;
        if !matches!(ty, Type::Address | Type::Text | Type::Any) {
            self.error(address, format!("`geo` takes an address, and this is a {ty}"));
            return None;
        }
        let Some((_, field)) = GeoField::ALL.iter().find(|(n, _)| *n == field) else {
            let names = GeoField::ALL.iter().map(|(n, _)| *n);
            self.error(ast, format!("a place has no {}", quoted(field)))
                .help("there are `country`, `city`, `asn`, `org`, `lat`, `lon` and `radius_km`")
                .did_you_mean(field, names);
            return None;
        };
        let slot = self.slots.geo(slot, *field, &ast.to_string());
        Some(self.slot(slot))
    }

    /// A function of learned state: its arguments checked, its call site a slot.
    fn learned(
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

    pub(super) fn method(
        &mut self,
        ast: &cel::Expr,
        base: &cel::Expr,
        method: &Name,
        args: &[cel::Expr],
    ) -> Option<Typed> {
        match (method.text.as_str(), args) {
            ("startsWith", [part]) => self.text_test(TextTest::StartsWith, base, part),
            ("endsWith", [part]) => self.text_test(TextTest::EndsWith, base, part),
            ("contains", [part]) => self.text_test(TextTest::Contains, base, part),
            ("matches", [pattern]) => self.matches(base, pattern),
            ("size", []) => self.size(base),
            ("lowerAscii", []) => self.lower(ast, base),
            ("exists", [variable, body]) => self.exists(base, variable, body),
            (name, _) => {
                let place = self.place_of(method.span.clone());
                let all = [
                    "startsWith",
                    "endsWith",
                    "contains",
                    "matches",
                    "size",
                    "lowerAscii",
                    "exists",
                ];
                self.diagnostics
                    .error(place, format!("unknown method {}", quoted(name)))
                    .help(format!("there are `{}`", all.join("`, `")))
                    .did_you_mean(name, all);
                None
            }
        }
    }

    fn text_test(&mut self, test: TextTest, base: &cel::Expr, part: &cel::Expr) -> Option<Typed> {
        let (text, part_typed) = (self.expr(base), self.expr(part));
        let (text, part_typed) = (text?, part_typed?);
        if !self.want(base, &text, Type::Text, "what is searched")
            || !self.want(part, &part_typed, Type::Text, "what is searched for")
        {
            return None;
        }
        let can_be_missing = text.can_be_missing || part_typed.can_be_missing;
        let expr = Expr::Text2 { test, text: text.expr.into(), part: part_typed.expr.into() };
        Some(Typed::new(expr, Type::Bool, can_be_missing))
    }

    fn matches(&mut self, base: &cel::Expr, pattern: &cel::Expr) -> Option<Typed> {
        let text = self.expr(base)?;
        if !self.want(base, &text, Type::Text, "what is matched") {
            return None;
        }
        let ExprKind::String(source) = &pattern.kind else {
            self.error(pattern, "a regular expression is a string literal")
                .help("it is compiled when the policy loads");
            return None;
        };
        match RegexBuilder::new(source).size_limit(REGEX_SIZE).build() {
            Ok(regex) => {
                let expr = Expr::Matches { text: text.expr.into(), regex: Box::new(regex) };
                Some(Typed::new(expr, Type::Bool, text.can_be_missing))
            }
            Err(why) => {
                // The library draws a picture of several lines; its last one says what is wrong.
                let why = why.to_string();
                let line = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.error(pattern, format!("not a regular expression: {line}"));
                None
            }
        }
    }

    fn lower(&mut self, ast: &cel::Expr, base: &cel::Expr) -> Option<Typed> {
        let (slot, ty) = self.argument(base)?;
        if !matches!(ty, Type::Text | Type::Any) {
            self.error(base, format!("`lowerAscii` takes a string, and this is a {ty}"));
            return None;
        }
        let missing = self.slots.get(slot).is_none_or(|s| s.can_be_missing);
        let slot = self.slots.intern(&ast.to_string(), Source::Lower(slot), Type::Text, missing);
        Some(self.slot(slot))
    }

    /// `["a", "b"].exists(x, ...)`: unrolled, as the list is a literal.
    fn exists(
        &mut self,
        base: &cel::Expr,
        variable: &cel::Expr,
        body: &cel::Expr,
    ) -> Option<Typed> {
        const MOST: usize = 32;
        let (ExprKind::List(items), ExprKind::Ident(name)) = (&base.kind, &variable.kind) else {
            self.error(base, "`exists` goes over a literal list: `[\"a\", \"b\"].exists(x, ...)`");
            return None;
        };
        if items.len() > MOST {
            self.error(base, format!("`exists` goes over at most {MOST} values"));
            return None;
        }
        let mut terms = Vec::with_capacity(items.len());
        let mut can_be_missing = false;
        for item in items {
            let typed = self.expr(&substitute(body, name, item))?;
            if !self.want(body, &typed, Type::Bool, "what `exists` asks") {
                return None;
            }
            can_be_missing |= typed.can_be_missing;
            terms.push(typed.expr);
        }
        Some(Typed::new(Expr::Any(terms.into_boxed_slice()), Type::Bool, can_be_missing))
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }
}

/// The expression with every `name` in it replaced.
fn substitute(ast: &cel::Expr, name: &str, by: &cel::Expr) -> cel::Expr {
    let mut copy = ast.clone();
    replace(&mut copy, name, by);
    copy
}

fn replace(ast: &mut cel::Expr, name: &str, by: &cel::Expr) {
    if matches!(&ast.kind, ExprKind::Ident(found) if found == name) {
        ast.kind = by.kind.clone();
        return;
    }
    for child in ast.children_mut() {
        replace(child, name, by);
    }
}
