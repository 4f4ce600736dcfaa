//! Whether this process should be asked, and `grpc.health.v1.Health`, which says so.

use std::sync::Arc;

use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::BoxStream;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Something is waited for: the first policy, and what else is configured.
    Starting,
    Ready,
    /// On its way out: open requests end, new ones should go elsewhere. The last stage.
    Draining,
}

/// A handle on the stage: `app` sets it, `/ready`, health and open streams read it.
#[derive(Clone, Debug)]
pub struct Readiness {
    stage: Arc<watch::Sender<Stage>>,
    waits: Arc<Mutex<Vec<String>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        let waits = vec![NO_POLICY.to_owned()];
        let stage = Arc::new(watch::Sender::new(Stage::Starting));
        Self { stage, waits: Arc::new(Mutex::new(waits)) }
    }
}

/// The first thing that is waited for.
pub const NO_POLICY: &str = "no policy is loaded yet";

impl Readiness {
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on to `stage`. Stages are never gone back: what drains stays so.
    pub fn set(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let later = stage > *now;
            if later {
                *now = stage;
            }
            later
        });
    }

    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Ready
    }

    /// Sees each later stage.
    pub fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Says what is waited for. Says whether that is news.
    pub fn wait_for(&self, waits: Vec<String>) -> bool {
        let mut now = self.waits.lock();
        let news = *now != waits;
        *now = waits;
        news
    }

    /// What is waited for; nothing once this process was ready.
    pub fn waits(&self) -> Vec<String> {
        match self.stage() {
            Stage::Starting => self.waits.lock().clone(),
            Stage::Ready | Stage::Draining => Vec::new(),
        }
    }
}

/// `grpc.health.v1.Health` for a fixed set of services.
#[derive(Clone, Debug)]
pub struct HealthService {
    readiness: Readiness,
    services: &'static [&'static str],
}

impl HealthService {
    /// All of `services` are as healthy as the process is; the empty name is the process.
    pub fn new(readiness: Readiness, services: &'static [&'static str]) -> Self {
        Self { readiness, services }
    }

    fn serves(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(&service)
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.serves(&request.get_ref().service) {
            return Err(Status::not_found("no such service"));
        }
        Ok(Response::new(response(status_of(self.readiness.stage()))))
    }

    /// Tells the status now and whenever it changes. Ends where draining has
    /// been told, so that a watcher doesn't hold up the drain.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = self.serves(&request.get_ref().service);
        let watch = Watch { stages: self.readiness.watch(), known, told: None };
        let told = stream::unfold(watch, |mut watch| async {
            let status = watch.next().await?;
            Some((Ok(response(status)), watch))
        });
        Ok(Response::new(Box::pin(told)))
    }
}

struct Watch {
    stages: watch::Receiver<Stage>,
    known: bool,
    told: Option<ServingStatus>,
}

impl Watch {
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            let stage = *self.stages.borrow_and_update();
            let status = if self.known { status_of(stage) } else { ServingStatus::ServiceUnknown };
            if self.told != Some(status) {
                self.told = Some(status);
                return Some(status);
            }
            if stage == Stage::Draining {
                return None;
            }
            self.stages.changed().await.ok()?;
        }
    }
}

fn status_of(stage: Stage) -> ServingStatus {
    match stage {
        Stage::Ready => ServingStatus::Serving,
        Stage::Starting | Stage::Draining => ServingStatus::NotServing,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
