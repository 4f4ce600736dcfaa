//! The parser's place among the tokens, its limits and its mistakes.

use std::ops::Range;

use super::ast::{Expr, ExprKind};
use super::lexer::{Spanned, Token};
use super::{MAX_HEIGHT, MAX_NESTING, SyntaxError};

/// The mistake is among the errors.
pub(super) struct Stop;

pub(super) type Parsed = Result<Tall, Stop>;

/// An expression with what its parents need to know.
pub(super) struct Tall {
    pub expr: Expr,
    /// Levels of its tree.
    pub height: usize,
    /// Its bytes with the brackets around it.
    pub outer: Range<usize>,
}

pub(super) struct Parser {
    tokens: Vec<Spanned>,
    at: usize,
    nesting: usize,
    errors: Vec<SyntaxError>,
}

impl Parser {
    pub(super) fn new(tokens: Vec<Spanned>, errors: Vec<SyntaxError>) -> Self {
        Self { tokens, at: 0, nesting: 0, errors }
    }

    pub(super) fn into_errors(self) -> Vec<SyntaxError> {
        self.errors
    }

    /// Reads the token at hand as another.
    pub(super) fn replace(&mut self, token: Token) {
        if let Some(slot) = self.tokens.get_mut(self.at) {
            slot.token = token;
        }
    }

    pub(super) fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.nesting >= MAX_NESTING {
            return self.fail(
                self.span(),
                format!("the expression nests deeper than {MAX_NESTING} levels"),
                "",
            );
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    /// A node over children of at most `below` levels.
    pub(super) fn grown(&mut self, kind: ExprKind, span: Range<usize>, below: usize) -> Parsed {
        if below >= MAX_HEIGHT {
            return self.fail(span, format!("more than {MAX_HEIGHT} operators in one chain"), "");
        }
        let outer = span.clone();
        Ok(Tall { expr: Expr { kind, span }, height: below + 1, outer })
    }

    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |spanned| &spanned.token)
    }

    pub(super) fn peek_second(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&Token::End, |spanned| &spanned.token)
    }

    pub(super) fn span(&self) -> Range<usize> {
        let last = self.tokens.get(self.at).or(self.tokens.last());
        last.map_or(0..0, |spanned| spanned.span.clone())
    }

    /// Where the token before ends.
    pub(super) fn end(&self) -> usize {
        let before = self.at.checked_sub(1).and_then(|before| self.tokens.get(before));
        before.map_or(0, |spanned| spanned.span.end)
    }

    pub(super) fn advance(&mut self) -> Range<usize> {
        let span = self.span();
        self.at += 1;
        span
    }

    pub(super) fn eat(&mut self, symbol: &'static str) -> bool {
        let found = *self.peek() == Token::Symbol(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect(&mut self, symbol: &'static str) -> Result<(), Stop> {
        if self.eat(symbol) {
            return Ok(());
        }
        self.fail(self.span(), format!("expected `{symbol}`, found {}", self.shown()), "")
    }

    pub(super) fn unexpected<T>(&mut self, help: &str) -> Result<T, Stop> {
        self.fail(self.span(), format!("unexpected {}", self.shown()), help)
    }

    pub(super) fn shown(&self) -> String {
        match self.peek() {
            Token::Number(value) => format!("the number `{value}`"),
            Token::String(_) => "a text".to_owned(),
            Token::Word(word) => crate::policy::diagnostic::quoted(word),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::End => "the end".to_owned(),
        }
    }

    pub(super) fn note(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.errors.push(SyntaxError { span, message: message.into(), help });
    }

    pub(super) fn fail<T>(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: &str,
    ) -> Result<T, Stop> {
        self.note(span, message, help);
        Err(Stop)
    }
}
