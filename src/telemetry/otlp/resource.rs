//! Who exports, and the values that attributes are made of.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// This process, by the semantic conventions; `more` goes over them.
pub(super) fn resource(more: &BTreeMap<String, String>) -> Resource {
    // One id a process life, so that the counters of a restart are new ones.
    let instance = format!("{:032x}", fastrand::u128(..));
    let mut attributes = BTreeMap::from([
        ("service.name", "plimsoll".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", instance),
        ("process.pid", std::process::id().to_string()),
    ]);
    attributes.extend(more.iter().map(|(key, value)| (key.as_str(), value.clone())));
    let attributes = attributes.into_iter().map(|(key, value)| text(key, value)).collect();
    Resource { attributes, ..Resource::default() }
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "plimsoll".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

pub(super) fn number(key: &str, value: f64) -> KeyValue {
    attribute(key, Value::DoubleValue(value))
}

pub(super) fn count(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
