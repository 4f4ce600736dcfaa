//! Reports out of their protobuf, borrowed, and receipts into theirs.

use std::borrow::Cow;

use prost_types::value::Kind;
use prost_types::{Struct, Value as Wire};

use super::intake::Receipt;
use crate::model::Timestamp;
use crate::proto;
use crate::signals::{Report, ReportedValue, canonical_id};

/// Reads a report.
///
/// # Errors
/// What is wrong with it as a whole.
pub(super) fn report(report: &proto::Report) -> Result<Report<'_>, &'static str> {
    let entity = report.entity.as_ref().ok_or("`entity` is missing")?;
    let observed_at = match &report.observed_at {
        Some(at) => Some(instant(at).ok_or("`observed_at` is no valid time")?),
        None => None,
    };
    let signals =
        report.signals.iter().map(|(name, value)| (name.as_str().into(), reported(value)));
    Ok(Report {
        kind: entity.r#type.as_str().into(),
        id: canonical_id(&entity.r#type, &entity.id),
        signals: signals.collect(),
        observed_at,
    })
}

/// A time, where it is one.
pub(in crate::api) fn instant(at: &prost_types::Timestamp) -> Option<Timestamp> {
    let millis = match at.nanos {
        nanos @ 0..1_000_000_000 => i64::from(nanos / 1_000_000),
        _ => return None,
    };
    Some(Timestamp::from_millis(at.seconds.checked_mul(1000)?.checked_add(millis)?))
}

pub(in crate::api) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let millis = at.millis();
    let nanos = i32::try_from(millis.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    prost_types::Timestamp { seconds: millis.div_euclid(1000), nanos }
}

fn reported(value: &Wire) -> ReportedValue<'_> {
    match &value.kind {
        None => ReportedValue::Other("an empty value"),
        Some(Kind::NullValue(_)) => ReportedValue::Null,
        Some(Kind::BoolValue(b)) => ReportedValue::Bool(*b),
        Some(Kind::NumberValue(x)) => ReportedValue::Number(*x),
        Some(Kind::StringValue(text)) => ReportedValue::Text(text.as_str().into()),
        Some(Kind::StructValue(place)) => location(place),
        Some(Kind::ListValue(list)) => {
            let members: Option<Vec<Cow<'_, str>>> = list.values.iter().map(member).collect();
            members.map_or(ReportedValue::Other("list of other than strings"), ReportedValue::List)
        }
    }
}

fn member(value: &Wire) -> Option<Cow<'_, str>> {
    match &value.kind {
        Some(Kind::StringValue(text)) => Some(text.as_str().into()),
        _ => None,
    }
}

fn location(place: &Struct) -> ReportedValue<'static> {
    let degrees = |key| match place.fields.get(key)?.kind {
        Some(Kind::NumberValue(x)) => Some(x),
        _ => None,
    };
    match (degrees("latitude"), degrees("longitude"), place.fields.len()) {
        (Some(latitude), Some(longitude), 2) => ReportedValue::Location { latitude, longitude },
        _ => ReportedValue::Other("object"),
    }
}

pub(super) fn response(receipt: Receipt, sequence: u64) -> proto::ReportResponse {
    proto::ReportResponse {
        accepted: receipt.accepted,
        ignored: receipt.ignored_count,
        rejected: receipt
            .rejected
            .into_iter()
            .map(|listed| proto::Rejected {
                report: listed.report,
                signal: listed.signal.unwrap_or_default(),
                reason: listed.reason,
            })
            .collect(),
        sequence,
        ignored_signals: receipt
            .ignored
            .into_iter()
            .map(|listed| proto::Ignored {
                report: listed.report,
                signal: listed.signal.unwrap_or_default(),
            })
            .collect(),
        unlisted: receipt.unlisted,
        durable: receipt.durable,
    }
}
