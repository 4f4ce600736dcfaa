//! What is seen from outside: metrics, status, and the export of both kinds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arc_swap::ArcSwap;
use serde_json::{Map, Value as Json, json};

use super::entrance::Files;
use crate::api::health::Readiness;
use crate::api::http::HttpParts;
use crate::api::load::Load;
use crate::api::pdp::Pdp;
use crate::config::TelemetryConfig;
use crate::learn::Learned;
use crate::model::Timestamp;
use crate::policy::publisher::Publisher;
use crate::signals::Observations;
use crate::store::Store;
use crate::telemetry::{ExportState, Gauges, LearningGauges, Loaded, Metrics, StoreGauges, Traces};

/// The rooms that have something to tell.
#[derive(Clone)]
pub(super) struct Outside {
    pub(super) pdp: Arc<Pdp>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) readiness: Readiness,
    pub(super) observations: Arc<Observations>,
    /// How learning fares, as of the learner's last round.
    pub(super) learned: Arc<ArcSwap<Learned>>,
    /// What is announced and in force, as of the last look at all entities.
    pub(super) announced: Arc<ArcSwap<InForce>>,
    pub(super) files: Files,
    pub(super) load: Arc<Load>,
    pub(super) export: Arc<ExportState>,
    pub(super) store: Option<Arc<Store>>,
}

/// By kind of change, how many announced windows.
pub(super) type InForce = BTreeMap<Arc<str>, u64>;

/// What a cold thread does until it is stopped.
pub(super) type Run = Box<dyn FnOnce(&Receiver<()>) + Send>;

/// Where spans go: nowhere, unless the configuration asks for it.
pub(super) fn traces(config: &TelemetryConfig) -> Traces {
    match &config.otlp {
        Some(otlp) if otlp.traces => Traces::recording(otlp.queue, otlp.sample),
        _ => Traces::default(),
    }
}

impl Outside {
    /// What the HTTP side reads.
    pub(super) fn http_parts(&self) -> HttpParts {
        let (outside, started) = (self.clone(), Timestamp::now());
        HttpParts {
            pdp: Arc::clone(&self.pdp),
            readiness: self.readiness.clone(),
            metrics: Arc::new(self.metrics()),
            status: Arc::new(move || outside.status(started)),
        }
    }

    fn metrics(&self) -> Metrics {
        let outside = self.clone();
        Metrics::new(Arc::clone(&self.pdp.metrics), move || outside.gauges())
    }

    /// Sends traces and metrics to the collector; nothing where none is configured.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    #[cfg(feature = "otlp")]
    pub(super) fn exporter(&self, config: &TelemetryConfig) -> Result<Option<Run>, String> {
        use crate::telemetry::Exporter;
        let Some(otlp) = &config.otlp else { return Ok(None) };
        let traces = otlp.traces.then(|| Arc::clone(&self.pdp.traces));
        let metrics = otlp.metrics.then(|| self.metrics());
        let exporter = Exporter::new(otlp, traces, metrics, Arc::clone(&self.export))?;
        Ok(Some(Box::new(move |stop| exporter.run(stop))))
    }

    /// # Errors
    /// Where the configuration asks for what this build has not.
    #[cfg(not(feature = "otlp"))]
    pub(super) fn exporter(&self, config: &TelemetryConfig) -> Result<Option<Run>, String> {
        match config.otlp {
            None => Ok(None),
            Some(_) => Err("this build can't export by OTLP; build one that can with \
                            `cargo build --release --features otlp`, or leave the key out"
                .to_owned()),
        }
    }

    fn status(&self, started: Timestamp) -> Json {
        let mut status = self.publisher.status();
        let stats = self.pdp.cache.stats();
        if let Json::Object(status) = &mut status {
            status.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
            status.insert("pid".to_owned(), json!(std::process::id()));
            let stage = format!("{:?}", self.readiness.stage()).to_lowercase();
            status.insert("stage".to_owned(), json!(stage));
            status.insert("waits_for".to_owned(), json!(self.readiness.waits()));
            let up = Timestamp::now().seconds_since(started);
            status.insert("uptime_seconds".to_owned(), json!(up));
            status.insert("entities".to_owned(), json!(stats.entities));
            status.insert("signal_cache_bytes".to_owned(), json!(stats.bytes));
            self.files.tell(status);
            self.tell_store(status);
            if let Some(error) = self.export.error() {
                if let Some(Json::Array(degraded)) = status.get_mut("degraded") {
                    degraded.push("telemetry.otlp".into());
                }
                status.insert("otlp_error".to_owned(), json!(error));
            }
        }
        status
    }

    fn tell_store(&self, status: &mut Map<String, Json>) {
        let Some(store) = &self.store else { return };
        let state = store.state(&self.pdp.cache);
        if (state.error.is_some() || state.unreadable > 0)
            && let Some(Json::Array(degraded)) = status.get_mut("degraded")
        {
            degraded.push("store".into());
        }
        let told = json!({
            "loaded": state.loaded,
            "no_room_for": state.refused,
            "waiting": state.waiting,
            "unreadable": state.unreadable,
            "aside": state.aside,
            "error": state.error.as_deref(),
        });
        status.insert("store".to_owned(), told);
    }

    fn store_gauges(&self) -> StoreGauges {
        let Some(store) = &self.store else { return StoreGauges::default() };
        let state = store.state(&self.pdp.cache);
        StoreGauges {
            waiting: state.waiting,
            batches: state.batches,
            failures: state.failures,
            failing: state.error.is_some(),
            checkpoints: state.checkpoints,
            checkpoint_seconds: state.checkpoint_seconds,
            loaded: state.loaded,
            written: state.written,
            learned: state.learned,
            unreadable: state.unreadable,
        }
    }

    fn learning_gauges(&self) -> LearningGauges {
        let learned = self.learned.load();
        LearningGauges {
            waiting: self.observations.len() as u64,
            delayed: learned.delayed,
            learned: learned.observations,
            dropped: self.observations.dropped(),
            crowded_out: learned.crowded_out,
            mistrusted: learned.mistrusted,
            disbelieved: learned.disbelieved,
            profiles: learned.profiles,
            profiles_evicted: learned.evicted,
            summaries_refused: learned.refused,
            linked: learned.links.entities,
            links: learned.links.edges,
            links_evicted: learned.links.evicted,
            labels: learned.links.labels,
        }
    }

    /// What a scrape asks of the rooms.
    fn gauges(&self) -> Gauges {
        let (state, stats) = (self.publisher.state(), self.pdp.cache.stats());
        let lists = self.publisher.feeds().into_iter().map(|feed| Loaded {
            name: feed.spec.label().trim_start_matches("lists.").into(),
            entries: feed.entries as u64,
            // A feed that died long ago is old also where the process is young.
            at: feed.as_of,
            failing: feed.error.is_some(),
            absent: feed.absent,
        });
        let files = self.files.states().into_iter().map(|file| Loaded {
            name: file.name.into(),
            entries: 0,
            at: file.loaded_at,
            failing: file.error.is_some(),
            absent: false,
        });
        Gauges {
            ready: self.readiness.is_ready(),
            revision: state.revision,
            loaded_at: state.loaded_at,
            policy_errors: state.refused.map_or(0, |refused| refused.errors as u64),
            reloads_applied: state.applied,
            reloads_refused: state.refusals,
            lists: lists.collect(),
            files: files.collect(),
            certificate_ends: self.files.certificate_ends(),
            entities: stats.entities as u64,
            cache_bytes: stats.bytes as u64,
            evicted: stats.evicted,
            expired: stats.expired,
            cache_refused: stats.refused,
            signals_accepted: stats.signals_accepted,
            signals_older: stats.signals_older,
            signals_rejected: stats.signals_rejected,
            learning: self.learning_gauges(),
            connections: self.load.connections() as u64,
            requests_in_flight: self.load.requests() as u64,
            body_bytes: self.load.body_bytes() as u64,
            spans_waiting: self.pdp.traces.waiting() as u64,
            spans_dropped: self.pdp.traces.dropped(),
            exports: self.export.counts(),
            store: self.store_gauges(),
            announced: (**self.announced.load()).clone(),
        }
    }
}
