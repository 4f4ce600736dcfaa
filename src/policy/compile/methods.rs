//! Methods: what stands behind a dot and takes arguments.

use regex::RegexBuilder;

use super::expression::{Expressions, Typed};
use crate::engine::{Expr, TextTest};
use crate::model::{Source, Type};
use crate::policy::cel::{self, ExprKind, Name};
use crate::policy::diagnostic::quoted;

/// A regular expression's compiled size limit (bytes): matching stays linear in
/// the text, and this bounds its factor.
const REGEX_SIZE: usize = 256 * 1024;

/// All of them, for suggestions.
pub(super) const METHODS: [&str; 7] =
    ["startsWith", "endsWith", "contains", "matches", "size", "lowerAscii", "exists"];

impl Expressions<'_, '_> {
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
                self.diagnostics
                    .error(place, format!("unknown method {}", quoted(name)))
                    .help(format!("there are `{}`", METHODS.join("`, `")))
                    .did_you_mean(name, METHODS);
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
