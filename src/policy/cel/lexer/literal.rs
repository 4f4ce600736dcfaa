//! Numbers and strings.

use super::{Lexer, Token};

/// Beyond this two whole numbers may be one `f64`.
const MAX_WHOLE: f64 = 9_007_199_254_740_991.0;

impl Lexer<'_, '_> {
    pub(super) fn number(&mut self) -> Option<Token> {
        let start = self.at;
        let rest = self.rest();
        let hex = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
        let (length, value, whole) = match hex {
            Some(digits) => {
                let count = run(digits, |c| c.is_ascii_hexdigit());
                let value = u64::from_str_radix(digits.get(..count)?, 16).map(|value| value as f64);
                (2 + count, value.unwrap_or(f64::NAN), true)
            }
            None => {
                let (length, whole) = decimal(rest);
                (length, rest.get(..length)?.parse().unwrap_or(f64::NAN), whole)
            }
        };
        // `12abc`, `1u`, `0x`: what clings to a number belongs to it.
        let tail = run(rest.get(length..)?, |c| c.is_ascii_alphanumeric() || c == '_');
        let tail_text = rest.get(length..length + tail)?;
        self.at += length + tail;
        let span = start..self.at;
        if tail_text.eq_ignore_ascii_case("u") {
            self.error(
                span,
                "numbers have no `u` here",
                "all numbers are of one type: leave it out",
            );
            return Some(Token::Number(value));
        }
        if tail > 0 || length == 2 && hex.is_some() {
            let help = match tail_text {
                "s" | "m" | "h" | "d" | "ms" => "spans of time are texts, as in `\"24h\"`",
                _ => "",
            };
            self.error(span, "not a number", help);
            return None;
        }
        if !value.is_finite() || whole && value > MAX_WHOLE {
            self.error(span, "the number is too large", "");
            return Some(Token::Number(0.0));
        }
        Some(Token::Number(value))
    }

    /// `prefix` is how the string begins, up to its opening quotes.
    pub(super) fn string(&mut self, prefix: &str) -> Option<Token> {
        let start = self.at;
        let letters = prefix.trim_end_matches(['"', '\'']).to_ascii_lowercase();
        let quotes = prefix.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        self.at += prefix.len();
        let mut value = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quotes) {
                self.at += quotes.len();
                break;
            }
            match rest.chars().next() {
                Some('\\') if !letters.contains('r') => value.push(self.escape()?),
                Some(character) if quotes.len() == 3 || !matches!(character, '\n' | '\r') => {
                    value.push(character);
                    self.at += character.len_utf8();
                }
                _ => {
                    let help = format!("it ends with {quotes}");
                    self.error(start..self.at, "the text has no end", &help);
                    return None;
                }
            }
        }
        if letters.contains('b') {
            self.error(
                start..start + letters.len(),
                "byte strings are not part of the language",
                "leave out the `b`",
            );
        }
        Some(Token::String(value))
    }

    fn escape(&mut self) -> Option<char> {
        let start = self.at;
        let rest = self.rest().get(1..)?;
        let code = rest.chars().next().unwrap_or(' ');
        let simple = match code {
            '\\' | '?' | '"' | '\'' | '`' => Some(code),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            _ => None,
        };
        if let Some(simple) = simple {
            self.at += 2;
            return Some(simple);
        }
        let (from, length, radix) = match code {
            'x' | 'X' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='3' => (0, 3, 8),
            _ => (0, 0, 0),
        };
        let digits = rest.get(from..from + length).filter(|digits| !digits.is_empty());
        let value = digits
            .filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)))
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .and_then(char::from_u32);
        if value.is_none() {
            let span = start..start + 1 + code.len_utf8().min(rest.len());
            let help = "a backslash is written `\\\\`, or the text as `r\"…\"`";
            self.error(span, "not an escape", help);
            return None;
        }
        self.at += 1 + from + length;
        value
    }
}

fn run(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// The length of `12`, `1.5`, `.5`, `1e3`, and whether it is a whole number.
fn decimal(text: &str) -> (usize, bool) {
    let digits_at = |at: usize| text.get(at..).map_or(0, |rest| run(rest, |c| c.is_ascii_digit()));
    let mut length = digits_at(0);
    let mut whole = true;
    if text.get(length..).is_some_and(|rest| rest.starts_with('.')) && digits_at(length + 1) > 0 {
        length += 1 + digits_at(length + 1);
        whole = false;
    }
    if text.get(length..).is_some_and(|rest| rest.starts_with(['e', 'E'])) {
        let sign = text.get(length + 1..).is_some_and(|rest| rest.starts_with(['+', '-']));
        let digits = digits_at(length + 1 + usize::from(sign));
        if digits > 0 {
            length += 1 + usize::from(sign) + digits;
            whole = false;
        }
    }
    (length, whole)
}
