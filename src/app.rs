//! The one place that knows every room: builds them, ties them, starts and stops them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::api::check::EnvoyChecker;
use crate::api::ext_authz::{CheckService, Front};
use crate::api::identity::Identity;
use crate::api::pdp::Pdp;
use crate::api::transport::{BindError, Listen, Listeners, Options, Server};
use crate::config::Config;
use crate::learn::Learner;
use crate::model::{Timestamp, Vocabulary};
use crate::policy::publisher::Publisher;
use crate::signals::{Cache, Limits, Observations, Secrets};
use crate::telemetry::DecisionMetrics;

/// Why the process can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("`{key}`: {why}")]
    Config { key: &'static str, why: String },
    #[error("the operating system gives no randomness: {0}")]
    Randomness(String),
    #[error("threads can't be had: {0}")]
    Threads(#[from] io::Error),
}

/// How many slots a sweep looks at before it rests.
const SWEEP: usize = 20_000;
const SWEEP_PAUSE: Duration = Duration::from_millis(200);

/// A Plimsoll that runs. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct App {
    pub pdp: Arc<Pdp>,
    pub publisher: Arc<Publisher>,
    grpc: Option<Server>,
    drain: Duration,
    cold: Vec<Cold>,
}

/// A thread of the cold side, with what stops it.
#[derive(Debug)]
struct Cold {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Cold {
    fn start(
        name: &str,
        run: impl FnOnce(&std::sync::mpsc::Receiver<()>) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&stopped))?;
        Ok(Cold { stop, thread })
    }
}

impl App {
    /// Starts everything that the configuration asks for. Listens at once, and
    /// answers "not serving" until a policy is loaded.
    ///
    /// # Errors
    /// When it can't start; nothing runs then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let vocabulary = Arc::new(Vocabulary::new());
        let identity = Identity::new(&config.identity, &vocabulary)
            .map_err(|why| StartError::Config { key: "identity", why })?;
        let secrets = Secrets::random().map_err(|why| StartError::Randomness(why.to_string()))?;
        let limits = Limits {
            max_entities: config.signals.max_entities,
            max_bytes: config.signals.max_bytes,
            ..Limits::default()
        };
        let cache = Arc::new(Cache::new(limits, secrets));
        let observations = Arc::new(Observations::new(config.signals.observation_queue));
        let metrics = Arc::new(DecisionMetrics::default());
        let pdp = Arc::new(Pdp::new(
            Arc::clone(&cache),
            vocabulary,
            Arc::clone(&metrics),
            Arc::clone(&observations),
            &config.default_policy,
        ));
        let publisher = Arc::new(Publisher::new(config.policies.clone(), Arc::clone(&pdp)));

        let listeners = Listeners::bind(&[listen("listen.grpc", &config.listen.grpc)?])?;
        let headers = config.ext_authz.headers.clone();
        let checker = Arc::new(EnvoyChecker::new(Arc::clone(&pdp), identity, headers));
        let check = CheckService::new(checker, config.ext_authz.max_message);
        let front = Front::new(check, tonic::service::Routes::default());
        let options =
            Options { workers: config.server.workers, max_streams: config.server.max_streams };
        let grpc = listeners.serve(front, options)?;

        publisher.load();
        let watching = Arc::clone(&publisher);
        let learner = Learner::new(Arc::clone(&cache), observations);
        let sweeping = Arc::clone(&pdp);
        let cold = vec![
            Cold::start("plimsoll-policy", move |stop| watching.watch(stop))?,
            Cold::start("plimsoll-learn", move |stop| learner.run(stop))?,
            Cold::start("plimsoll-sweep", move |stop| sweep(&sweeping, stop))?,
        ];
        let drain = Duration::from_secs_f64(config.server.drain_seconds);
        Ok(App { pdp, publisher, grpc: Some(grpc), drain, cold })
    }

    /// Where gRPC is served, with the port that was given out.
    pub fn grpc_address(&self) -> Option<&Listen> {
        self.grpc.as_ref().and_then(|server| server.addresses().first())
    }

    /// Stops: no new requests, open ones finish within the deadline.
    pub fn shutdown(mut self) {
        if let Some(grpc) = self.grpc.take() {
            grpc.shutdown(self.drain);
        }
        for Cold { stop, thread } in self.cold.drain(..) {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("a cold thread has panicked");
            }
        }
    }
}

/// Drops what is forgotten, a little at a time.
fn sweep(pdp: &Pdp, stop: &std::sync::mpsc::Receiver<()>) {
    use std::sync::mpsc::RecvTimeoutError;
    while stop.recv_timeout(SWEEP_PAUSE) == Err(RecvTimeoutError::Timeout) {
        if let Some(published) = pdp.published().as_ref() {
            pdp.cache.sweep(&published.snapshot.catalog, Timestamp::now(), SWEEP);
        }
    }
}

fn listen(key: &'static str, text: &str) -> Result<Listen, StartError> {
    text.parse().map_err(|why: crate::api::transport::ListenParseError| StartError::Config {
        key,
        why: why.to_string(),
    })
}
