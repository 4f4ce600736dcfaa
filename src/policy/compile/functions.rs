//! Functions and methods that expressions can call.

use jiff::tz::TimeZone;

use super::expression::{Expressions, Stage, Typed};
use super::learned::LEARNED;
use crate::engine::Expr;
use crate::model::{GeoField, Timestamp, Type};
use crate::policy::cel::{self, ExprKind, Name};
use crate::policy::diagnostic::{quoted, suggest};
use crate::policy::source::parse_duration;

/// The other functions, for suggestions.
pub(super) const PLAIN: [&str; 14] = [
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
    "expected",
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
            ("expected", _) => self.expected(ast, args),
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

    pub(super) fn size(&mut self, of: &cel::Expr) -> Option<Typed> {
        let typed = self.expr(of)?;
        if !matches!(typed.ty, Type::Text | Type::Set | Type::Any) {
            self.error(of, format!("`size` takes a string or a set, and this is a {}", typed.ty));
            return None;
        }
        Some(Typed::new(Expr::Size(typed.expr.into()), Type::Number, typed.can_be_missing))
    }

    /// A time window: a string literal such as `"24h"`, in seconds.
    pub(super) fn window(&mut self, ast: &cel::Expr) -> Option<f64> {
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

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }
}
