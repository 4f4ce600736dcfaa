//! Expressions: CEL syntax, with a byte span on every node.
//!
//! The parser is our own because an author wants the column of a *type* error
//! too, and no CEL library for Rust gives the offsets of a tree that parsed.
//! It reads the part of CEL that the policy language has; the tests hold it
//! against the `cel` crate's parser.

mod ast;
mod cursor;
mod display;
mod lexer;
mod parser;

use std::ops::Range;

pub use ast::{ArithmeticOp, CompareOp, Expr, ExprKind, LogicalOp, Name, UnaryOp};

/// Expressions of more bytes are refused before they are parsed.
pub const MAX_BYTES: usize = 4096;
/// Brackets, arguments, unary operators and branches may nest this deep.
pub const MAX_NESTING: usize = 32;
/// The tree may be this high: chains (`a + b + c ...`, `a.b.c`) grow a level a
/// link without nesting. Walks of the tree may recurse.
pub const MAX_HEIGHT: usize = 128;

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Bytes in the expression's text.
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

/// Parses one expression; the errors come in the order of the text.
pub fn parse(text: &str) -> Result<Expr, Vec<SyntaxError>> {
    parser::parse(text)
}

/// Whether a name is taken by CEL and can't name a signal, a factor or a list.
pub fn is_reserved(word: &str) -> bool {
    lexer::KEYWORDS.contains(&word) || lexer::RESERVED.contains(&word)
}

#[cfg(test)]
mod tests;
