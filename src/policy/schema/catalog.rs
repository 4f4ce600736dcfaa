//! `kind: Catalog`: what can be known.

use serde_json::{Value as Json, json};

use super::learned;
use super::parts::{
    defaulting, duration, flag, free, list, mapping, metadata, named, part, share, text, with,
    word, words,
};
use crate::model::{ListKind, SignalType, TEACHES_UP_TO};

pub(super) fn document() -> Json {
    mapping(
        "What can be known: entities, their signals, lists.",
        &[
            ("metadata", metadata()),
            ("entities", entities()),
            ("signals", signals()),
            ("context", context()),
            (
                "resources",
                list(
                    "What an HTTP request is about, for callers that only have a path. The first that matches.",
                    route(),
                ),
            ),
            (
                "lists",
                named(
                    "Lists of addresses, domains, hashes or strings: `x in lists.NAME`.",
                    list_of(),
                ),
            ),
            ("geo", geo()),
            (
                "peer_groups",
                named(
                    "With whom an entity is compared: `peer_deviation(signal, group)`.",
                    peer_group(),
                ),
            ),
            (
                "travel",
                mapping(
                    "What `travel_speed` leaves out.",
                    &[(
                        "anywhere!",
                        text(
                            "A `cidr` list of addresses behind which somebody may be anywhere: VPNs, say.",
                        ),
                    )],
                ),
            ),
            (
                "user_agent",
                part(
                    "expression",
                    "The user agent that `rarity` goes by. Left out: the header `user-agent`, else `context.user_agent`.",
                ),
            ),
            (
                "learning",
                mapping(
                    "Which requests teach.",
                    &[(
                        "risk_up_to!",
                        defaulting(
                            share(
                                "Those that were let through teach up to this risk, as far as it is known: 0 is the best score, 1 the worst.",
                            ),
                            TEACHES_UP_TO,
                        ),
                    )],
                ),
            ),
            ("links", learned::links()),
            ("expected", learned::expected()),
        ],
    )
}

fn entities() -> Json {
    let entity = mapping(
        "An entity kind.",
        &[(
            "forget_after",
            duration("An entity of which nothing is heard for so long is forgotten."),
        )],
    );
    named(
        "Kinds of entities. `user`, `device`, `session` and `address` are known without being declared.",
        entity,
    )
}

fn signals() -> Json {
    let mut signal = mapping(
        "A signal: its type, and how long it is worth something.",
        &[
            (
                "type!",
                word(
                    "What its values are. Each report of an `event` is an occurrence, a `counter` only grows.",
                    words(&SignalType::ALL),
                ),
            ),
            (
                "values",
                json!({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string"}, "description": "The values of an `enum`."}),
            ),
            ("unit", text("The unit, as in UCUM: `By`, `s`.")),
            ("description", text("For people.")),
            ("fresh_for", duration("Older values count as missing.")),
            ("half_life", duration("The value's freshness halves with so much of its age.")),
            (
                "observe",
                part(
                    "expression",
                    "What a request itself teaches of it: `geo(address.ip).country`.",
                ),
            ),
            ("learn", learned::learn()),
            ("pii", flag("Leaves the process only pseudonymised.")),
        ],
    );
    // An enum has values, and nothing else has.
    with(
        &mut signal,
        "if",
        json!({"properties": {"type": {"const": "enum"}}, "required": ["type"]}),
    );
    with(&mut signal, "then", json!({"required": ["values"]}));
    with(&mut signal, "else", json!({"properties": {"values": false}}));
    json!({
        "type": "object",
        "description": "What is known of entities, as `entity.name`. `id` and `address.ip` are built in.",
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*$"},
        "additionalProperties": signal,
    })
}

fn context() -> Json {
    let types = SignalType::ALL
        .iter()
        .filter(|(_, ty)| !matches!(ty, SignalType::Counter | SignalType::Event))
        .map(|(name, _)| *name);
    free("Types of what callers send: `context.NAME`.", word("The type.", types))
}

fn route() -> Json {
    let matching = mapping(
        "Which requests.",
        &[
            ("path!", text("A path: `*` is one segment, `**` at the end any number.")),
            ("method", text("The method; left out, any.")),
        ],
    );
    mapping(
        "What requests that match are about.",
        &[
            ("match!", matching),
            ("type!", text("`resource.type`")),
            ("action", text("`action.name`; left out, by the method.")),
            (
                "properties",
                free(
                    "`resource.properties`",
                    json!({
                        "type": ["string", "number", "boolean"],
                        "description": "What `resource.properties.NAME` is of such a request.",
                    }),
                ),
            ),
        ],
    )
}

fn list_of() -> Json {
    let mut list = mapping(
        "A list, from a file (`path`) or from elsewhere (`url`).",
        &[
            ("type!", word("What its entries are.", words(&ListKind::ALL))),
            ("path", text("The file, beside the policies. It is read anew when it changes.")),
            (
                "url",
                json!({"type": "string", "pattern": "^https?://", "description": "Where it is fetched from."}),
            ),
            ("every", defaulting(duration("How often it is fetched, from `1s` to `30d`."), "1h")),
            ("ca", text("A PEM file of who vouches for the server of an https:// URL.")),
            ("token_file", text("A file with the bearer token; only over https://.")),
            ("half_life", duration("Entries count half after so long; `1s` at least.")),
        ],
    );
    with(&mut list, "oneOf", json!([{"required": ["path"]}, {"required": ["url"]}]));
    with(
        &mut list,
        "dependentRequired",
        json!({"every": ["url"], "ca": ["url"], "token_file": ["url"]}),
    );
    list
}

fn geo() -> Json {
    mapping(
        "GeoIP databases (mmdb), which `geo(ip)` asks.",
        &[
            ("city", text("Countries, cities and coordinates.")),
            ("asn", text("Networks and who runs them.")),
            (
                "optional",
                flag(
                    "They may be left out: that one isn't there yet is no failure that `/status` and metrics tell.",
                ),
            ),
        ],
    )
}

fn peer_group() -> Json {
    let signals = |what: &str| list(what, text("A signal: `user.department`."));
    let discover = mapping(
        "Groups that are found by what entities do.",
        &[
            ("over!", signals("The signals that are compared.")),
            ("every", duration("How often groups are found anew.")),
        ],
    );
    let mut group = mapping(
        "A way to group: `by` or `discover`.",
        &[("by", signals("Who has the same values is in one group.")), ("discover", discover)],
    );
    with(&mut group, "oneOf", json!([{"required": ["by"]}, {"required": ["discover"]}]));
    group
}
