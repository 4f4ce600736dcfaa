//! The canonical one-line form of an expression: it parses back to the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::ast::{ArithmeticOp, Expr, ExprKind};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(value) => write_number(f, *value),
            ExprKind::String(text) => write_string(f, text),
            ExprKind::Bool(value) => write!(f, "{value}"),
            ExprKind::Null => f.write_str("null"),
            ExprKind::Ident(name) => f.write_str(name),
            ExprKind::List(items) => {
                f.write_str("[")?;
                write_list(f, items)?;
                f.write_str("]")
            }
            ExprKind::Select { base, field } => {
                write_base(f, base)?;
                write!(f, ".{}", field.text)
            }
            ExprKind::Index { base, index } => {
                write_base(f, base)?;
                write!(f, "[{index}]")
            }
            ExprKind::Call { function, args } => {
                write!(f, "{}(", function.text)?;
                write_list(f, args)?;
                f.write_str(")")
            }
            ExprKind::Method { base, method, args } => {
                write_base(f, base)?;
                write!(f, ".{}(", method.text)?;
                write_list(f, args)?;
                f.write_str(")")
            }
            ExprKind::Unary { op, operand } => {
                f.write_str(op.symbol())?;
                // Two operators in a row would be one token or no CEL at all.
                write_within(f, operand, is_tight(operand))
            }
            ExprKind::Arithmetic { op, left, right, .. } => {
                write_within(f, left, level(left) >= level(self))?;
                write!(f, " {} ", op.symbol())?;
                write_within(f, right, level(right) > level(self))
            }
            ExprKind::Compare { op, left, right, .. } => {
                write_within(f, left, level(left) >= level(self))?;
                write!(f, " {} ", op.symbol())?;
                write_within(f, right, level(right) > level(self))
            }
            ExprKind::Logical { op, terms } => {
                for (index, term) in terms.iter().enumerate() {
                    if index > 0 {
                        write!(f, " {} ", op.symbol())?;
                    }
                    write_within(f, term, level(term) > level(self))?;
                }
                Ok(())
            }
            ExprKind::Ternary { condition, then, otherwise } => {
                write_within(f, condition, level(condition) > level(self))?;
                f.write_str(" ? ")?;
                write_within(f, then, level(then) > level(self))?;
                write!(f, " : {otherwise}")
            }
        }
    }
}

/// How tightly the outermost operator binds.
fn level(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Ternary { .. } => 0,
        ExprKind::Logical { op: super::LogicalOp::Or, .. } => 1,
        ExprKind::Logical { op: super::LogicalOp::And, .. } => 2,
        ExprKind::Compare { .. } => 3,
        ExprKind::Arithmetic { op: ArithmeticOp::Add | ArithmeticOp::Subtract, .. } => 4,
        ExprKind::Arithmetic { .. } => 5,
        ExprKind::Unary { .. } => 6,
        _ => 7,
    }
}

fn is_tight(expr: &Expr) -> bool {
    level(expr) == 7 && !matches!(expr.kind, ExprKind::Number(_))
}

fn write_base(f: &mut Formatter<'_>, base: &Expr) -> fmt::Result {
    write_within(f, base, is_tight(base))
}

fn write_within(f: &mut Formatter<'_>, expr: &Expr, bare: bool) -> fmt::Result {
    if bare { write!(f, "{expr}") } else { write!(f, "({expr})") }
}

fn write_list(f: &mut Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// The shortest digits that read back the same; with an exponent where a plain
/// form would be a row of zeros or a whole number beyond the exact ones.
fn write_number(f: &mut Formatter<'_>, value: f64) -> fmt::Result {
    let size = value.abs();
    if size != 0.0 && !(1e-5..1e15).contains(&size) {
        write!(f, "{value:e}")
    } else {
        write!(f, "{value}")
    }
}

fn write_string(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
