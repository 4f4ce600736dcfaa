//! Rules, what they decide, and what they oblige to.

use serde_json::{Value as Json, json};

use super::parts::{defaulting, duration, flag, free, mapping, part, with, word, words};
use super::trust;
use crate::model::{Decision, Severity};

/// Keys that belong to a decision.
fn chosen() -> [(&'static str, Json); 5] {
    [
        (
            "decision",
            word("What is answered, from free to strict.", Decision::ALL.map(Decision::name)),
        ),
        ("limits", part("words", "What a `restrict` restricts: names that the caller enforces.")),
        ("acr", part("words", "The authentication contexts that a `step_up` asks for.")),
        ("amr", part("words", "The authentication methods that a `step_up` asks for.")),
        ("max_age", duration("A `step_up` asks for an authentication not older than this.")),
    ]
}

fn obligations() -> [(&'static str, Json); 3] {
    [
        ("review", flag("A person should look at it.")),
        ("revoke_session", flag("The session should end.")),
        ("incident", incident()),
    ]
}

fn incident() -> Json {
    mapping(
        "An incident should be opened.",
        &[("severity!", word("How bad it is.", words(&Severity::ALL)))],
    )
}

pub(super) fn unknown() -> Json {
    word("What counts where the condition can't be known: a match, or none.", ["match", "skip"])
}

/// What belongs to which decision.
fn belongs(schema: &mut Json) {
    let of = |decision: &str, keys: Json| {
        json!({
            "if": {"properties": {"decision": {"const": decision}}},
            "else": {"properties": keys},
        })
    };
    with(
        schema,
        "allOf",
        json!([
            of("restrict", json!({"limits": false})),
            of("step_up", json!({"acr": false, "amr": false, "max_age": false})),
            {
                "if": {"properties": {"decision": {"const": "restrict"}}, "required": ["decision"]},
                "then": {"required": ["limits"]},
            },
        ]),
    );
}

pub(super) fn rule() -> Json {
    let mut keys = vec![
        ("name!", part("name", "Its name.")),
        ("when!", part("expression", "When it applies: `score < thresholds.withdraw`.")),
        ("unknown", unknown()),
    ];
    keys.extend(chosen());
    keys.extend([
        ("exempt", flag("On an `allow`: when it matches, it alone decides.")),
        ("ignore_confidence", flag("Decides also where confidence is below `min_confidence`.")),
        (
            "mode",
            defaulting(
                word("`shadow` records and never decides.", ["enforce", "shadow"]),
                "enforce",
            ),
        ),
        ("reason", part("reason", "What is said of it.")),
    ]);
    keys.extend(obligations());
    keys.extend([
        (
            "headers",
            free(
                "Headers for the upstream: an expression each.",
                part("expression", "The header's value."),
            ),
        ),
        (
            "token",
            mapping(
                "The token for the upstream.",
                &[(
                    "claims!",
                    free("Claims: an expression each.", part("expression", "The claim's value.")),
                )],
            ),
        ),
    ]);
    let mut rule = mapping("A condition, and what it decides or obliges to.", &keys);
    belongs(&mut rule);
    let needs = ["limits", "acr", "amr", "max_age"];
    let needs: serde_json::Map<String, Json> =
        needs.iter().map(|key| ((*key).to_owned(), json!(["decision"]))).collect();
    with(&mut rule, "dependentRequired", Json::Object(needs));
    let does = ["decision", "review", "revoke_session", "incident", "headers", "token"];
    let does: Vec<Json> = does.iter().map(|key| json!({"required": [key]})).collect();
    with(&mut rule, "anyOf", json!(does));
    rule
}

pub(super) fn default() -> Json {
    let mut schema = mapping("What is answered where no rule allows; left out, `deny`.", &chosen());
    with(&mut schema, "required", json!(["decision"]));
    belongs(&mut schema);
    schema
}

pub(super) fn min_confidence() -> Json {
    let decisions = Decision::ALL.into_iter().filter(|decision| *decision != Decision::Allow);
    let mut keys = vec![
        ("value!", trust::confidence()),
        (
            "decision!",
            word("What is answered, from free to strict.", decisions.map(Decision::name)),
        ),
    ];
    keys.extend(chosen().into_iter().filter(|(key, _)| *key != "decision"));
    keys.push(("reason", part("reason", "What is said of it.")));
    let mut schema = mapping("What is answered where too little is known.", &keys);
    belongs(&mut schema);
    schema
}

pub(super) fn on_level() -> Json {
    free(
        "What a level obliges to, once a crossing, by its name.",
        mapping("Obligations.", &obligations()),
    )
}
