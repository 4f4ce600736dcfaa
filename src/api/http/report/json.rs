//! Reports out of JSON: read in one pass, texts borrowed from the body.

use std::borrow::Cow;
use std::fmt;

use axum::http::StatusCode;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, de};

use super::Problem;
use crate::model::Timestamp;
use crate::signals::{Report, ReportedValue, canonical_id};

#[derive(DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch<'b> {
    #[serde(borrow)]
    pub(super) reports: Vec<JsonReport<'b>>,
    /// Answer when it is on disk.
    #[serde(default)]
    pub(super) durable: bool,
}

#[derive(DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonReport<'b> {
    #[serde(borrow)]
    entity: JsonEntity<'b>,
    #[serde(borrow)]
    signals: JsonSignals<'b>,
    #[serde(borrow, default)]
    observed_at: Option<Cow<'b, str>>,
}

#[derive(DeriveDeserialize)]
#[serde(deny_unknown_fields)]
struct JsonEntity<'b> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'b, str>,
    #[serde(borrow)]
    id: Cow<'b, str>,
}

struct JsonSignals<'b>(Vec<(Cow<'b, str>, ReportedValue<'b>)>);

/// A text, borrowed where it has no escapes.
#[derive(DeriveDeserialize)]
#[serde(transparent)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

struct JsonValue<'b>(ReportedValue<'b>);

/// Reads a body: all of its reports, or what is wrong and where.
pub(super) fn batch(body: &[u8]) -> Result<Batch<'_>, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let batch: Batch<'_> = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        let problem = malformed(error.inner());
        if place == "." || place == "?" { problem } else { problem.at(place) }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(batch)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, error.to_string())
}

impl<'b> JsonReport<'b> {
    /// # Errors
    /// What is wrong with the report as a whole.
    pub(super) fn into_report(self) -> Result<Report<'b>, String> {
        let observed_at = match &self.observed_at {
            Some(text) => Some(instant(text)?),
            None => None,
        };
        let JsonEntity { kind, id } = self.entity;
        let id = match canonical_id(&kind, &id) {
            Cow::Owned(id) => Cow::Owned(id),
            Cow::Borrowed(_) => id,
        };
        Ok(Report { kind, id, signals: self.signals.0, observed_at })
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let read = text.parse::<jiff::Timestamp>();
    read.map(|at| Timestamp::from_millis(at.as_millisecond())).map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        format!(
            "`observed_at`: expected an RFC 3339 time, as `2026-06-01T09:00:00Z`, got `{shown}`"
        )
    })
}

impl<'de: 'b, 'b> Deserialize<'de> for JsonSignals<'b> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Signals;

        impl<'de> Visitor<'de> for Signals {
            type Value = JsonSignals<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of signals by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut signals = Vec::new();
                while let Some((Text(name), JsonValue(value))) = map.next_entry()? {
                    signals.push((name, value));
                }
                Ok(JsonSignals(signals))
            }
        }

        from.deserialize_map(Signals)
    }
}

impl<'de: 'b, 'b> Deserialize<'de> for JsonValue<'b> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reported).map(JsonValue)
    }
}

/// Takes any JSON: what no signal can be is told signal by signal, not as a
/// malformed body.
struct Reported;

impl<'de> Visitor<'de> for Reported {
    type Value = ReportedValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(ReportedValue::Null)
    }

    fn visit_bool<E: de::Error>(self, b: bool) -> Result<Self::Value, E> {
        Ok(ReportedValue::Bool(b))
    }

    fn visit_i64<E: de::Error>(self, x: i64) -> Result<Self::Value, E> {
        Ok(ReportedValue::Number(x as f64))
    }

    fn visit_u64<E: de::Error>(self, x: u64) -> Result<Self::Value, E> {
        Ok(ReportedValue::Number(x as f64))
    }

    fn visit_f64<E: de::Error>(self, x: f64) -> Result<Self::Value, E> {
        Ok(ReportedValue::Number(x))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(ReportedValue::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(ReportedValue::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut members = Some(Vec::new());
        while let Some(JsonValue(item)) = items.next_element()? {
            match (item, &mut members) {
                (ReportedValue::Text(text), Some(members)) => members.push(text),
                _ => members = None,
            }
        }
        Ok(members.map_or(ReportedValue::Other("list of other than strings"), ReportedValue::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut latitude, mut longitude, mut other) = (None, None, false);
        while let Some(Text(key)) = map.next_key()? {
            let place = match &*key {
                "latitude" => &mut latitude,
                "longitude" => &mut longitude,
                _ => {
                    other = true;
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            match map.next_value()? {
                JsonValue(ReportedValue::Number(x)) => *place = Some(x),
                _ => other = true,
            }
        }
        Ok(match (latitude, longitude, other) {
            (Some(latitude), Some(longitude), false) => {
                ReportedValue::Location { latitude, longitude }
            }
            _ => ReportedValue::Other("object"),
        })
    }
}
