//! Tokens of CEL.

mod literal;

use std::ops::Range;

use super::SyntaxError;

pub(super) const KEYWORDS: [&str; 4] = ["true", "false", "null", "in"];

/// Words that CEL keeps for its host languages (CEL specification, "Syntax").
pub(super) const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    String(String),
    /// A name or a keyword.
    Word(String),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub token: Token,
    pub span: Range<usize>,
}

/// Longest first where one begins another.
const SYMBOLS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")",
    "[", "]", "{", "}", ",", ".",
];

/// All tokens of a text, an [`Token::End`] last. Mistakes whose meaning is
/// plain are reported and read as what was meant, so that more than one is told.
pub(super) fn tokens(text: &str, errors: &mut Vec<SyntaxError>) -> Option<Vec<Spanned>> {
    let mut lexer = Lexer { text, at: 0, errors };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ended = token.token == Token::End;
        tokens.push(token);
        if ended {
            return Some(tokens);
        }
    }
}

struct Lexer<'t, 'e> {
    text: &'t str,
    at: usize,
    errors: &'e mut Vec<SyntaxError>,
}

impl<'t> Lexer<'t, '_> {
    /// The next token; none after a mistake that can't be read over.
    fn next(&mut self) -> Option<Spanned> {
        self.skip_space();
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Some(Spanned { token: Token::End, span: start..start });
        };
        let second = rest.chars().nth(1);
        let token = if let Some(prefix) = string_prefix(rest) {
            self.string(prefix)?
        } else if first.is_ascii_digit()
            || first == '.' && second.is_some_and(|c| c.is_ascii_digit())
        {
            self.number()?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let word = rest.get(..word.unwrap_or(rest.len())).unwrap_or(rest);
            self.at += word.len();
            Token::Word(word.to_owned())
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            self.at += symbol.len();
            Token::Symbol(symbol)
        } else {
            self.meant(first)?
        };
        Some(Spanned { token, span: start..self.at })
    }

    /// Characters that CEL does not have, but whose writer meant something.
    fn meant(&mut self, first: char) -> Option<Token> {
        let start = self.at;
        self.at += first.len_utf8();
        let (token, help) = match first {
            '=' => (Some("=="), "two values are compared with `==`"),
            '&' => (Some("&&"), "conditions are joined with `&&`"),
            '|' => (Some("||"), "conditions are joined with `||`"),
            '≤' => (Some("<="), "write `<=`"),
            '≥' => (Some(">="), "write `>=`"),
            '≠' => (Some("!="), "write `!=`"),
            '“' | '”' | '„' | '‟' | '«' | '»' | '‘' | '’' | '‚' | '`' | '´' => {
                (None, "put texts in straight quotes: `\"…\"` or `'…'`")
            }
            '–' | '—' | '−' => (Some("-"), "write `-`"),
            '\u{a0}' | '\u{200b}' | '\u{feff}' | '\u{2007}' | '\u{202f}' | '\u{3000}' => {
                self.error(start..self.at, "an invisible character that is not a plain space", "");
                return None;
            }
            _ => (None, ""),
        };
        self.error(start..self.at, format!("`{first}` means nothing here"), help);
        token.map(Token::Symbol)
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn error(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.errors.push(SyntaxError { span, message: message.into(), help });
    }
}

/// How a string begins: `"`, `r'''`, `b"` and so on.
fn string_prefix(rest: &str) -> Option<&str> {
    let letters = rest.find(['"', '\''])?;
    let before = rest.get(..letters)?;
    if !["", "r", "b", "br", "rb"].contains(&before.to_ascii_lowercase().as_str()) {
        return None;
    }
    let quotes = rest.get(letters..)?;
    let triple = quotes.starts_with("\"\"\"") || quotes.starts_with("'''");
    rest.get(..letters + if triple { 3 } else { 1 })
}
