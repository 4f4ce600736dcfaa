//! Values: what a slot of the view can hold, and the static types of expressions.

use std::fmt;
use std::net::IpAddr;

use super::time::{Seconds, Timestamp};

/// One value at request time. `Missing` is a value with a declared meaning, not
/// an error: evaluation can't fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'v> {
    /// Not known.
    Missing,
    /// Known to be absent: a reported `null` ("never ported").
    None,
    Bool(bool),
    /// Finite or infinite, never NaN (a NaN is stored as `Missing`).
    Number(f64),
    Text(&'v str),
    Timestamp(Timestamp),
    Duration(Seconds),
    Address(IpAddr),
    Location {
        latitude: f32,
        longitude: f32,
    },
    Set(PackedSet<'v>),
}

/// A set of strings in one borrowed text, members separated by [`PackedSet::SEPARATOR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedSet<'v>(&'v str);

impl<'v> PackedSet<'v> {
    /// Separates members. It can't stand inside one: `pack` drops such members.
    pub const SEPARATOR: char = '\u{0}';

    /// Reads a text that [`PackedSet::pack`] wrote.
    pub const fn from_packed(packed: &'v str) -> Self {
        Self(packed)
    }

    /// Joins `members` into the packed form. A member that contains the
    /// separator can't be represented and is left out.
    pub fn pack<'a>(members: impl IntoIterator<Item = &'a str>) -> String {
        let mut packed = String::new();
        for member in members {
            if member.contains(Self::SEPARATOR) {
                continue;
            }
            packed.push_str(member);
            packed.push(Self::SEPARATOR);
        }
        packed
    }

    pub const fn as_packed(self) -> &'v str {
        self.0
    }

    pub fn members(self) -> impl Iterator<Item = &'v str> {
        self.0.split_terminator(Self::SEPARATOR)
    }

    pub fn contains(self, member: &str) -> bool {
        self.members().any(|m| m == member)
    }

    pub fn len(self) -> usize {
        self.members().count()
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'v> Value<'v> {
    /// A number, with NaN read as "not known".
    pub fn number(x: f64) -> Self {
        if x.is_nan() { Value::Missing } else { Value::Number(x) }
    }

    pub const fn is_missing(self) -> bool {
        matches!(self, Value::Missing)
    }

    /// The number held, where it is one.
    pub const fn as_number(self) -> Option<f64> {
        match self {
            Value::Number(x) => Some(x),
            _ => None,
        }
    }

    pub const fn as_text(self) -> Option<&'v str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The static type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bool,
    Number,
    Text,
    Timestamp,
    Duration,
    Address,
    Location,
    Set,
    Null,
    /// Known only at request time: an undeclared key of `context`, say.
    Any,
}

impl Type {
    pub const fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Number => "number",
            Type::Text => "string",
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            Type::Address => "address",
            Type::Location => "location",
            Type::Set => "set",
            Type::Null => "null",
            Type::Any => "any",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
