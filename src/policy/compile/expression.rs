//! Expressions: names resolved to slots, types checked, compiled to the engine's ops.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Composable;
use super::catalog::Catalogs;
use super::slots::Slots;
use crate::engine::{Expr, PolicyId};
use crate::model::{Constant, HttpField, Owner, PolicyField, SlotId, Source, Type};
use crate::policy::cel::{self, CompareOp, ExprKind};
use crate::policy::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::policy::source::Node;

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
    /// What decisions show announced changes as.
    pub(super) expected: Vec<Arc<str>>,
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
    pub(super) policies: &'c HashMap<&'a str, Composable>,
    pub(super) slots: &'c mut Slots<'a>,
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
    pub(super) facts: Vec<String>,
    /// How many more nodes this expression may have once `exists` is unrolled.
    budget: usize,
}

/// Unrolled `exists` can multiply; a condition that a person wrote stays far below.
const MAX_NODES: usize = 20_000;

impl<'c, 'a> Expressions<'c, 'a> {
    pub(super) fn new(
        catalogs: &'c Catalogs<'a>,
        policies: &'c HashMap<&'a str, Composable>,
        slots: &'c mut Slots<'a>,
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

    /// Begins an expression that is not compiled as a whole.
    pub(super) fn begin(&mut self, node: Node<'a>, stage: Stage) -> Option<cel::Expr> {
        let ast = node.expression(self.diagnostics)?;
        self.place = node;
        self.stage = stage;
        self.facts.clear();
        self.budget = MAX_NODES;
        Some(ast)
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
