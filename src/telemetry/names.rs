//! Every metric's name, kind and help. `docs/telemetry.md` has them all, which a
//! test holds to.

/// A metric, by its name without the suffix that its kind adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

const fn counter(name: &'static str, help: &'static str) -> Name {
    Name { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Name {
    Name { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Name {
    Name { name, kind: Kind::Histogram, help }
}

const fn info(name: &'static str, help: &'static str) -> Name {
    Name { name, kind: Kind::Info, help }
}

// Decisions.

pub(super) const DECISIONS: Name =
    counter("plimsoll_decisions", "Decisions, by policy, decision and what decided");
pub(super) const DECISION_SECONDS: Name =
    histogram("plimsoll_decision_duration_seconds", "Time from look-up to the encoded answer");
pub(super) const SCORES: Name =
    histogram("plimsoll_score_ratio", "Scores, as their share of the policy's range");
pub(super) const UNKNOWN_ENTITIES: Name = counter(
    "plimsoll_unknown_entities",
    "Entities that a request named and nothing was known of, by policy",
);
pub(super) const SHADOW_DIFFERENCES: Name = counter(
    "plimsoll_shadow_differences",
    "Decisions that shadow rules would have made otherwise, by policy",
);
pub(super) const SIGNAL_LOOKUPS: Name = counter(
    "plimsoll_signal_lookups",
    "Signals that decisions asked for, by policy and how they were found",
);
pub(super) const SIGNAL_AGES: Name =
    histogram("plimsoll_signal_age_seconds", "Age of signals when decisions used them");
pub(super) const REFUSED: Name =
    counter("plimsoll_refused_requests", "Requests answered without a decision, by cause");

// Connections and load.

pub(super) const REFUSED_CONNECTIONS: Name = counter(
    "plimsoll_refused_connections",
    "Connections closed before they could ask anything, by cause",
);
pub(super) const CONNECTIONS: Name = gauge("plimsoll_open_connections", "Open connections");
pub(super) const REQUESTS_IN_FLIGHT: Name = gauge(
    "plimsoll_requests_in_flight",
    "Requests on their way in or waiting for their answer; not the checks that were answered at once",
);
pub(super) const BODY_BYTES: Name =
    gauge("plimsoll_body_bytes_in_flight", "Bytes that the requests in flight hold");
pub(super) const TOKENS_REFUSED: Name =
    counter("plimsoll_tokens_refused", "Signed tokens that were not believed, by cause");
pub(super) const KEY_FETCHES: Name =
    counter("plimsoll_key_set_fetches", "Fetches of key sets by URL, by outcome");

// Policies, lists and files.

pub(super) const READY: Name =
    gauge("plimsoll_ready", "1 where this process takes requests, 0 where it waits or drains");
pub(super) const RELOADS: Name = counter("plimsoll_policy_reloads", "Policy reloads, by outcome");
pub(super) const POLICY_INFO: Name = info("plimsoll_policy", "The revision that decides");
pub(super) const POLICY_LOADED: Name =
    gauge("plimsoll_policy_loaded_timestamp_seconds", "When the deciding revision was loaded");
pub(super) const POLICY_AGE: Name =
    gauge("plimsoll_policy_age_seconds", "Time since the deciding revision was loaded");
pub(super) const POLICY_ERRORS: Name = gauge(
    "plimsoll_policy_errors",
    "Errors in the policy folder as it is now; above zero, the last good revision goes on",
);
pub(super) const LIST_ENTRIES: Name =
    gauge("plimsoll_list_entries", "Entries of a list, tree nodes of a geo database");
pub(super) const LIST_AGE: Name =
    gauge("plimsoll_list_age_seconds", "Time since what is used of a list was loaded");
pub(super) const LIST_FAILING: Name =
    gauge("plimsoll_list_failing", "1 where a list as its file or server has it now can't be used");
pub(super) const LIST_ABSENT: Name =
    gauge("plimsoll_list_absent", "1 where a geo database that may be left out isn't there");
pub(super) const CERTIFICATE_ENDS: Name = gauge(
    "plimsoll_tls_certificate_expiry_timestamp_seconds",
    "When the certificate that callers are shown, or one above it in its file, ends",
);
pub(super) const FILE_AGE: Name = gauge(
    "plimsoll_file_age_seconds",
    "Time since what is used of certificates, tokens and key sets was loaded",
);
pub(super) const FILE_FAILING: Name =
    gauge("plimsoll_file_failing", "1 where such files as they are now can't be used");

// The signal cache and its queues.

pub(super) const ENTITIES: Name = gauge("plimsoll_entities", "Entities in the signal cache");
pub(super) const CACHE_BYTES: Name =
    gauge("plimsoll_signal_cache_bytes", "Memory that the signal cache counts for itself");
pub(super) const EVICTED: Name =
    counter("plimsoll_entities_evicted", "Entities dropped to keep the cache within its limits");
pub(super) const EXPIRED: Name =
    counter("plimsoll_entities_expired", "Entities forgotten as nothing was heard of them");
pub(super) const CACHE_REFUSED: Name =
    counter("plimsoll_signal_writes_refused", "Writes refused as the cache was full");
pub(super) const SIGNALS: Name = counter("plimsoll_signals", "Reported signals, by outcome");
pub(super) const OBSERVATIONS_DROPPED: Name =
    counter("plimsoll_observations_dropped", "Observations that were not learned, by cause");
pub(super) const OBSERVATIONS_WAITING: Name =
    gauge("plimsoll_observations_waiting", "Observations that wait to be learned");
pub(super) const OBSERVATIONS_DELAYED: Name =
    gauge("plimsoll_observations_delayed", "Observations held back as learn.delay says");
pub(super) const OBSERVATIONS_LEARNED: Name =
    counter("plimsoll_observations_learned", "Observations that taught something");
pub(super) const PROFILES: Name =
    gauge("plimsoll_profiles", "Entities of which something was learned");
pub(super) const PROFILES_EVICTED: Name =
    counter("plimsoll_profiles_evicted", "Profiles dropped to make room for others");
pub(super) const SUMMARIES_REFUSED: Name = counter(
    "plimsoll_summaries_refused",
    "Learned summaries that a record had no room for: the policies want too much learned",
);
pub(super) const LINKED: Name = gauge("plimsoll_linked_entities", "Entities that have links");
pub(super) const LINKS: Name =
    gauge("plimsoll_links", "Links between entities and values of their identifiers");
pub(super) const LINKS_EVICTED: Name =
    counter("plimsoll_links_evicted", "Linked entities and values dropped to make room");
pub(super) const LABELS: Name = gauge("plimsoll_labels", "Entities that are labelled");

pub(super) const ANNOUNCED: Name = gauge(
    "plimsoll_expected_changes",
    "Announced changes in force when they were last counted, by kind of change",
);

// The store.

pub(super) const STORE_WAITING: Name =
    gauge("plimsoll_store_waiting", "Changes and profiles that wait to be written");
pub(super) const STORE_BATCHES: Name =
    counter("plimsoll_store_batches", "Batches that the store has written");
pub(super) const STORE_FAILURES: Name =
    counter("plimsoll_store_failures", "Times that the store failed to write, or to open again");
pub(super) const STORE_FAILING: Name =
    gauge("plimsoll_store_failing", "1 where the store fails and nothing is kept");
pub(super) const STORE_CHECKPOINTS: Name = counter(
    "plimsoll_store_checkpoints",
    "Comparisons of all that is known with the store: too much had changed at once, or it had failed",
);
pub(super) const STORE_CHECKPOINT_SECONDS: Name =
    counter("plimsoll_store_checkpoint_seconds", "Time that these took");
pub(super) const STORE_LOADED: Name =
    gauge("plimsoll_store_loaded_entities", "Entities that were loaded from the store");
pub(super) const STORE_WRITTEN: Name = counter(
    "plimsoll_store_entities_written",
    "Entities of which the store has written or removed the record",
);
pub(super) const STORE_LEARNED: Name = counter(
    "plimsoll_store_learned",
    "Profiles, links and labels that the store has written or removed",
);
pub(super) const STORE_UNREADABLE: Name = counter(
    "plimsoll_store_unreadable",
    "Entries of the store that could not be read, and were set aside",
);

// Telemetry itself.

pub(super) const SPANS_DROPPED: Name =
    counter("plimsoll_spans_dropped", "Spans that reach no collector, by cause");
pub(super) const SPANS_WAITING: Name =
    gauge("plimsoll_spans_waiting", "Spans that wait to be exported");
pub(super) const EXPORTS: Name =
    counter("plimsoll_otlp_exports", "Exports to the collector, by what and outcome");

// The process. These names are the ones that all Prometheus clients use.

pub(super) const BUILD_INFO: Name = info("plimsoll_build", "What runs here");
pub(super) const PROCESS_CPU: Name =
    counter("process_cpu_seconds", "User and system time of all threads");
pub(super) const PROCESS_MEMORY: Name =
    gauge("process_resident_memory_bytes", "Memory that is held in RAM");
pub(super) const PROCESS_FDS: Name = gauge("process_open_fds", "Open file descriptors");
pub(super) const PROCESS_MAX_FDS: Name =
    gauge("process_max_fds", "File descriptors that may be open");
pub(super) const PROCESS_THREADS: Name = gauge("process_threads", "Threads");
pub(super) const PROCESS_START: Name =
    gauge("process_start_time_seconds", "When the process started, since 1970");
