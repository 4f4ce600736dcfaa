//! `kind: TrustPolicy`: what to make of what is known.

use serde_json::{Value as Json, json};

use super::parts::{
    defaulting, free, list, mapping, named, number, part, share, text, with, word, words,
};
use super::{factors, rules};
use crate::model::Combine;

pub(super) fn document() -> Json {
    let metadata = mapping(
        "What the policy is called.",
        &[
            ("name!", part("policyName", "Its name: letters, digits, `_` and `-`.")),
            ("description", text("For people.")),
        ],
    );
    mapping(
        "What to make of what is known: a score, its levels, and rules.",
        &[
            ("metadata!", metadata),
            ("score!", score()),
            ("levels!", levels()),
            ("thresholds", named("Numbers with a name: `thresholds.NAME`.", threshold())),
            (
                "rules",
                list(
                    "Their order does not matter: the strictest that matches decides.",
                    rules::rule(),
                ),
            ),
            ("default", rules::default()),
            ("min_confidence", rules::min_confidence()),
            (
                "shadow_of",
                part(
                    "policyName",
                    "Evaluated on the same requests as that policy and recorded, never answering.",
                ),
            ),
            ("on_level", rules::on_level()),
        ],
    )
}

fn score() -> Json {
    let mut score = mapping(
        "How the score comes about: from `factors`, or from `dimensions` of them.",
        &[
            ("range", pair("The lowest and the highest score.", json!([0, 100]))),
            (
                "direction!",
                word("`trust`: higher is better; `risk`: higher is worse.", ["trust", "risk"]),
            ),
            (
                "precision",
                json!({"type": "number", "exclusiveMinimum": 0, "description": "Shown scores are rounded down to steps of this."}),
            ),
            ("missing", factors::missing("For every factor that says nothing else.")),
            (
                "prior",
                number("The score where nothing is known at all; left out, the untrusting end."),
            ),
            ("combine", combine()),
            ("factors", factors::factors()),
            ("dimensions", named("Groups of factors, each with a sub-score.", dimension())),
            (
                "adjustments",
                list("What moves the score after the factors, in this order.", adjustment()),
            ),
            (
                "expected",
                free("Which factors an announced change softens, by its kind.", softening()),
            ),
        ],
    );
    with(&mut score, "oneOf", json!([{"required": ["factors"]}, {"required": ["dimensions"]}]));
    score
}

fn pair(description: &str, default: Json) -> Json {
    json!({
        "type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"},
        "description": description, "default": default,
    })
}

pub(super) fn combine() -> Json {
    let what = "How factors become one number. `max`, `min` and `ranked` take no weights.";
    defaulting(word(what, words(&Combine::ALL)), "weighted_sum")
}

fn dimension() -> Json {
    mapping(
        "A group of factors.",
        &[
            ("weight", factors::weight()),
            ("combine", combine()),
            ("factors!", factors::factors()),
            ("description", text("For people.")),
        ],
    )
}

fn adjustment() -> Json {
    let bound = |what: &str| json!({"type": ["number", "string"], "description": what});
    let mut adjustment = mapping(
        "Does one thing to the score, or to a dimension's.",
        &[
            ("name!", part("name", "Its name, which factors don't have.")),
            ("when!", part("expression", "When it applies.")),
            ("unknown", rules::unknown()),
            ("dimension", text("The dimension that it is about; left out, the total.")),
            ("no_better_than", bound("A score or a level's name.")),
            ("no_worse_than", bound("A score or a level's name.")),
            ("add", number("What is added.")),
            ("set", number("The score from here on.")),
            (
                "odds",
                json!({"type": ["number", "string"], "minimum": 0, "description": "Multiplies the odds of the score's share of the range. A number from 0, or an expression."}),
            ),
            ("reason", part("reason", "What is said of it.")),
        ],
    );
    let kinds = ["no_better_than", "no_worse_than", "add", "set", "odds"];
    let one: Vec<Json> = kinds.iter().map(|kind| json!({"required": [kind]})).collect();
    with(&mut adjustment, "oneOf", json!(one));
    adjustment
}

fn softening() -> Json {
    mapping(
        "What is softened while the change is announced.",
        &[
            (
                "soften!",
                json!({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string"}, "description": "Factors of this policy."}),
            ),
            (
                "by!",
                json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "The part of the way to the trusted end that a factor is moved."}),
            ),
            (
                "value",
                part("expression", "What must be among the values that the announcement names."),
            ),
            ("when", part("expression", "Only then.")),
            ("description", text("For people.")),
        ],
    )
}

fn levels() -> Json {
    let level = mapping(
        "A level, up to where the next begins.",
        &[
            (
                "from!",
                number(
                    "The lowest score that has it. The lowest level begins at the range's minimum.",
                ),
            ),
            ("label", text("Its name for people.")),
            ("badge", text("A sign for it.")),
            ("description", text("For people.")),
        ],
    );
    let mut levels = named("The partition of the range.", level);
    with(&mut levels, "minProperties", json!(1));
    levels
}

fn threshold() -> Json {
    let tune = mapping(
        "That it may be tuned.",
        &[("within!", pair("From where to where.", json!([0, 1])))],
    );
    let whole = mapping(
        "A threshold that may be tuned.",
        &[
            ("value!", number("Its value.")),
            ("tune", tune),
            ("appetites", free("Values by appetite for risk.", number("The value."))),
            ("description", text("For people.")),
        ],
    );
    json!({"description": "A number, or a mapping that says more.", "anyOf": [{"type": "number"}, whole]})
}

/// A value of `min_confidence`.
pub(super) fn confidence() -> Json {
    share("The least confidence, in [0, 1].")
}
