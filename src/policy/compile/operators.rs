//! Operators: arithmetic, comparison, membership, logic.

use std::sync::Arc;

use super::expression::{Expressions, Typed};
use crate::engine::{Arithmetic, Comparison, Expr, LiteralSet};
use crate::model::{Membership, Source, Type};
use crate::policy::cel::{self, ArithmeticOp, CompareOp, ExprKind, LogicalOp, UnaryOp};
use crate::policy::diagnostic::quoted;
use crate::policy::source::parse_duration;

impl Expressions<'_, '_> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &cel::Expr) -> Option<Typed> {
        let typed = self.expr(operand)?;
        match op {
            UnaryOp::Not => self.want(operand, &typed, Type::Bool, "what `!` negates").then(|| {
                Typed::new(Expr::Not(typed.expr.into()), Type::Bool, typed.can_be_missing)
            }),
            UnaryOp::Negate => {
                let ty = typed.ty;
                if !matches!(ty, Type::Number | Type::Duration | Type::Any) {
                    self.error(operand, format!("`-` takes a number, and this is a {ty}"));
                    return None;
                }
                Some(Typed::new(Expr::Negate(typed.expr.into()), ty, typed.can_be_missing))
            }
        }
    }

    pub(super) fn arithmetic(
        &mut self,
        ast: &cel::Expr,
        op: ArithmeticOp,
        left: &cel::Expr,
        right: &cel::Expr,
    ) -> Option<Typed> {
        let (a, b) = (self.expr(left), self.expr(right));
        let (a, b) = (a?, b?);
        let op_ty = match op {
            ArithmeticOp::Add => Arithmetic::Add,
            ArithmeticOp::Subtract => Arithmetic::Subtract,
            ArithmeticOp::Multiply => Arithmetic::Multiply,
            ArithmeticOp::Divide => Arithmetic::Divide,
            ArithmeticOp::Remainder => Arithmetic::Remainder,
        };
        let ty = match (op_ty, a.ty, b.ty) {
            (_, Type::Number | Type::Any, Type::Number | Type::Any) => Type::Number,
            (Arithmetic::Add | Arithmetic::Subtract, Type::Duration, Type::Duration)
            | (Arithmetic::Multiply, Type::Duration, Type::Number)
            | (Arithmetic::Multiply, Type::Number, Type::Duration)
            | (Arithmetic::Divide, Type::Duration, Type::Number)
            | (Arithmetic::Subtract, Type::Timestamp, Type::Timestamp) => Type::Duration,
            (Arithmetic::Divide, Type::Duration, Type::Duration) => Type::Number,
            (Arithmetic::Add, Type::Text, Type::Text) => {
                self.error(ast, "strings can't be joined")
                    .help("compare them with `startsWith`, `endsWith`, `contains` or `matches`");
                return None;
            }
            (_, a, b) => {
                self.error(ast, format!("`{}` does not take {a} and {b}", op.symbol()));
                return None;
            }
        };
        // A quotient can be 0/0, which is no number.
        let can_be_missing = a.can_be_missing
            || b.can_be_missing
            || (matches!(op_ty, Arithmetic::Divide | Arithmetic::Remainder)
                && !matches!(b.expr, Expr::Number(x) if x != 0.0));
        let (left, right) = (a.expr.into(), b.expr.into());
        Some(Typed::new(Expr::Arithmetic { op: op_ty, left, right }, ty, can_be_missing))
    }

    pub(super) fn compare(
        &mut self,
        ast: &cel::Expr,
        op: CompareOp,
        left: &cel::Expr,
        right: &cel::Expr,
    ) -> Option<Typed> {
        let compare = match op {
            CompareOp::Equal => Comparison::Equal,
            CompareOp::NotEqual => Comparison::NotEqual,
            CompareOp::Less => Comparison::Less,
            CompareOp::LessOrEqual => Comparison::LessOrEqual,
            CompareOp::Greater => Comparison::Greater,
            CompareOp::GreaterOrEqual => Comparison::GreaterOrEqual,
            CompareOp::In => return self.membership(ast, left, right),
        };
        let ordered = !matches!(op, CompareOp::Equal | CompareOp::NotEqual);
        let is_level = |e: &cel::Expr| matches!(&e.kind, ExprKind::Ident(name) if name == "level");
        if ordered && (is_level(left) || is_level(right)) {
            self.error(ast, "levels are not compared by `<` and `>`")
                .help("ask `at_or_worse(\"high\")`, which follows trust in both directions");
            return None;
        }
        let (a, b) = (self.expr(left), self.expr(right));
        let (mut a, mut b) = (a?, b?);
        self.read_duration(right, &mut b, a.ty)?;
        self.read_duration(left, &mut a, b.ty)?;
        self.check_choice(right, &b, a.choices.as_deref());
        self.check_choice(left, &a, b.choices.as_deref());
        let comparable = match (a.ty, b.ty) {
            (Type::Null, _) | (_, Type::Null) => !ordered,
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::Address, Type::Text) | (Type::Text, Type::Address) => !ordered,
            (Type::Location, _) | (_, Type::Location) => false,
            (Type::Bool, Type::Bool) | (Type::Set, Type::Set) => !ordered,
            (a, b) => a == b,
        };
        if !comparable {
            let (a, b) = (a.ty, b.ty);
            self.error(ast, format!("`{}` does not compare {a} with {b}", op.symbol()))
                .label(format!("{a} {} {b}", op.symbol()));
            return None;
        }
        let can_be_missing = a.can_be_missing || b.can_be_missing;
        let (left, right) = (a.expr.into(), b.expr.into());
        Some(Typed::new(Expr::Compare { op: compare, left, right }, Type::Bool, can_be_missing))
    }

    /// A string literal beside a duration is a time window: `age(x) < "24h"`.
    fn read_duration(&mut self, ast: &cel::Expr, typed: &mut Typed, other: Type) -> Option<()> {
        let ExprKind::String(text) = &ast.kind else { return Some(()) };
        if other != Type::Duration {
            return Some(());
        }
        let Some(seconds) = parse_duration(text) else {
            self.error(ast, format!("{} is not a duration", quoted(text)))
                .help("write `\"30s\"`, `\"5m\"`, `\"24h\"` or `\"28d\"`");
            return None;
        };
        *typed = Typed::new(Expr::Duration(seconds), Type::Duration, false);
        Some(())
    }

    /// A literal compared with an enum must be one of its values.
    fn check_choice(&mut self, ast: &cel::Expr, typed: &Typed, choices: Option<&[Arc<str>]>) {
        let (Expr::Text(text), Some(choices)) = (&typed.expr, choices) else { return };
        if !choices.iter().any(|c| c == text) {
            let names: Vec<&str> = choices.iter().map(|c| &**c).collect();
            let list = names.join("`, `");
            let found = self.error(ast, format!("{} is none of its values", quoted(text)));
            found.help(format!("there are `{list}`"));
            found.did_you_mean(text, names);
        }
    }

    pub(super) fn membership(
        &mut self,
        ast: &cel::Expr,
        left: &cel::Expr,
        right: &cel::Expr,
    ) -> Option<Typed> {
        if let Some([first, rest @ ..]) = right.dotted().as_deref()
            && *first == "lists"
        {
            let [list] = rest else {
                self.error(right, "a list is named `lists.NAME`");
                return None;
            };
            return self.listed(ast, left, right, list);
        }
        let value = self.expr(left);
        if let ExprKind::List(items) = &right.kind {
            return self.literal_list(left, value?, items);
        }
        let (value, set) = (value?, self.expr(right)?);
        if !matches!(set.ty, Type::Set | Type::Any) {
            let message = format!("`in` takes a list or a set, and this is a {}", set.ty);
            self.error(right, message);
            return None;
        }
        if !self.want(left, &value, Type::Text, "a member of a set") {
            return None;
        }
        let can_be_missing = value.can_be_missing || set.can_be_missing;
        let expr = Expr::InSet { value: value.expr.into(), set: set.expr.into() };
        Some(Typed::new(expr, Type::Bool, can_be_missing))
    }

    fn literal_list(&mut self, at: &cel::Expr, value: Typed, items: &[cel::Expr]) -> Option<Typed> {
        let mut set = LiteralSet::default();
        for item in items {
            let ty = match &item.kind {
                ExprKind::String(text) => {
                    let text: Arc<str> = text.as_str().into();
                    let literal = Typed::new(Expr::Text(text.clone()), Type::Text, false);
                    self.check_choice(item, &literal, value.choices.as_deref());
                    set.texts.push(text);
                    Type::Text
                }
                ExprKind::Number(x) => {
                    set.numbers.push(*x);
                    Type::Number
                }
                ExprKind::Bool(b) => {
                    set.bools.push(*b);
                    Type::Bool
                }
                _ => {
                    self.error(item, "a list holds literals: strings, numbers or bools");
                    return None;
                }
            };
            if value.ty == Type::Address {
                self.error(at, "an address is not compared with a list of literals")
                    .help("declare a list of type `cidr` in the catalog and ask `in lists.NAME`");
                return None;
            }
            if value.ty != ty && value.ty != Type::Any {
                self.error(item, format!("a {ty} in a list that a {} is looked up in", value.ty));
                return None;
            }
        }
        set.texts.sort();
        let expr = Expr::InLiteral { value: value.expr.into(), set };
        Some(Typed::new(expr, Type::Bool, value.can_be_missing))
    }

    fn listed(
        &mut self,
        ast: &cel::Expr,
        left: &cel::Expr,
        right: &cel::Expr,
        list: &str,
    ) -> Option<Typed> {
        let Some(at) = self.catalogs.lists.iter().position(|l| *l.name == *list) else {
            let names: Vec<_> = self.catalogs.lists.iter().map(|l| l.name.clone()).collect();
            self.error(right, format!("unknown list {}", quoted(list)))
                .help("declare it in the catalog, under `lists`")
                .did_you_mean(list, names.iter().map(|n| &**n));
            return None;
        };
        let (value, ty) = self.argument(left)?;
        if !matches!(ty, Type::Text | Type::Address | Type::Any) {
            self.error(left, format!("a list is of strings or addresses, and this is a {ty}"));
            return None;
        }
        let membership = Membership { list: u16::try_from(at).unwrap_or(u16::MAX), value };
        let slot =
            self.slots.intern(&ast.to_string(), Source::Listed(membership), Type::Bool, true);
        Some(self.slot(slot))
    }

    pub(super) fn logical(&mut self, op: LogicalOp, terms: &[cel::Expr]) -> Option<Typed> {
        let known_before = self.facts.len();
        let mut compiled = Vec::with_capacity(terms.len());
        let mut can_be_missing = false;
        let mut failed = false;
        for term in terms {
            match self.expr(term) {
                Some(typed) if self.want(term, &typed, Type::Bool, "what `&&` and `||` join") => {
                    can_be_missing |= typed.can_be_missing;
                    compiled.push(typed.expr);
                }
                _ => failed = true,
            }
            // Evaluation goes on only where `known(x)` holds.
            let going_on = match op {
                LogicalOp::And => known_fact(term),
                LogicalOp::Or => negated(term).and_then(known_fact),
            };
            self.facts.extend(going_on);
        }
        self.facts.truncate(known_before);
        if failed {
            return None;
        }
        let terms = compiled.into_boxed_slice();
        let expr = match op {
            LogicalOp::And => Expr::All(terms),
            LogicalOp::Or => Expr::Any(terms),
        };
        Some(Typed::new(expr, Type::Bool, can_be_missing))
    }

    pub(super) fn choose(
        &mut self,
        ast: &cel::Expr,
        condition: &cel::Expr,
        then: &cel::Expr,
        otherwise: &cel::Expr,
    ) -> Option<Typed> {
        let when = self.expr(condition);
        let known_before = self.facts.len();
        self.facts.extend(known_fact(condition));
        let then = self.expr(then);
        self.facts.truncate(known_before);
        self.facts.extend(negated(condition).and_then(known_fact));
        let otherwise = self.expr(otherwise);
        self.facts.truncate(known_before);
        let (when, then, otherwise) = (when?, then?, otherwise?);
        if !self.want(condition, &when, Type::Bool, "a condition") {
            return None;
        }
        let ty = match (then.ty, otherwise.ty) {
            (a, b) if a == b => a,
            (Type::Any, b) => b,
            (a, Type::Any) => a,
            (a, b) => {
                self.error(ast, format!("the branches differ: {a} and {b}"));
                return None;
            }
        };
        let can_be_missing = when.can_be_missing || then.can_be_missing || otherwise.can_be_missing;
        let expr = Expr::Choose {
            when: when.expr.into(),
            then: then.expr.into(),
            otherwise: otherwise.expr.into(),
        };
        Some(Typed::new(expr, ty, can_be_missing))
    }
}

/// The expression that `known(x)` says is known.
fn known_fact(ast: &cel::Expr) -> Option<String> {
    match &ast.kind {
        ExprKind::Call { function, args } if function.text == "known" => {
            args.first().map(ToString::to_string)
        }
        _ => None,
    }
}

fn negated(ast: &cel::Expr) -> Option<&cel::Expr> {
    match &ast.kind {
        ExprKind::Unary { op: UnaryOp::Not, operand } => Some(operand),
        _ => None,
    }
}
