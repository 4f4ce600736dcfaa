//! What a value is expected to be, and what to say where it is not.

use serde_yaml::Value;

use super::node::{Entry, Kind, Names, Node, listed};
use super::values::Content;
use crate::model::parse_duration;
use crate::model::{Seconds, Timestamp};
use crate::policy::cel::{self, Expr, ExprKind};
use crate::policy::diagnostic::{Diagnostics, Place, quoted};

impl<'a> Node<'a> {
    /// A mapping with free keys, in the order of the document.
    pub fn entries(self, diagnostics: &mut Diagnostics) -> Option<Vec<Entry<'a>>> {
        let Content::Mapping(pairs) = &self.yaml.content else {
            return self.expected("a mapping", diagnostics);
        };
        let entry = |pair: &'a super::values::Pair| Entry {
            key: &pair.key,
            key_span: pair.key_span.clone(),
            node: Node { yaml: &pair.value, file: self.file },
        };
        Some(pairs.iter().map(entry).collect())
    }

    /// The items of a sequence.
    pub fn items(self, diagnostics: &mut Diagnostics) -> Option<Vec<Node<'a>>> {
        let Content::Sequence(items) = &self.yaml.content else {
            return self.expected("a list", diagnostics);
        };
        Some(items.iter().map(|yaml| Node { yaml, file: self.file }).collect())
    }

    /// A string.
    pub fn string(self, diagnostics: &mut Diagnostics) -> Option<&'a str> {
        self.text().or_else(|| self.expected("a string", diagnostics))
    }

    /// A finite number.
    pub fn number(self, diagnostics: &mut Diagnostics) -> Option<f64> {
        let Some(Value::Number(number)) = self.scalar() else {
            return self.expected("a number", diagnostics);
        };
        let number = number.as_f64().filter(|number| number.is_finite());
        if number.is_none() {
            diagnostics.error(self, "expected a finite number");
        }
        number
    }

    /// A whole number from 0.
    pub fn count(self, diagnostics: &mut Diagnostics) -> Option<u64> {
        let Some(Value::Number(number)) = self.scalar() else {
            return self.expected("a whole number", diagnostics);
        };
        let count = number.as_u64();
        if count.is_none() {
            diagnostics.error(self, "expected a whole number from 0");
        }
        count
    }

    /// `true` or `false`.
    pub fn bool(self, diagnostics: &mut Diagnostics) -> Option<bool> {
        match self.scalar() {
            Some(Value::Bool(value)) => Some(*value),
            _ => self.expected("`true` or `false`", diagnostics),
        }
    }

    /// One of a few words.
    pub fn one_of<T: Clone>(
        self,
        diagnostics: &mut Diagnostics,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Some(text) = self.text() else {
            return self.expected(&choice_of(&words), diagnostics);
        };
        let choice = choices.iter().find(|(word, _)| *word == text);
        if choice.is_none() {
            let message = format!("expected {}, found {}", choice_of(&words), quoted(text));
            diagnostics.error(self, message).did_you_mean(text, words);
        }
        choice.map(|(_, meaning)| meaning.clone())
    }

    /// A duration such as `30s`, `5m`, `1.5h`, `28d`, in seconds.
    pub fn duration(self, diagnostics: &mut Diagnostics) -> Option<Seconds> {
        const FORM: &str = "a duration is a number and `ms`, `s`, `m`, `h` or `d`, as in `24h`";
        let Some(text) = self.text() else {
            if self.kind() == Kind::Number {
                diagnostics.error(self, "expected a duration, found a number").help(FORM);
                return None;
            }
            return self.expected("a duration", diagnostics);
        };
        let seconds = parse_duration(text);
        if seconds.is_none() {
            diagnostics
                .error(self, format!("expected a duration, found {}", quoted(text)))
                .help(FORM);
        }
        seconds
    }

    /// A point in time in RFC 3339.
    pub fn timestamp(self, diagnostics: &mut Diagnostics) -> Option<Timestamp> {
        let Some(text) = self.text() else {
            return self.expected("a point in time", diagnostics);
        };
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Some(Timestamp::from_millis(time.as_millisecond())),
            Err(_) => {
                diagnostics
                    .error(self, format!("expected a point in time, found {}", quoted(text)))
                    .help("points in time are written as in `2026-06-01T09:00:00Z`");
                None
            }
        }
    }

    /// A name.
    pub fn name(self, diagnostics: &mut Diagnostics, names: Names) -> Option<&'a str> {
        let text = self.string(diagnostics)?;
        check_name(text, names, self.place(), diagnostics).then_some(text)
    }

    /// An expression; a bare number or bool is one too. Its spans count bytes of
    /// the text: [`Node::sub_place`] finds them in the file.
    pub fn expression(self, diagnostics: &mut Diagnostics) -> Option<Expr> {
        let literal = |kind| Some(Expr { kind, span: 0..self.span().len() });
        match self.scalar() {
            Some(Value::Bool(value)) => literal(ExprKind::Bool(*value)),
            Some(Value::Number(_)) => literal(ExprKind::Number(self.number(diagnostics)?)),
            Some(Value::String(text)) => match cel::parse(text) {
                Ok(expr) => Some(expr),
                Err(errors) => {
                    for error in errors {
                        let place = self.sub_place(error.span);
                        let found = diagnostics.error(place, error.message);
                        if let Some(help) = error.help {
                            found.help(help);
                        }
                    }
                    None
                }
            },
            _ => self.expected("an expression", diagnostics),
        }
    }

    fn scalar(self) -> Option<&'a Value> {
        match &self.yaml.content {
            Content::Scalar(value, _) => Some(value),
            _ => None,
        }
    }

    fn text(self) -> Option<&'a str> {
        match self.scalar() {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn expected<T>(self, what: &str, diagnostics: &mut Diagnostics) -> Option<T> {
        diagnostics.error(self, format!("expected {what}, found {}", self.kind()));
        None
    }
}

impl<'a> Entry<'a> {
    /// The key, where it is a good name.
    pub fn name(&self, diagnostics: &mut Diagnostics, names: Names) -> Option<&'a str> {
        check_name(self.key, names, self.key_place(), diagnostics).then_some(self.key)
    }
}

fn choice_of(words: &[&str]) -> String {
    if words.len() == 1 { listed(words) } else { format!("one of {}", listed(words)) }
}

fn check_name(text: &str, names: Names, place: Place, diagnostics: &mut Diagnostics) -> bool {
    if cel::is_reserved(text) {
        diagnostics.error(place, format!("`{text}` is a word of the expression language"));
        return false;
    }
    let rest = |c: char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || c == '_'
            || names == Names::Dashed && c == '-'
    };
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(rest) {
        return true;
    }
    if text.is_empty() {
        diagnostics.error(place, "a name can't be empty");
        return false;
    }
    let dashes = if names == Names::Dashed { ", `_` and `-`" } else { " and `_`" };
    diagnostics.error(place, format!("{} is not a name", quoted(text))).help(format!(
        "names begin with a lower-case letter and go on with such letters, digits{dashes}"
    ));
    false
}
