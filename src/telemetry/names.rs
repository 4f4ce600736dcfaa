//! Every metric's name and help.

/// A metric: name without the `plimsoll_` prefix and the unit suffix that its kind adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

const fn name(name: &'static str, help: &'static str) -> Name {
    Name { name, help }
}

pub(super) const DECISIONS: Name =
    name("plimsoll_decisions", "Decisions, by policy, decision and what decided");
pub(super) const DECISION_SECONDS: Name =
    name("plimsoll_decision_duration_seconds", "Time from look-up to the encoded answer");
pub(super) const SCORES: Name =
    name("plimsoll_score_ratio", "Scores, as their share of the policy's range");
pub(super) const UNKNOWN_ENTITIES: Name = name(
    "plimsoll_unknown_entities",
    "Entities that a request named and nothing was known of, by policy",
);
pub(super) const SHADOW_DIFFERENCES: Name = name(
    "plimsoll_shadow_differences",
    "Decisions that shadow rules would have made otherwise, by policy",
);
pub(super) const REFUSED: Name =
    name("plimsoll_refused_requests", "Requests answered without a decision, by cause");
pub(super) const REFUSED_CONNECTIONS: Name = name(
    "plimsoll_refused_connections",
    "Connections closed before they could ask anything, by cause",
);
pub(super) const CONNECTIONS: Name = name("plimsoll_open_connections", "Open connections");
pub(super) const REQUESTS_IN_FLIGHT: Name = name(
    "plimsoll_requests_in_flight",
    "Requests on their way in or waiting for their answer; not the checks that were answered at once",
);
pub(super) const BODY_BYTES: Name =
    name("plimsoll_body_bytes_in_flight", "Bytes that the requests in flight hold");
pub(super) const TOKENS_REFUSED: Name =
    name("plimsoll_tokens_refused", "Signed tokens that were not believed, by cause");
pub(super) const KEY_FETCHES: Name =
    name("plimsoll_key_set_fetches", "Fetches of key sets by URL, by outcome");
pub(super) const RELOADS: Name = name("plimsoll_policy_reloads", "Policy reloads, by outcome");
pub(super) const POLICY_INFO: Name = name("plimsoll_policy", "The revision that decides");
pub(super) const POLICY_LOADED: Name =
    name("plimsoll_policy_loaded_timestamp_seconds", "When the deciding revision was loaded");
pub(super) const POLICY_ERRORS: Name = name(
    "plimsoll_policy_errors",
    "Errors in the policy folder as it is now; above zero, the last good revision goes on",
);
pub(super) const ENTITIES: Name = name("plimsoll_entities", "Entities in the signal cache");
pub(super) const CACHE_BYTES: Name =
    name("plimsoll_signal_cache_bytes", "Memory that the signal cache counts for itself");
pub(super) const EVICTED: Name =
    name("plimsoll_entities_evicted", "Entities dropped to keep the cache within its limits");
pub(super) const EXPIRED: Name =
    name("plimsoll_entities_expired", "Entities forgotten as nothing was heard of them");
pub(super) const CACHE_REFUSED: Name =
    name("plimsoll_signal_writes_refused", "Writes refused as the cache was full");
pub(super) const SIGNALS: Name = name("plimsoll_signals", "Reported signals, by outcome");
pub(super) const OBSERVATIONS_DROPPED: Name =
    name("plimsoll_observations_dropped", "Observations dropped as their queue was full");
pub(super) const OBSERVATIONS_WAITING: Name =
    name("plimsoll_observations_waiting", "Observations that wait to be learned");
