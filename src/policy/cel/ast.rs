//! The tree of an expression.

use std::ops::Range;

/// An expression and the bytes it was written in.
#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    /// Bytes in the expression's text, without surrounding parentheses.
    pub span: Range<usize>,
}

/// A name with its place: a field, a function, a method.
#[derive(Clone, Debug)]
pub struct Name {
    pub text: String,
    pub span: Range<usize>,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// Always finite. `-1` is one literal.
    Number(f64),
    String(String),
    Bool(bool),
    Null,
    List(Vec<Expr>),
    Ident(String),
    /// `base.field`
    Select {
        base: Box<Expr>,
        field: Name,
    },
    /// `base[index]`
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    /// `function(args)`; `has(x)` too.
    Call {
        function: Name,
        args: Vec<Expr>,
    },
    /// `base.method(args)`; `[..].exists(v, body)` too.
    Method {
        base: Box<Expr>,
        method: Name,
        args: Vec<Expr>,
    },
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    Arithmetic {
        op: ArithmeticOp,
        op_span: Range<usize>,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Compare {
        op: CompareOp,
        op_span: Range<usize>,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `a && b && c` is one node of two or more terms, none of them of the same
    /// operator: long conditions stay flat.
    Logical {
        op: LogicalOp,
        terms: Vec<Expr>,
    },
    /// `condition ? then : otherwise`
    Ternary {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Negate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `x in list`
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogicalOp {
    And,
    Or,
}

impl UnaryOp {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::Negate => "-",
        }
    }
}

impl ArithmeticOp {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl CompareOp {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

impl LogicalOp {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}

impl Expr {
    /// The expressions right below, in the order of the text.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Bool(_)
            | ExprKind::Null
            | ExprKind::Ident(_) => Vec::new(),
            ExprKind::List(terms) | ExprKind::Logical { terms, .. } => terms.iter().collect(),
            ExprKind::Call { args, .. } => args.iter().collect(),
            ExprKind::Select { base, .. } => vec![base],
            ExprKind::Unary { operand, .. } => vec![operand],
            ExprKind::Index { base, index } => vec![base, index],
            ExprKind::Method { base, args, .. } => {
                std::iter::once(base.as_ref()).chain(args).collect()
            }
            ExprKind::Arithmetic { left, right, .. } | ExprKind::Compare { left, right, .. } => {
                vec![left, right]
            }
            ExprKind::Ternary { condition, then, otherwise } => vec![condition, then, otherwise],
        }
    }

    /// The expressions right below, to change them in place.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Bool(_)
            | ExprKind::Null
            | ExprKind::Ident(_) => Vec::new(),
            ExprKind::List(terms) | ExprKind::Logical { terms, .. } => terms.iter_mut().collect(),
            ExprKind::Call { args, .. } => args.iter_mut().collect(),
            ExprKind::Select { base, .. } => vec![base],
            ExprKind::Unary { operand, .. } => vec![operand],
            ExprKind::Index { base, index } => vec![base, index],
            ExprKind::Method { base, args, .. } => {
                std::iter::once(base.as_mut()).chain(args).collect()
            }
            ExprKind::Arithmetic { left, right, .. } | ExprKind::Compare { left, right, .. } => {
                vec![left, right]
            }
            ExprKind::Ternary { condition, then, otherwise } => vec![condition, then, otherwise],
        }
    }

    /// The names of `a.b.c`, first to last; none where it is anything else.
    pub fn dotted(&self) -> Option<Vec<&str>> {
        let mut names = Vec::new();
        let mut at = self;
        loop {
            match &at.kind {
                ExprKind::Ident(name) => names.push(name.as_str()),
                ExprKind::Select { base, field } => {
                    names.push(field.text.as_str());
                    at = base;
                    continue;
                }
                _ => return None,
            }
            names.reverse();
            return Some(names);
        }
    }
}
