//! Values between the model, JSON and protobuf's `Struct`.

use prost_types::value::Kind;
use prost_types::{ListValue, NullValue, Struct, Value as Wire};
use serde_json::{Map, Number, Value as Json};

use crate::model::{Timestamp, Value};
use crate::signals::OwnedValue;

/// A value as JSON has it: times as RFC 3339, durations in seconds. Nothing
/// where it is missing or where JSON has no such number.
pub(crate) fn of_value(value: Value<'_>) -> Option<Json> {
    if let Value::Address(ip) = value {
        return Some(Json::String(ip.to_string()));
    }
    OwnedValue::of(value).and_then(|value| of_owned(&value))
}

pub(crate) fn of_owned(value: &OwnedValue) -> Option<Json> {
    Some(match value {
        OwnedValue::None => Json::Null,
        OwnedValue::Bool(b) => Json::Bool(*b),
        OwnedValue::Number(x) | OwnedValue::Duration(x) => Json::Number(Number::from_f64(*x)?),
        OwnedValue::Text(text) => Json::String(text.clone()),
        OwnedValue::Timestamp(at) => Json::String(rfc3339(*at)?),
        OwnedValue::Location { latitude, longitude } => {
            let mut place = Map::new();
            place.insert("latitude".to_owned(), degrees(*latitude)?);
            place.insert("longitude".to_owned(), degrees(*longitude)?);
            Json::Object(place)
        }
        OwnedValue::Set(members) => members.iter().cloned().map(Json::String).collect(),
    })
}

fn rfc3339(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_millisecond(at.millis()).ok().map(|at| at.to_string())
}

/// 13.4 as it was reported, not the 13.399999618530273 that it is as an f64.
fn degrees(x: f32) -> Option<Json> {
    Number::from_f64(x.to_string().parse().ok()?).map(Json::Number)
}

/// A number that JSON doesn't have, and where it stood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{place}`: expected a finite number")]
pub(crate) struct NotFinite {
    pub(crate) place: String,
}

/// Reads a `Struct` that stands at `place`. Its depth is bounded by prost's own
/// limit of 100 messages within each other.
pub(crate) fn of_struct(read: Option<Struct>, place: &str) -> Result<Map<String, Json>, NotFinite> {
    let fields = read.unwrap_or_default().fields;
    fields
        .into_iter()
        .map(|(key, value)| {
            let value = of_wire(value, &|| format!("{place}.{key}"))?;
            Ok((key, value))
        })
        .collect()
}

pub(crate) fn of_wire(value: Wire, place: &dyn Fn() -> String) -> Result<Json, NotFinite> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(b)) => Json::Bool(b),
        Some(Kind::NumberValue(x)) => {
            Json::Number(Number::from_f64(x).ok_or_else(|| NotFinite { place: place() })?)
        }
        Some(Kind::StringValue(text)) => Json::String(text),
        Some(Kind::StructValue(inner)) => Json::Object(of_struct(Some(inner), &place())?),
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().enumerate();
            let items = items.map(|(at, item)| of_wire(item, &|| format!("{}[{at}]", place())));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
    })
}

pub(crate) fn to_struct(map: Map<String, Json>) -> Struct {
    Struct { fields: map.into_iter().map(|(key, value)| (key, to_wire(value))).collect() }
}

pub(crate) fn to_wire(value: Json) -> Wire {
    let kind = match value {
        Json::Null => Kind::NullValue(NullValue::NullValue.into()),
        Json::Bool(b) => Kind::BoolValue(b),
        Json::Number(x) => Kind::NumberValue(x.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => {
            Kind::ListValue(ListValue { values: items.into_iter().map(to_wire).collect() })
        }
        Json::Object(map) => Kind::StructValue(to_struct(map)),
    };
    Wire { kind: Some(kind) }
}
