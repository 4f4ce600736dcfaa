//! The one place that knows every room: builds them, ties them, starts and stops them.

mod entrance;
mod gate;
mod outside;
mod sweep;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::api::authzen::authzen_router;
use crate::api::check::EnvoyChecker;
use crate::api::ext_authz::{CheckService, Front};
use crate::api::forward_auth::{ForwardAuth, forward_auth_router};
use crate::api::grpc_routes;
use crate::api::health::{Readiness, Stage};
use crate::api::http::{HttpServer, http_router};
use crate::api::identity::{Identity, PassedOn};
use crate::api::jwt::Jwt;
use crate::api::load::Load;
use crate::api::pdp::Pdp;
use crate::api::transport::{BindError, Listen, Options, Server};
use crate::config::{Config, DataConfig, Listener, SignalsConfig};
use crate::feeds::{self, Keeper};
use crate::learn::{self, Bounds, Learner, LinkBounds};
use crate::model::{Plan, Timestamp, Vocabulary};
use crate::policy::publisher::Publisher;
use crate::signals::{Cache, Keep, Limits, Observations, Secrets};
use crate::store::{LoadError, OpenError, Shelf, Store};
use crate::telemetry::DecisionMetrics;

use entrance::Entrance;
use gate::Gate;
use outside::{Outside, traces};

/// Why the process can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("`{key}`: {why}")]
    Config { key: &'static str, why: String },
    #[error("the operating system gives no randomness: {0}")]
    Randomness(String),
    #[error("the descriptors for reflection can't be read: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("`data`: {0}")]
    Store(#[from] OpenError),
    #[error("`data`: {0}")]
    Kept(#[from] LoadError),
    #[error("threads or sockets can't be had: {0}")]
    System(#[from] io::Error),
}

/// A Plimsoll that runs. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct App {
    pub pdp: Arc<Pdp>,
    pub publisher: Arc<Publisher>,
    pub readiness: Readiness,
    grpc: Server,
    http: HttpServer,
    /// Serves HTTP, apart from the threads that answer proxies.
    runtime: Runtime,
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
        let wrong = |key| move |why| StartError::Config { key, why };
        let metrics = Arc::new(DecisionMetrics::default());
        let jwt = config.jwt.as_ref();
        let jwt = jwt.map(|jwt| Jwt::new(jwt, &config.identity, Arc::clone(&metrics)));
        let jwt = jwt.transpose().map_err(wrong("jwt"))?.map(Arc::new);
        let identity = Identity::new(&config.identity, &vocabulary)
            .map_err(wrong("identity"))?
            .verifying(jwt.clone());
        let mut secrets =
            Secrets::random().map_err(|why| StartError::Randomness(why.to_string()))?;
        let store = open_store(config, &vocabulary)?;
        if let Some(store) = &store {
            secrets = secrets.with_value_key(store.value_key());
        }
        let limits = Limits {
            max_entities: config.signals.max_entities,
            max_bytes: config.signals.max_bytes,
            ..Limits::default()
        };
        let cache = Cache::new(limits, secrets);
        let cache = Arc::new(if store.is_some() { cache.journaled() } else { cache });
        let observations = Arc::new(Observations::new(config.signals.observation_queue));
        let pdp = Pdp::new(
            Arc::clone(&cache),
            vocabulary,
            Arc::clone(&metrics),
            Arc::clone(&observations),
            &config.default_policy,
        );
        let pdp = pdp.kept(store.as_ref().map(|store| store.durable()));
        let pdp = Arc::new(pdp.traced(Arc::new(traces(&config.telemetry))));
        let publisher = Publisher::new(config.policies.clone(), Arc::clone(&pdp));
        let publisher = Arc::new(publisher.keeping(keep_of(&config.data)));

        // Both are bound before anything is served: a port that is taken ends the start.
        let load = Arc::new(Load::new((&config.server).into(), Arc::clone(&metrics)));
        let access = Entrance::new(config, &metrics)?;
        let grpc = access
            .bind("listen.grpc", &config.listen.grpc, Listener::Grpc)?
            .limited(Arc::clone(&load));
        let http = access
            .bind("listen.http", &config.listen.http, Listener::Http)?
            .limited(Arc::clone(&load));

        let readiness = Readiness::new();
        let headers = config.ext_authz.headers.clone();
        let claims = config.jwt.as_ref().map(|jwt| &*jwt.claims).unwrap_or_default();
        let passed_on = PassedOn::new(&config.identity, claims, jwt.clone());
        let callers = http_callers(config, &pdp, &identity, &passed_on);
        let checker = Arc::new(EnvoyChecker::new(Arc::clone(&pdp), identity, headers));
        let check = CheckService::new(checker, config.ext_authz.max_message);
        let front = Front::new(check, grpc_routes(&pdp, &readiness, passed_on)?);
        let front = front.guarded(access.callers()).limited(&load);
        let options =
            Options { workers: config.server.workers, max_streams: config.server.max_streams };
        let grpc = grpc.serve(front, options)?;

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("plimsoll-http")
            .enable_all()
            .build()?;
        let files = access.files(jwt);
        let outside = Outside {
            pdp: Arc::clone(&pdp),
            publisher: Arc::clone(&publisher),
            readiness: readiness.clone(),
            observations: Arc::clone(&observations),
            learned: Arc::default(),
            announced: Arc::default(),
            files: files.clone(),
            load: Arc::clone(&load),
            export: Arc::default(),
            store: store.clone(),
        };
        let export = outside.exporter(&config.telemetry).map_err(wrong("telemetry.otlp"))?;
        let http = {
            let _inside = runtime.enter();
            let router = http_router(outside.http_parts(), callers);
            HttpServer::start_guarded(http, router, access.callers())?
        };

        let gate = Gate::new(&config.readiness, &pdp, &publisher, &readiness, store.as_ref());
        publisher.load();
        gate.load()?;
        gate.look();
        let (watching, published) = (Arc::clone(&publisher), gate.clone());
        let bounds = bounds(&config.signals);
        let mut learner = Learner::new(Arc::clone(&cache), bounds, fastrand::u64(..));
        if let Some(store) = &store {
            learner.keep_on(Box::new(Shelf(Arc::clone(store))));
        }
        let (learning, taught) = (Arc::clone(&pdp), Arc::clone(&observations));
        let tell = Arc::clone(&outside.learned);
        let (sweeping, announced) = (Arc::clone(&pdp), Arc::clone(&outside.announced));
        let feeding = Arc::clone(&pdp);
        let feeds = Arc::new(move || feeding.published().as_ref().map(|p| Arc::clone(&p.feeds)));
        let feeds = Keeper::new(feeds, keep_of(&config.data), feeds::BOUNDS);
        let mut cold = vec![
            Cold::start("plimsoll-policy", move |stop| {
                watching.watch(stop, || published.look());
            })?,
            Cold::start("plimsoll-learn", move |stop| {
                let told = |learned| {
                    if **tell.load() != learned {
                        tell.store(Arc::new(learned));
                    }
                };
                learn::run(learner, &taught, || plan_of(&learning), told, stop);
            })?,
            Cold::start("plimsoll-lists", move |stop| feeds.run(stop))?,
            Cold::start("plimsoll-sweep", move |stop| {
                let tell = |now| announced.store(Arc::new(now));
                sweep::run(&sweeping, stop, Timestamp::now, tell);
            })?,
            Cold::start("plimsoll-files", move |stop| {
                files.watch(stop, || gate.look());
            })?,
            Cold::start("plimsoll-memory", move |stop| load.watch_memory(stop))?,
        ];
        if let Some(export) = export {
            cold.push(Cold::start("plimsoll-otlp", export)?);
        }
        if let Some(store) = store {
            let keeping = Arc::clone(&pdp);
            // Stopped last: it writes what the others leave.
            cold.push(Cold::start("plimsoll-store", move |stop| {
                store.run(&keeping.cache, || plan_of(&keeping), stop);
            })?);
        }
        let drain = Duration::from_secs_f64(config.server.drain_seconds);
        Ok(App { pdp, publisher, readiness, grpc, http, runtime, drain, cold })
    }

    /// Where gRPC is served, with the port that was given out.
    pub fn grpc_address(&self) -> Option<&Listen> {
        self.grpc.addresses().first()
    }

    /// Where HTTP is served.
    pub fn http_address(&self) -> Option<&Listen> {
        self.http.addresses().first()
    }

    /// Whether everything that should run does: a thread ends only by a fault.
    pub fn is_whole(&self) -> bool {
        self.grpc.is_whole() && self.cold.iter().all(|cold| !cold.thread.is_finished())
    }

    /// Stops: tells health, takes no new connections, and lets open requests
    /// finish within the deadline.
    pub fn shutdown(self) {
        self.readiness.set(Stage::Draining);
        let deadline = Instant::now() + self.drain;
        self.grpc.shutdown(self.drain);
        // One deadline for both: an orchestrator kills what takes longer than it was told.
        let left = deadline.saturating_duration_since(Instant::now());
        let overrun = self.runtime.block_on(self.http.shutdown(left));
        if overrun > 0 {
            tracing::warn!(connections = overrun, "closed HTTP connections that didn't drain");
        }
        for Cold { stop, thread } in self.cold {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("a cold thread has panicked");
            }
        }
    }
}

fn open_store(
    config: &Config,
    vocabulary: &Arc<Vocabulary>,
) -> Result<Option<Arc<Store>>, OpenError> {
    match &config.data {
        DataConfig::Memory => Ok(None),
        DataConfig::Folder(folder) => {
            Store::open(folder, Arc::clone(vocabulary)).map(|store| Some(Arc::new(store)))
        }
    }
}

/// Where lists that were fetched are kept; nowhere, where nothing is.
fn keep_of(data: &DataConfig) -> Option<Keep> {
    match data {
        DataConfig::Memory => None,
        DataConfig::Folder(folder) => Some(Keep::in_folder(folder.join("lists"))),
    }
}

/// What is learned under the revision that decides.
fn bounds(config: &SignalsConfig) -> Bounds {
    let links = LinkBounds::of(config.max_links, config.max_labels);
    Bounds { max_profiles: config.max_entities, links, ..Bounds::default() }
}

fn plan_of(pdp: &Pdp) -> Option<Arc<Plan>> {
    pdp.published().as_ref().map(|now| Arc::clone(&now.snapshot.plan))
}

/// Those who ask for decisions over HTTP.
fn http_callers(
    config: &Config,
    pdp: &Arc<Pdp>,
    identity: &Identity,
    passed_on: &PassedOn,
) -> axum::Router {
    let forward_auth = ForwardAuth {
        pdp: Arc::clone(pdp),
        identity: identity.clone(),
        headers: config.ext_authz.headers.clone(),
        enforces_limits: config.forward_auth.enforces_limits,
    };
    authzen_router(Arc::clone(pdp), passed_on.clone(), config.listen.public_url.as_deref())
        .merge(forward_auth_router(forward_auth))
}
