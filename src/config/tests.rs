//! `docs/configuration.md` has every key with the default that it has.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Config, IdentitySource};

const NONE: &str = "none";
const REQUIRED: &str = "must be there";

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the tables whose second column is called so: first cell, second cell.
fn rows(page: &str, second: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", _, title, "means" | "where the id comes from", ""] => is_inside = title == second,
            ["", key, value, means, ""] if is_inside && key.starts_with('`') => {
                assert!(!means.is_empty(), "{key} has no meaning");
                rows.push((key.replace('`', ""), value.replace('`', "")));
            }
            _ => {}
        }
    }
    rows
}

/// Every key below, of lists the keys of what they hold, with its value.
fn flatten(at: &str, value: &Json, into: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if at.is_empty() { "" } else { "." };
                flatten(&format!("{at}{dot}{key}"), value, into);
            }
        }
        Json::Array(items) if !at.starts_with("identity.") && items.iter().any(Json::is_object) => {
            items.iter().for_each(|item| flatten(&format!("{at}[]"), item, into));
        }
        other => {
            into.insert(at.to_owned(), other.clone());
        }
    }
}

fn flat(config: &Json) -> BTreeMap<String, Json> {
    let mut all = BTreeMap::new();
    flatten("", config, &mut all);
    all
}

/// What is left out unless told, with nothing but what must be in it then.
fn least() -> Json {
    let jwt = json!({"jwks": "k", "issuer": "i", "audience": "a", "algorithms": ["ES256"]});
    json!({
        "tls": {"cert": "c", "key": "k"},
        "jwt": jwt,
        "auth": {"callers": [{"name": "n", "permissions": []}], "jwt": jwt},
        "telemetry": {"otlp": {"endpoint": "http://127.0.0.1:4317"}},
    })
}

fn read(config: &Json) -> Config {
    serde_json::from_value(config.clone()).unwrap()
}

/// The same, and with a rule.
fn ruled() -> Json {
    let mut config = least();
    let rule = json!({"claim": "c", "value": "v", "permissions": []});
    config["auth"]["jwt"]["rules"] = json!([rule]);
    config
}

#[test]
fn each_key_is_told_with_its_default() {
    let jwt = least()["auth"]["jwt"].clone();
    let mut expected = BTreeMap::new();
    // With less and less in it, so that in the end each key has what it has where nobody names it.
    for config in [ruled(), json!({"auth": {"jwt": jwt}}), json!({"auth": {}}), json!({})] {
        let written = serde_json::to_value(read(&config)).unwrap();
        expected.extend(flat(&written).into_iter().map(|(key, value)| match value {
            Json::Null => (key, NONE.to_owned()),
            Json::String(text) => (key, text),
            other => (key, other.to_string()),
        }));
    }
    expected.extend(flat(&ruled()).into_keys().map(|key| (key, REQUIRED.to_owned())));
    let rows = rows(&page(), "default");
    let shown: BTreeMap<String, String> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), shown.len(), "a key stands there twice");
    assert_eq!(shown, expected);
}

#[test]
fn what_must_be_there_is_missed() {
    let required: Vec<String> = flat(&ruled()).into_keys().collect();
    assert!(required.len() > 10, "{required:?}");
    for key in required {
        let pointer = format!("/{}", key.replace("[]", ".0").replace('.', "/"));
        let (above, last) = pointer.rsplit_once('/').unwrap();
        let mut without = ruled();
        let removed = without.pointer_mut(above).unwrap().as_object_mut().unwrap().remove(last);
        assert!(removed.is_some(), "{key}");
        let refused = serde_json::from_value::<Config>(without).unwrap_err().to_string();
        assert!(refused.contains(&format!("missing field `{last}`")), "{key}: {refused}");
    }
}

#[test]
fn each_source_of_an_id_is_told_as_it_is_written() {
    let page = page();
    let rows = rows(&page, "as written");
    let unknown = serde_json::from_value::<IdentitySource>(json!({"zz": 1})).unwrap_err();
    let unknown = unknown.to_string();
    let (_, names) = unknown.split_once("expected one of ").unwrap();
    let names: Vec<String> = names.split(", ").map(|name| name.replace('`', "")).collect();
    assert_eq!(rows.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
    for (name, example) in rows {
        let read: Json = serde_yaml::from_str(&example).unwrap();
        let source: IdentitySource = serde_json::from_value(read).unwrap();
        assert!(serde_json::to_value(source).unwrap().get(&name).is_some(), "{name}: {example}");
    }
}

#[test]
fn the_example_is_taken() {
    let page = page();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let config = read(&serde_yaml::from_str(example).unwrap());
    config.check().unwrap();
    assert_eq!(config.default_policy, "reputation");
    assert_eq!(config.identity.0["address"].len(), 1);
}
