//! Factors and the curves that map their values.

use serde_json::{Value as Json, json};

use super::parts::{duration, flag, mapping, named, number, part, share, text, with};

pub(super) fn factors() -> Json {
    let mut factors = named("What the score is made of.", factor());
    with(&mut factors, "minProperties", json!(1));
    factors
}

pub(super) fn weight() -> Json {
    json!({"type": "number", "minimum": 0, "default": 1, "description": "Its part of the whole; weights need not add up to anything."})
}

pub(super) fn missing(what: &str) -> Json {
    json!({
        "anyOf": [{"enum": ["worst", "skip"]}, {"type": "number", "minimum": 0, "maximum": 1}],
        "description": format!("What counts where a value is missing: `worst` (the untrusting end), `skip` (left out, needs `min_confidence`) or a number in [0, 1]. {what}"),
    })
}

fn factor() -> Json {
    let mut reason = mapping(
        "What is said of it where it costs trust. Texts may name `{value}`, `{score}`, `{level}` and `{confidence}`.",
        &[
            ("user", text("For the person concerned: safe to show.")),
            ("admin", text("For those who may see all.")),
            ("remedy", text("What the person concerned can do; needs `user`.")),
        ],
    );
    with(&mut reason, "dependentRequired", json!({"remedy": ["user"]}));
    mapping(
        "A value, and how it counts.",
        &[
            (
                "value!",
                part("expression", "What is looked at: `days_since(user.account_created_at)`."),
            ),
            ("curve", curve()),
            ("weight", weight()),
            ("missing", missing("Left out, what `score` says.")),
            ("reason", reason),
            ("description", text("For people.")),
        ],
    )
}

fn curve() -> Json {
    let linear = mapping(
        "A straight line from `from` (0) to `to` (1); it falls where `from` is above `to`.",
        &[
            ("from", json!({"type": "number", "default": 0, "description": "Where it is 0."})),
            ("to!", number("Where it is 1.")),
        ],
    );
    let log10 = mapping(
        "log10(x + 1) / log10(to)",
        &[(
            "to!",
            json!({"type": "number", "exclusiveMinimum": 1, "description": "Where it is about 1."}),
        )],
    );
    let point = json!({
        "type": "array", "minItems": 2, "maxItems": 2,
        "prefixItems": [{"type": "number"}, {"type": "number", "minimum": 0, "maximum": 1}],
    });
    let steps = mapping(
        "Points, flat outside.",
        &[
            (
                "points!",
                json!({"type": "array", "minItems": 1, "items": point, "description": "Pairs `[x, c]` that rise in x; c is in [0, 1]."}),
            ),
            ("interpolate", flag("Straight lines between the points instead of steps.")),
        ],
    );
    let logistic = mapping(
        "1 / (1 + exp(-slope * (x - mid)))",
        &[
            ("mid!", number("Where it is one half.")),
            (
                "slope!",
                json!({"type": "number", "not": {"const": 0}, "description": "How steep it is; below zero it falls."}),
            ),
        ],
    );
    let decay = mapping(
        "1 for what is new, half after each half-life.",
        &[("half_life!", duration("After so long it is half."))],
    );
    let map = json!({
        "type": "object",
        "additionalProperties": share("c for this value."),
        "properties": {"else": share("c for all other values.")},
        "description": "A number in [0, 1] for each value; `else` for the rest.",
    });
    let bool = mapping(
        "A number for each.",
        &[
            (
                "true",
                json!({"type": "number", "minimum": 0, "maximum": 1, "default": 1, "description": "c of true."}),
            ),
            (
                "false",
                json!({"type": "number", "minimum": 0, "maximum": 1, "default": 0, "description": "c of false."}),
            ),
        ],
    );
    let mut kinds = mapping(
        "One kind of curve.",
        &[
            ("linear", linear),
            ("log10", log10),
            ("steps", steps),
            ("logistic", logistic),
            ("decay", decay),
            ("map", map),
            ("bool", bool),
        ],
    );
    with(&mut kinds, "minProperties", json!(1));
    with(&mut kinds, "maxProperties", json!(1));
    json!({
        "description": "Maps the value to [0, 1], clamped. A bool and a number in [0, 1] need none.",
        "anyOf": [{"const": "bool"}, kinds],
    })
}
