//! From tokens to a tree, by precedence climbing (Pratt).
//!
//! Precedence and associativity are those of the CEL specification, loosest
//! first: `?:` (right), `||`, `&&`, relations (left), `+ -`, `* / %`, unary,
//! member access.

use std::ops::Range;

use super::ast::{ArithmeticOp, CompareOp, Expr, ExprKind, LogicalOp, Name, UnaryOp};
use super::cursor::{Parsed, Parser, Stop, Tall};
use super::lexer::{self, Token};
use super::{MAX_BYTES, SyntaxError, is_reserved};

pub(super) fn parse(text: &str) -> Result<Expr, Vec<SyntaxError>> {
    let mut errors = Vec::new();
    if text.len() > MAX_BYTES {
        let message = format!("the expression is longer than {MAX_BYTES} bytes");
        errors.push(SyntaxError { span: 0..text.len(), message, help: None });
        return Err(errors);
    }
    let tokens = lexer::tokens(text, &mut errors).unwrap_or_default();
    if tokens.is_empty() {
        return Err(errors);
    }
    let mut parser = Parser::new(tokens, errors);
    let parsed = parser.whole();
    let mut errors = parser.into_errors();
    errors.sort_by_key(|error| error.span.start);
    match parsed {
        Ok(tall) if errors.is_empty() => Ok(tall.expr),
        _ => Err(errors),
    }
}

#[derive(Clone, Copy)]
enum Infix {
    Logical(LogicalOp),
    Compare(CompareOp),
    Arithmetic(ArithmeticOp),
}

/// The tightest binary level: operands of `*` are unary expressions.
const TIGHTEST: u8 = 5;

impl Infix {
    fn of(token: &Token) -> Option<(u8, Self)> {
        use {ArithmeticOp as A, CompareOp as C, Infix as I};
        Some(match token {
            Token::Symbol("||") => (1, I::Logical(LogicalOp::Or)),
            Token::Symbol("&&") => (2, I::Logical(LogicalOp::And)),
            Token::Symbol("==") => (3, I::Compare(C::Equal)),
            Token::Symbol("!=") => (3, I::Compare(C::NotEqual)),
            Token::Symbol("<") => (3, I::Compare(C::Less)),
            Token::Symbol("<=") => (3, I::Compare(C::LessOrEqual)),
            Token::Symbol(">") => (3, I::Compare(C::Greater)),
            Token::Symbol(">=") => (3, I::Compare(C::GreaterOrEqual)),
            Token::Word(word) if word == "in" => (3, I::Compare(C::In)),
            Token::Symbol("+") => (4, I::Arithmetic(A::Add)),
            Token::Symbol("-") => (4, I::Arithmetic(A::Subtract)),
            Token::Symbol("*") => (5, I::Arithmetic(A::Multiply)),
            Token::Symbol("/") => (5, I::Arithmetic(A::Divide)),
            Token::Symbol("%") => (5, I::Arithmetic(A::Remainder)),
            _ => return None,
        })
    }
}

impl Parser {
    fn whole(&mut self) -> Parsed {
        if *self.peek() == Token::End {
            return self.fail(self.span(), "expected an expression, found nothing", "");
        }
        let expr = self.expression()?;
        match self.peek() {
            Token::End => Ok(expr),
            Token::Symbol("?" | ":") => {
                self.unexpected("put a conditional within another in brackets")
            }
            Token::Word(_) | Token::Number(_) | Token::String(_) => {
                self.unexpected("an operator is missing before it")
            }
            _ => self.unexpected(""),
        }
    }

    /// `condition ? then : otherwise`, or anything tighter.
    fn expression(&mut self) -> Parsed {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Parsed {
        let condition = self.binary(1)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let then = self.nested(|parser| parser.binary(1))?;
        self.expect(":")?;
        let otherwise = self.expression()?;
        let span = condition.outer.start..otherwise.outer.end;
        let height = condition.height.max(then.height).max(otherwise.height);
        let kind = ExprKind::Ternary {
            condition: Box::new(condition.expr),
            then: Box::new(then.expr),
            otherwise: Box::new(otherwise.expr),
        };
        self.grown(kind, span, height)
    }

    /// Operators that bind at least as tightly as `level`.
    fn binary(&mut self, level: u8) -> Parsed {
        if level > TIGHTEST {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        loop {
            self.read_worded_operator();
            let Some((_, infix)) = Infix::of(self.peek()).filter(|(found, _)| *found == level)
            else {
                return Ok(left);
            };
            let op_span = self.advance();
            let right = self.binary(level + 1)?;
            left = self.joined(infix, op_span, left, right)?;
        }
    }

    fn joined(&mut self, infix: Infix, op_span: Range<usize>, left: Tall, right: Tall) -> Parsed {
        let span = left.outer.start..right.outer.end;
        let height = left.height.max(right.height);
        if let Infix::Logical(op) = infix {
            // A chain is one flat node: it is as high as its highest term.
            let flat = |tall: &Tall| matches!(&tall.expr.kind, ExprKind::Logical { op: inner, .. } if *inner == op);
            let below = |tall: &Tall| if flat(tall) { tall.height - 1 } else { tall.height };
            let height = below(&left).max(below(&right));
            let mut terms = into_terms(left.expr, op);
            terms.append(&mut into_terms(right.expr, op));
            return self.grown(ExprKind::Logical { op, terms }, span, height);
        }
        let (left, right) = (Box::new(left.expr), Box::new(right.expr));
        let kind = match infix {
            Infix::Compare(op) => ExprKind::Compare { op, op_span, left, right },
            Infix::Arithmetic(op) => ExprKind::Arithmetic { op, op_span, left, right },
            Infix::Logical(op) => ExprKind::Logical { op, terms: vec![*left, *right] },
        };
        self.grown(kind, span, height)
    }

    fn unary(&mut self) -> Parsed {
        let op = match self.peek() {
            Token::Symbol("!") => UnaryOp::Not,
            Token::Symbol("-") => UnaryOp::Negate,
            Token::Word(word) if word == "not" && self.operand_follows() => {
                self.note(self.span(), "`not` is written `!`", "");
                UnaryOp::Not
            }
            _ => return self.member(),
        };
        let start = self.advance().start;
        let operand = self.nested(|parser| match parser.peek() {
            Token::Symbol(next @ ("!" | "-")) if *next != op.symbol() => {
                let literal = *next == "-" && matches!(parser.peek_second(), Token::Number(_));
                if !literal {
                    return parser.unexpected("put brackets around it");
                }
                parser.unary()
            }
            _ => parser.unary(),
        })?;
        let span = start..operand.outer.end;
        match operand.expr.kind {
            ExprKind::Number(value) if op == UnaryOp::Negate => {
                self.grown(ExprKind::Number(-value), span, 0)
            }
            _ => {
                let kind = ExprKind::Unary { op, operand: Box::new(operand.expr) };
                self.grown(kind, span, operand.height)
            }
        }
    }

    /// A primary and what follows it: `.field`, `.method(..)`, `[index]`.
    fn member(&mut self) -> Parsed {
        let start = self.span().start;
        let mut base = self.primary()?;
        loop {
            if self.eat(".") {
                let field = self.field()?;
                base = self.after_dot(base, field, start)?;
            } else if self.eat("[") {
                let index = self.expression()?;
                self.expect("]")?;
                let height = base.height.max(index.height);
                let kind =
                    ExprKind::Index { base: Box::new(base.expr), index: Box::new(index.expr) };
                base = self.grown(kind, start..self.end(), height)?;
            } else if *self.peek() == Token::Symbol("{") {
                return self.fail(self.span(), "messages are not part of the language", "");
            } else {
                return Ok(base);
            }
        }
    }

    fn after_dot(&mut self, base: Tall, field: Name, start: usize) -> Parsed {
        let below = base.height;
        let base = Box::new(base.expr);
        if !self.eat("(") {
            return self.grown(ExprKind::Select { base, field }, start..self.end(), below);
        }
        let (args, height) = self.list(")")?;
        let kind = ExprKind::Method { base, method: field, args };
        self.grown(kind, start..self.end(), height.max(below))
    }

    fn field(&mut self) -> Result<Name, Stop> {
        match self.peek().clone() {
            // CEL keeps its reserved words from variables, not from fields.
            Token::Word(text) if !lexer::KEYWORDS.contains(&text.as_str()) => {
                Ok(Name { text, span: self.advance() })
            }
            Token::Symbol("?") => self.unexpected("optional fields are not part of the language"),
            _ => self.unexpected("a name is expected after `.`"),
        }
    }

    fn primary(&mut self) -> Parsed {
        let span = self.span();
        let literal = match self.peek().clone() {
            Token::Number(value) => ExprKind::Number(value),
            Token::String(text) => ExprKind::String(text),
            Token::Word(word) => return self.word(word),
            Token::Symbol("(") => {
                self.advance();
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(Tall { outer: span.start..self.end(), ..inner });
            }
            Token::Symbol("[") => {
                self.advance();
                let (items, height) = self.list("]")?;
                return self.grown(ExprKind::List(items), span.start..self.end(), height);
            }
            Token::Symbol("{") => {
                return self.fail(span, "map literals are not part of the language", "");
            }
            Token::Symbol(".") => {
                return self.fail(span, "a name is missing before `.`", "");
            }
            Token::End => return self.fail(span, "the expression ends too soon", ""),
            Token::Symbol(_) => return self.unexpected("a value is expected before it"),
        };
        self.advance();
        self.grown(literal, span, 0)
    }

    fn word(&mut self, word: String) -> Parsed {
        let span = self.advance();
        let kind = match word.as_str() {
            "true" => ExprKind::Bool(true),
            "false" => ExprKind::Bool(false),
            "null" => ExprKind::Null,
            "in" => {
                return self.fail(span, "`in` needs a value before it", "");
            }
            _ if is_reserved(&word) => {
                return self.fail(span, format!("`{word}` is a reserved word"), "");
            }
            _ if self.eat("(") => {
                let function = Name { text: word, span: span.clone() };
                let (args, height) = self.list(")")?;
                let kind = ExprKind::Call { function, args };
                return self.grown(kind, span.start..self.end(), height);
            }
            _ => ExprKind::Ident(word),
        };
        self.grown(kind, span, 0)
    }

    /// Expressions with commas between, up to `close`; their greatest height.
    fn list(&mut self, close: &'static str) -> Result<(Vec<Expr>, usize), Stop> {
        let (mut items, mut height) = (Vec::new(), 0);
        while !self.eat(close) {
            let item = self.expression()?;
            height = height.max(item.height);
            items.push(item.expr);
            // CEL allows a comma after the last item of a list, not of arguments.
            if self.eat(",") {
                if close == ")" && *self.peek() == Token::Symbol(")") {
                    return self.unexpected("leave out the comma before it");
                }
            } else {
                self.expect(close)?;
                break;
            }
        }
        Ok((items, height))
    }

    /// `and` and `or` where an operator is expected are told, and read as meant.
    fn read_worded_operator(&mut self) {
        let symbol = match self.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("and") => "&&",
            Token::Word(word) if word.eq_ignore_ascii_case("or") => "||",
            _ => return,
        };
        let span = self.span();
        self.note(span.clone(), format!("conditions are joined with `{symbol}`"), "");
        self.replace(Token::Symbol(symbol));
    }

    fn operand_follows(&self) -> bool {
        match self.peek_second() {
            Token::Word(word) => !matches!(word.as_str(), "in" | "and" | "or"),
            Token::Number(_) | Token::String(_) | Token::Symbol("!" | "(") => true,
            _ => false,
        }
    }
}

fn into_terms(expr: Expr, op: LogicalOp) -> Vec<Expr> {
    match expr.kind {
        ExprKind::Logical { op: inner, terms } if inner == op => terms,
        kind => vec![Expr { kind, span: expr.span }],
    }
}
