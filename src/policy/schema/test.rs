//! `kind: PolicyTest`: what a policy must do.

use serde_json::{Value as Json, json};

use super::parts::{
    defaulting, duration, flag, free, list, mapping, metadata, number, part, share, text, with,
    word, words,
};
use crate::model::{Decision, GeoField, Severity};

pub(super) fn document() -> Json {
    mapping(
        "What a policy must do: `plimsoll test` runs it.",
        &[
            ("metadata", metadata()),
            ("policy!", text("The policy that is tested.")),
            ("now", part("timestamp", "The time at which the tests ask.")),
            ("tests!", list("The tests.", test())),
        ],
    )
}

fn test() -> Json {
    mapping(
        "One request, and what must come of it.",
        &[
            ("name!", text("What it shows.")),
            ("now", part("timestamp", "Its own time.")),
            ("history", list("What happened before, and is learned.", past())),
            ("signals", signals()),
            ("given", given()),
            ("request", request()),
            ("expect!", expect()),
        ],
    )
}

fn signals() -> Json {
    let value = json!({
        "description": "The value, or `{value, at}` where it was observed before now.",
        "if": {"type": "object", "required": ["value"]},
        "then": {
            "additionalProperties": false,
            "properties": {
                "value": {"description": "The value."},
                "at": part("timestamp", "When it was observed."),
            },
        },
    });
    free("What is known, by entity kind.", free("Signals of the entity.", value))
}

fn request() -> Json {
    let party = |what: &str| {
        json!({
            "type": "object", "description": what, "required": ["type", "id"],
            "properties": {
                "type": {"type": "string", "description": "Its kind."},
                "id": {"type": "string", "description": "Its id."},
                "properties": {"type": ["object", "null"], "description": "What else is said of it."},
            },
        })
    };
    json!({
        "type": "object",
        "description": "What is asked, as in AuthZEN. What doesn't matter may be left out.",
        "properties": {
            "subject": party("Who asks."),
            "action": {
                "type": "object", "description": "What is to be done.", "required": ["name"],
                "properties": {"name": {"type": "string", "description": "`action.name`"}},
            },
            "resource": party("What it is done to."),
            "context": {"type": ["object", "null"], "description": "What else is said; `entities` names devices, sessions, addresses."},
        },
    })
}

fn past() -> Json {
    let entity = mapping(
        "Whom it is of.",
        &[("type!", text("The kind of entity: `user`.")), ("id!", text("Its id."))],
    );
    let label = mapping(
        "A label that comes then, as `POST /v1/labels` takes it.",
        &[
            ("entity!", entity),
            ("label!", word("What is known of it now.", ["fraud", "legitimate"])),
            (
                "at",
                json!({"anyOf": [{"$ref": "#/$defs/timestamp"}, {"type": "null"}], "description": "When that happened which is labelled; left out, when the label comes."}),
            ),
            ("note", defaulting(text("For people."), "")),
        ],
    );
    let mut past = mapping(
        "Something that happened, once, or again and again.",
        &[
            ("at!", part("timestamp", "When, or when first.")),
            ("every", duration("Again after each.")),
            (
                "times",
                json!({"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1, "description": "So often."}),
            ),
            ("signals", signals()),
            ("request", request()),
            ("label", label),
        ],
    );
    with(&mut past, "dependentRequired", json!({"every": ["times"], "times": ["every"]}));
    past
}

fn given() -> Json {
    let place = |name: &str| match name {
        "country" | "city" | "org" => text("What `geo(ip)` gives."),
        _ => number("What `geo(ip)` gives."),
    };
    let fields: Vec<(&str, Json)> = words(&GeoField::ALL).map(|name| (name, place(name))).collect();
    let policy = mapping(
        "What a policy that is composed says.",
        &[("score!", number("Its score.")), ("confidence", share("Its confidence; left out, 1."))],
    );
    let http = mapping(
        "The HTTP request.",
        &[
            ("method", text("Left out, GET.")),
            ("path", text("Left out, /.")),
            ("host", text("Left out, example.com.")),
            ("scheme", text("Left out, https.")),
            ("headers", free("Its headers.", text("The value."))),
        ],
    );
    mapping(
        "What would come from elsewhere.",
        &[
            ("lists", free("Entries of lists.", list("Entries.", text("An entry.")))),
            ("geo", free("Places, by address or network.", mapping("A place.", &fields))),
            (
                "learned",
                free(
                    "Values of functions of learned state: `\"deviation(user.download_bytes)\": 4.2`.",
                    json!({
                        "type": ["number", "boolean", "string"],
                        "description": "What the function gives that is written as a policy writes it.",
                    }),
                ),
            ),
            ("policies", free("Results of composed policies.", policy)),
            ("http", http),
            ("expected", list("What was announced.", announced())),
        ],
    )
}

fn announced() -> Json {
    // The entity stands under its kind's name, which a catalog may declare: one key more
    // than those that are known.
    let exactly = |said: Json, left_out: Json, keys: usize| {
        let left_out: Vec<Json> =
            left_out.as_array().into_iter().flatten().map(|k| json!({"required": [k]})).collect();
        let mut case = json!({"required": said, "minProperties": keys, "maxProperties": keys});
        if !left_out.is_empty() {
            with(&mut case, "not", json!({"anyOf": left_out}));
        }
        case
    };
    json!({
        "type": "object",
        "description": "An announced change: `{user: u1, kind: travel, from: ..., until: ...}`.",
        "required": ["kind", "from", "until"],
        "anyOf": [
            exactly(json!([]), json!(["values", "reference"]), 4),
            exactly(json!(["values"]), json!(["reference"]), 5),
            exactly(json!(["reference"]), json!(["values"]), 5),
            exactly(json!(["values", "reference"]), json!([]), 6),
        ],
        "properties": {
            "kind": text("The kind of change."),
            "from": part("timestamp", "When it begins."),
            "until": part("timestamp", "When it ends."),
            "values": list("The values that it names.", text("A value.")),
            "reference": text("A ticket, say."),
        },
        "propertyNames": {"$ref": "#/$defs/name"},
        "additionalProperties": {
            "type": ["string", "null"],
            "description": "Of whom, by entity kind: the id, or `null` for who the request is about.",
        },
    })
}

fn near(what: &str) -> Json {
    let about = mapping(
        "About a number.",
        &[("near!", number("The number.")), ("within!", number("How far from it is near enough."))],
    );
    json!({"description": what, "anyOf": [{"type": "number"}, about]})
}

fn expect() -> Json {
    let texts = |what: &str| list(what, text("A name."));
    let incident = json!({
        "description": "The incident; `null` or `false`: none.",
        "anyOf": [
            {"type": "null"},
            {"const": false},
            mapping("The incident.", &[("severity!", word("How bad it is.", words(&Severity::ALL)))]),
        ],
    });
    let obligations = mapping(
        "What is obliged to.",
        &[
            ("review", flag("A person should look at it.")),
            ("revoke_session", flag("The session should end.")),
            ("incident", incident),
        ],
    );
    mapping(
        "What must be; what is left out may be anything.",
        &[
            ("decision", word("What is answered.", Decision::ALL.map(Decision::name))),
            ("level", text("The level's name.")),
            ("score", near("The score: a number, or `{near, within}`.")),
            ("confidence", near("The confidence: a number, or `{near, within}`.")),
            ("reasons", texts("How the ranked list of reasons begins: factors and adjustments.")),
            ("rules", texts("Rules that match.")),
            ("obligations", obligations),
            ("limits", texts("What is restricted.")),
            ("unknown", texts("What is met and not known.")),
            ("dimensions", free("Sub-scores.", near("A number, or `{near, within}`."))),
            ("counterfactual", text("The factor that alone stands in the way, or `none`.")),
        ],
    )
}
