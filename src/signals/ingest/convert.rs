//! A reported value as the declared type has it.

use super::rejection::{Rejection, shown};
use super::{MAX_MEMBERS, MAX_TEXT, ReportedValue};
use crate::model::{PackedSet, Seconds, SignalDecl, SignalType, Timestamp, Value};

/// Reads `value` as `declared` says; `packed` is where a set's members go.
pub(super) fn convert<'v>(
    declared: &SignalDecl,
    value: &'v ReportedValue<'_>,
    packed: &'v mut String,
) -> Result<Value<'v>, Rejection> {
    let name = || declared.name.clone();
    let wrong_type = || Rejection::WrongType {
        name: declared.name.clone(),
        expected: expected(declared.ty),
        got: got(value),
    };
    match (declared.ty, value) {
        (_, ReportedValue::Null) => Ok(Value::None),
        (SignalType::Bool, ReportedValue::Bool(x)) => Ok(Value::Bool(*x)),
        (
            SignalType::Number | SignalType::Counter | SignalType::Event,
            ReportedValue::Number(x),
        ) => match x.is_finite() {
            true => Ok(Value::Number(*x)),
            false => Err(Rejection::NotFinite { name: name() }),
        },
        (SignalType::Text, ReportedValue::Text(text)) => match text.len() <= MAX_TEXT {
            true => Ok(Value::Text(text)),
            false => Err(Rejection::TooLong { name: name(), len: text.len() }),
        },
        (SignalType::Enum, ReportedValue::Text(text)) => {
            match declared.values.iter().any(|known| **known == **text) {
                true => Ok(Value::Text(text)),
                false => Err(Rejection::NotOneOf {
                    name: name(),
                    got: shown(text),
                    values: declared.values.clone(),
                }),
            }
        }
        (SignalType::Timestamp, ReportedValue::Text(text)) => instant(text)
            .map(Value::Timestamp)
            .ok_or_else(|| Rejection::NotATimestamp { name: name(), got: shown(text) }),
        (SignalType::Timestamp, ReportedValue::Number(_)) => {
            Err(Rejection::BareTimestamp { name: name() })
        }
        (SignalType::Duration, ReportedValue::Number(x)) => match x.is_finite() {
            true => Ok(Value::Duration(*x)),
            false => Err(Rejection::NotFinite { name: name() }),
        },
        (SignalType::Duration, ReportedValue::Text(text)) => span(text)
            .map(Value::Duration)
            .ok_or_else(|| Rejection::NotADuration { name: name(), got: shown(text) }),
        (SignalType::Location, ReportedValue::Location { latitude, longitude }) => {
            // Written so that NaN fails.
            match latitude.abs() <= 90.0 && longitude.abs() <= 180.0 {
                true => {
                    Ok(Value::Location { latitude: *latitude as f32, longitude: *longitude as f32 })
                }
                false => Err(Rejection::OffTheGlobe { name: name() }),
            }
        }
        (SignalType::Set, ReportedValue::List(members)) => {
            if members.len() > MAX_MEMBERS {
                return Err(Rejection::TooManyMembers { name: name(), len: members.len() });
            }
            if let Some(long) = members.iter().find(|member| member.len() > MAX_TEXT) {
                return Err(Rejection::TooLong { name: name(), len: long.len() });
            }
            if members.iter().any(|member| member.contains(PackedSet::SEPARATOR)) {
                return Err(Rejection::NulInSet { name: name() });
            }
            *packed = PackedSet::pack(members.iter().map(AsRef::as_ref));
            Ok(Value::Set(PackedSet::from_packed(packed)))
        }
        _ => Err(wrong_type()),
    }
}

fn expected(ty: SignalType) -> &'static str {
    match ty {
        SignalType::Bool => "bool",
        SignalType::Number | SignalType::Counter | SignalType::Event => "number",
        SignalType::Text => "string",
        SignalType::Enum => "string (one of the declared values)",
        SignalType::Timestamp => "RFC 3339 string, as `2026-06-01T09:00:00Z`",
        SignalType::Duration => "seconds as a number, or a string as `30s`, `5m`, `24h`, `28d`",
        SignalType::Location => "location (latitude and longitude in degrees)",
        SignalType::Set => "list of strings",
    }
}

fn got(value: &ReportedValue<'_>) -> &'static str {
    match value {
        ReportedValue::Null => "null",
        ReportedValue::Bool(_) => "bool",
        ReportedValue::Number(_) => "number",
        ReportedValue::Text(_) => "string",
        ReportedValue::List(_) => "list of strings",
        ReportedValue::Location { .. } => "location",
        ReportedValue::Other(what) => what,
    }
}

/// An RFC 3339 date and time with its offset, rounded down to milliseconds.
fn instant(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// `30s`, `5m`, `24h`, `28d`, in seconds.
fn span(text: &str) -> Option<Seconds> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let count: f64 = if plain { digits.parse().ok()? } else { return None };
    Some(count * seconds).filter(|span| span.is_finite())
}
