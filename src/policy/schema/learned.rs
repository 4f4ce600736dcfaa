//! What a catalog says of learning: baselines, links, announced changes.

use serde_json::{Value as Json, json};

use super::parts::{defaulting, duration, mapping, named, text, word, words};
use crate::model::Season;

pub(super) fn learn() -> Json {
    let baseline = mapping(
        "What is usual: `deviation(signal)`.",
        &[
            ("half_life", defaulting(duration("What was seen so long ago counts half."), "14d")),
            (
                "season",
                word("What is usual is learned for each hour of this cycle.", words(&Season::ALL)),
            ),
        ],
    );
    let quantiles = mapping(
        "How the values are spread: `percentile(signal)`, `quantile(signal, 0.95)`.",
        &[("half_life", defaulting(duration("What was seen so long ago counts half."), "14d"))],
    );
    let familiar = mapping(
        "Which values are known of an entity: `familiar(signal, value)`.",
        &[
            (
                "keep",
                json!({"type": "integer", "minimum": 1, "maximum": 16, "default": 16, "description": "So many values are kept."}),
            ),
            (
                "forget_after",
                defaulting(duration("A value not seen for so long is forgotten."), "90d"),
            ),
        ],
    );
    let trend =
        mapping("The change over time: `trend(signal)`.", &[("window", duration("Over so long."))]);
    mapping(
        "What is learned of the signal.",
        &[
            ("baseline", baseline),
            ("quantiles", quantiles),
            ("trend", trend),
            ("familiar", familiar),
            (
                "from",
                defaulting(
                    word(
                        "Whether requests that were not let through teach too.",
                        ["permitted", "all"],
                    ),
                    "permitted",
                ),
            ),
            ("delay", duration("What is seen is learned so much later.")),
        ],
    )
}

pub(super) fn links() -> Json {
    let link = mapping(
        "An identifier.",
        &[
            (
                "of",
                defaulting(
                    text(
                        "Which kind of entity `device.id` or `address.ip` links; a signal links the entities that have it.",
                    ),
                    "user",
                ),
            ),
            (
                "hub",
                json!({"type": "integer", "minimum": 2, "maximum": 32, "default": 8, "description": "A value that more entities share links nobody."}),
            ),
            ("forget_after", defaulting(duration("From `1s` to ten years."), "365d")),
        ],
    );
    json!({
        "type": "object",
        "maxProperties": 16,
        "description": "What links entities: string signals, `device.id`, `address.ip`.",
        "additionalProperties": link,
    })
}

pub(super) fn expected() -> Json {
    named(
        "Changes that may be announced: `expected(user, \"travel\")`.",
        mapping(
            "A kind of change.",
            &[
                ("entity!", text("The kind of entity of which it is announced.")),
                ("at_most!", duration("The longest window, from `1m` to `366d`.")),
            ],
        ),
    )
}
