//! Expressions: names resolved to slots, types checked, compiled to the engine's ops.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::catalog::Catalogs;
use super::slots::Slots;
use crate::engine::{Arithmetic, Comparison, Expr, LiteralSet, PolicyId};
use crate::model::{Constant, HttpField, Membership, Owner, PolicyField, SlotId, Source, Type};
use crate::policy::cel::{self, ArithmeticOp, CompareOp, ExprKind, LogicalOp, UnaryOp};
use crate::policy::diagnostic::{Diagnostic, Diagnostics, Place, quoted};
use crate::policy::source::{Node, parse_duration};

/// How far a decision has come: what an expression can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Signals and the request only.
    Value,
    /// Factors and sub-scores too: an adjustment of a dimension.
    SubScore,
    /// The score, level and confidence too.
    Decide,
}

/// Names that one policy gives.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) factors: Vec<Arc<str>>,
    pub(super) dimensions: Vec<Arc<str>>,
    pub(super) thresholds: Vec<Arc<str>>,
    pub(super) levels: Vec<Arc<str>>,
}

/// A compiled expression with what is known of its value.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) ty: Type,
    /// Whether the value can be missing.
    pub(super) can_be_missing: bool,
    /// The values of an enum, for checking literals against.
    pub(super) choices: Option<Arc<[Arc<str>]>>,
}

impl Typed {
    pub(super) fn new(expr: Expr, ty: Type, can_be_missing: bool) -> Self {
        Typed { expr, ty, can_be_missing, choices: None }
    }
}

/// Compiles the expressions of one policy (or of the catalogs).
pub(super) struct Expressions<'c, 'a> {
    pub(super) catalogs: &'c Catalogs<'a>,
    pub(super) policies: &'c HashMap<&'a str, PolicyId>,
    pub(super) slots: &'c mut Slots,
    pub(super) diagnostics: &'c mut Diagnostics,
    pub(super) names: Names,
    /// Slots read so far, with those that fill them.
    pub(super) reads: BTreeSet<SlotId>,
    /// Policies composed so far, and where.
    pub(super) composes: BTreeMap<PolicyId, Place>,
    pub(super) results: BTreeSet<(PolicyId, PolicyField, SlotId)>,
    pub(super) stage: Stage,
    place: Node<'a>,
    /// Expressions known to be known where the present one is evaluated.
    facts: Vec<String>,
    /// How many more nodes this expression may have once `exists` is unrolled.
    budget: usize,
}

/// Unrolled `exists` can multiply; a condition that a person wrote stays far below.
const MAX_NODES: usize = 20_000;

impl<'c, 'a> Expressions<'c, 'a> {
    pub(super) fn new(
        catalogs: &'c Catalogs<'a>,
        policies: &'c HashMap<&'a str, PolicyId>,
        slots: &'c mut Slots,
        diagnostics: &'c mut Diagnostics,
        place: Node<'a>,
    ) -> Self {
        Expressions {
            catalogs,
            policies,
            slots,
            diagnostics,
            names: Names::default(),
            reads: BTreeSet::new(),
            composes: BTreeMap::new(),
            results: BTreeSet::new(),
            stage: Stage::Value,
            place,
            facts: Vec::new(),
            budget: MAX_NODES,
        }
    }

    /// Compiles the expression that stands at `node`.
    pub(super) fn read(&mut self, node: Node<'a>, stage: Stage) -> Option<Typed> {
        let ast = node.expression(self.diagnostics)?;
        self.compile(node, &ast, stage)
    }

    /// Compiles a condition: an expression that must be a bool.
    pub(super) fn condition(&mut self, node: Node<'a>, stage: Stage) -> Option<Typed> {
        let ast = node.expression(self.diagnostics)?;
        let typed = self.compile(node, &ast, stage)?;
        self.want(&ast, &typed, Type::Bool, "a condition").then_some(typed)
    }

    pub(super) fn compile(
        &mut self,
        node: Node<'a>,
        ast: &cel::Expr,
        stage: Stage,
    ) -> Option<Typed> {
        self.place = node;
        self.stage = stage;
        self.facts.clear();
        self.budget = MAX_NODES;
        self.expr(ast)
    }

    /// An error at a part of the present expression.
    pub(super) fn error(&mut self, at: &cel::Expr, message: impl Into<String>) -> &mut Diagnostic {
        let place = self.place_of(at.span.clone());
        self.diagnostics.error(place, message)
    }

    pub(super) fn place_of(&self, span: std::ops::Range<usize>) -> Place {
        self.place.sub_place(span)
    }

    /// Whether the value is of the type, or can be told only at request time.
    pub(super) fn want(&mut self, at: &cel::Expr, typed: &Typed, ty: Type, what: &str) -> bool {
        if typed.ty == ty || typed.ty == Type::Any {
            return true;
        }
        self.error(at, format!("{what} must be a {ty}, and this is a {}", typed.ty));
        false
    }

    pub(super) fn expr(&mut self, ast: &cel::Expr) -> Option<Typed> {
        match self.budget.checked_sub(1) {
            Some(rest) => self.budget = rest,
            None => {
                self.error(ast, "the expression is too large once `exists` is unrolled");
                return None;
            }
        }
        let mut typed = self.expr_unaware(ast)?;
        if typed.can_be_missing && !self.facts.is_empty() {
            typed.can_be_missing = !self.facts.contains(&ast.to_string());
        }
        Some(typed)
    }

    fn expr_unaware(&mut self, ast: &cel::Expr) -> Option<Typed> {
        match &ast.kind {
            ExprKind::Number(x) => Some(Typed::new(Expr::Number(*x), Type::Number, false)),
            ExprKind::Bool(b) => Some(Typed::new(Expr::Bool(*b), Type::Bool, false)),
            ExprKind::String(text) => {
                Some(Typed::new(Expr::Text(text.as_str().into()), Type::Text, false))
            }
            ExprKind::Null => Some(Typed::new(Expr::Null, Type::Null, false)),
            ExprKind::List(_) => {
                self.error(ast, "a list can only stand to the right of `in`");
                None
            }
            ExprKind::Ident(_) | ExprKind::Select { .. } | ExprKind::Index { .. } => self.name(ast),
            ExprKind::Call { function, args } => self.call(ast, function, args),
            ExprKind::Method { base, method, args } => self.method(ast, base, method, args),
            ExprKind::Unary { op, operand } => self.unary(*op, operand),
            ExprKind::Arithmetic { op, left, right, .. } => self.arithmetic(ast, *op, left, right),
            ExprKind::Compare { op: CompareOp::In, left, right, .. } => {
                self.membership(ast, left, right)
            }
            ExprKind::Compare { op, left, right, .. } => self.compare(ast, *op, left, right),
            ExprKind::Logical { op, terms } => self.logical(*op, terms),
            ExprKind::Ternary { condition, then, otherwise } => {
                self.choose(ast, condition, then, otherwise)
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &cel::Expr) -> Option<Typed> {
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

    fn arithmetic(
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

    fn compare(
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

    fn membership(
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
                    set.texts.insert(text);
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

    fn logical(&mut self, op: LogicalOp, terms: &[cel::Expr]) -> Option<Typed> {
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

    fn choose(
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

    /// An argument that look-up needs: a slot of its own.
    pub(super) fn argument(&mut self, ast: &cel::Expr) -> Option<(SlotId, Type)> {
        let typed = self.expr(ast)?;
        let slot = match typed.expr {
            Expr::Slot(slot) => slot,
            Expr::Text(text) => self.slots.constant(Constant::Text(text)),
            Expr::Number(x) => self.slots.constant(Constant::Number(x)),
            Expr::Bool(b) => self.slots.constant(Constant::Bool(b)),
            _ => {
                self.error(ast, "look-up takes a name or a literal here")
                    .help("it happens before anything is calculated: compare or calculate outside");
                return None;
            }
        };
        Some((slot, typed.ty))
    }

    /// Reads a slot.
    pub(super) fn slot(&mut self, id: SlotId) -> Typed {
        self.slots.close(id, &mut self.reads);
        let (ty, can_be_missing) =
            self.slots.get(id).map_or((Type::Any, true), |slot| (slot.ty, slot.can_be_missing));
        Typed::new(Expr::Slot(id), ty, can_be_missing)
    }

    /// `owner.key`, a property that the caller sends.
    pub(super) fn property(&mut self, owner: Owner, key: &str, name: &str, ty: Type) -> Typed {
        let source = Source::Property { owner, key: key.into() };
        let slot = self.slots.intern(name, source, ty, true);
        self.slot(slot)
    }

    pub(super) fn http(&mut self, field: HttpField, name: &str) -> Typed {
        let slot = self.slots.intern(name, Source::Http(field), Type::Text, true);
        self.slot(slot)
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
