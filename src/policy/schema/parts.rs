//! What several kinds of documents say alike.

use serde_json::{Map, Value as Json, json};

/// A mapping with these keys and no others. Those whose name ends in `!` must be there.
pub(super) fn mapping(description: &str, keys: &[(&str, Json)]) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (key, value) in keys {
        let name = key.trim_end_matches('!');
        if name != *key {
            required.push(name);
        }
        properties.insert(name.to_owned(), value.clone());
    }
    let mut schema = json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        with(&mut schema, "required", json!(required));
    }
    schema
}

/// A mapping whose keys are names.
pub(super) fn named(description: &str, value: Json) -> Json {
    json!({
        "type": "object",
        "description": description,
        "propertyNames": {"$ref": "#/$defs/name"},
        "additionalProperties": value,
    })
}

/// A mapping whose keys may be anything.
pub(super) fn free(description: &str, value: Json) -> Json {
    json!({"type": "object", "description": description, "additionalProperties": value})
}

pub(super) fn list(description: &str, items: Json) -> Json {
    json!({"type": "array", "description": description, "items": items})
}

pub(super) fn text(description: &str) -> Json {
    json!({"type": "string", "description": description})
}

pub(super) fn number(description: &str) -> Json {
    json!({"type": "number", "description": description})
}

/// A number in [0, 1].
pub(super) fn share(description: &str) -> Json {
    json!({"type": "number", "minimum": 0, "maximum": 1, "description": description})
}

/// What people call a document that nothing refers to.
pub(super) fn metadata() -> Json {
    mapping(
        "For people: nothing refers to it.",
        &[("name", text("What it is called.")), ("description", text("What it is for."))],
    )
}

pub(super) fn flag(description: &str) -> Json {
    json!({"type": "boolean", "default": false, "description": description})
}

/// One of these words.
pub(super) fn word<'w>(description: &str, words: impl IntoIterator<Item = &'w str>) -> Json {
    json!({"enum": words.into_iter().collect::<Vec<_>>(), "description": description})
}

/// The words of a table that the loader reads by.
pub(super) fn words<'w, T>(table: &'w [(&'static str, T)]) -> impl Iterator<Item = &'w str> {
    table.iter().map(|(word, _)| *word)
}

/// A part that is written once, with what it means here.
pub(super) fn part(name: &str, description: &str) -> Json {
    json!({"$ref": format!("#/$defs/{name}"), "description": description})
}

pub(super) fn duration(description: &str) -> Json {
    part("duration", description)
}

pub(super) fn defaulting(mut schema: Json, default: impl Into<Json>) -> Json {
    with(&mut schema, "default", default.into());
    schema
}

pub(super) fn with(schema: &mut Json, key: &str, value: Json) {
    if let Json::Object(map) = schema {
        map.insert(key.to_owned(), value);
    }
}

/// `$defs` that all kinds share.
pub(super) fn defs() -> Map<String, Json> {
    let all = [
        ("name", json!({"type": "string", "pattern": "^[a-z][a-z0-9_]*$"})),
        ("policyName", json!({"type": "string", "pattern": "^[a-z][a-z0-9_-]*$"})),
        (
            "duration",
            json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$", "examples": ["30s", "5m", "24h", "28d"]}),
        ),
        ("timestamp", json!({"type": "string", "examples": ["2026-06-01T09:00:00Z"]})),
        ("expression", json!({"type": ["string", "number", "boolean"]})),
        (
            "words",
            json!({
                "anyOf": [
                    {"$ref": "#/$defs/word"},
                    {"type": "array", "items": {"$ref": "#/$defs/word"}},
                ]
            }),
        ),
        ("word", json!({"type": "string", "pattern": "^[!#-\\[\\]-~]+$"})),
        (
            "reason",
            mapping(
                "What is said of it. Texts may name `{score}`, `{level}` and `{confidence}`.",
                &[
                    ("user", text("For the person concerned: safe to show.")),
                    ("admin", text("For those who may see all.")),
                ],
            ),
        ),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
