//! `plimsoll.v1.SignalService`: what is known of entities comes in, is shown and
//! is forgotten.

pub(super) mod intake;
pub(super) mod wire;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use futures_util::stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::BoxStream;
use super::access::{Caller, audit};
use super::ask::guarded;
use super::health::{Readiness, Stage};
use super::json;
use super::pdp::{Pdp, Published};
use crate::model::{EntityKind, Timestamp, suggest};
use crate::proto::signal_service_server::SignalService;
use crate::proto::{
    Entity, ForgetRequest, ForgetResponse, GetRequest, GetResponse, ReportRequest, ReportResponse,
    SignalState,
};
use crate::signals::{MAX_ID, Marks, NotDurable, canonical_id};
use crate::telemetry::{Operation, Parent, Span};
use intake::Intake;

/// How long the learner may take for what somebody waits for; it takes some milliseconds.
pub(super) const LEARNED: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Signals {
    pdp: Arc<Pdp>,
    readiness: Readiness,
}

impl Signals {
    pub fn new(pdp: Arc<Pdp>, readiness: Readiness) -> Self {
        Self { pdp, readiness }
    }

    async fn take(
        &self,
        request: ReportRequest,
        mut span: Option<Span<'_>>,
    ) -> Result<ReportResponse, Status> {
        let published = Guard::into_inner(self.pdp.published()).ok_or_else(no_policy)?;
        if request.durable {
            self.pdp.durable().map_err(not_durable)?;
        }
        let mut intake = Intake::new(&published.snapshot.catalog, &self.pdp, Timestamp::now());
        for report in &request.reports {
            let taken = guarded(|| match wire::report(report) {
                Ok(report) => intake.take(&report),
                Err(why) => intake.refuse(why.to_owned()),
            });
            taken.ok_or_else(|| {
                self.pdp.metrics.refused.panicked.add(1);
                Status::internal("taking a report failed")
            })?;
            if intake.is_time_to_yield() {
                tokio::task::yield_now().await;
            }
        }
        let receipt = intake.finish(&self.pdp, request.durable).await.map_err(not_durable)?;
        receipt.tell(span.as_mut());
        Ok(wire::response(receipt, request.sequence))
    }

    /// The kind of an entity that was named, and its id in the one spelling it has.
    fn named(&self, entity: Option<Entity>) -> Result<(EntityKind, Entity), Status> {
        let published = self.pdp.published();
        let published: &Arc<Published> = published.as_ref().ok_or_else(no_policy)?;
        let mut entity = entity.ok_or_else(|| Status::invalid_argument("`entity` is missing"))?;
        let Some(kind) = self.pdp.vocabulary.find_kind(&entity.r#type) else {
            let known = published.snapshot.catalog.entities.iter().map(|e| &*e.name);
            let hint = match suggest(&entity.r#type, known) {
                Some(near) => format!(": did you mean `{near}`?"),
                None => String::new(),
            };
            let name: String = entity.r#type.chars().take(100).collect();
            let text = format!("`entity.type`: unknown entity kind `{name}`{hint}");
            return Err(Status::invalid_argument(text));
        };
        if entity.id.is_empty() {
            return Err(Status::invalid_argument("`entity.id` is empty"));
        }
        entity.id = canonical_id(&entity.r#type, &entity.id).into_owned();
        Ok((kind, entity))
    }
}

#[tonic::async_trait]
impl SignalService for Signals {
    type ReportStreamStream = BoxStream<ReportResponse>;

    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        let traces = &self.pdp.traces;
        let span = traces.begin(Operation::Report, || traces.parent(request.metadata().as_ref()));
        self.take(request.into_inner(), span).await.map(Response::new)
    }

    /// One acknowledgement a message, before the next message is taken up. When
    /// the process drains the stream ends with UNAVAILABLE: what was not
    /// acknowledged is to be sent elsewhere.
    async fn report_stream(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<Self::ReportStreamStream>, Status> {
        let parent = self.pdp.traces.parent(request.metadata().as_ref());
        let reports = Reports {
            parent,
            messages: request.into_inner(),
            signals: self.clone(),
            stages: self.readiness.watch(),
        };
        let acknowledgements = stream::unfold(Some(reports), |reports| async {
            let mut reports = reports?;
            let acknowledged = reports.next().await?;
            let rest = acknowledged.is_ok().then_some(reports);
            Some((acknowledged, rest))
        });
        Ok(Response::new(Box::pin(acknowledgements)))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let (kind, entity) = self.named(request.into_inner().entity)?;
        let known = self.pdp.cache.snapshot(&self.pdp.vocabulary, kind, &entity.id);
        let known = known.ok_or_else(|| Status::not_found("nothing is known of this entity"))?;
        let signals = known.signals.iter().map(|signal| SignalState {
            name: signal.name.to_string(),
            value: json::of_owned(&signal.value).map(json::to_wire),
            observed_at: Some(wire::timestamp(signal.observed_at)),
        });
        Ok(Response::new(GetResponse { entity: Some(entity), signals: signals.collect() }))
    }

    async fn forget(
        &self,
        request: Request<ForgetRequest>,
    ) -> Result<Response<ForgetResponse>, Status> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        let asked = request.into_inner().entity;
        let note = |entity: &Entity, outcome| {
            audit("forget", &caller, &entity.r#type, &entity.id, outcome);
        };
        let (kind, entity) = self.named(asked.clone()).inspect_err(|_| {
            let cut = |text: &str| text.chars().take(MAX_ID).collect();
            let asked = asked.clone().unwrap_or_default();
            let (r#type, id) = (cut(&asked.r#type), cut(&asked.id));
            note(&Entity { r#type, id }, "malformed");
        })?;
        let unlearned = self.pdp.observations.push_forgotten(kind, &entity.id, Timestamp::now());
        let known = self.pdp.cache.read(kind, &entity.id).is_some();
        // First the learner: what it knew until then it may still put onto the disk.
        let unlearned = tokio::time::timeout(LEARNED, unlearned.done()).await;
        let (found, written) = self.pdp.cache.forget_for_good(kind, &entity.id);
        let found = found || known;
        note(&entity, if found { "forgotten" } else { "nothing_known" });
        unlearned.map_err(|_| {
            Status::unavailable(
                "its signals are forgotten, but what was learned of it not yet: ask again",
            )
        })?;
        if let (Ok(store), Some(written)) = (self.pdp.durable(), written) {
            let mut marks = Marks::default();
            marks.include(written);
            store.wait(&marks).await.map_err(|_| {
                Status::unavailable("forgotten here, but not on disk, since the store fails")
            })?;
        }
        Ok(Response::new(ForgetResponse { found }))
    }
}

/// A stream of reports that is being taken in.
struct Reports {
    parent: Option<Parent>,
    messages: Streaming<ReportRequest>,
    signals: Signals,
    stages: watch::Receiver<Stage>,
}

impl Reports {
    async fn next(&mut self) -> Option<Result<ReportResponse, Status>> {
        let message = tokio::select! {
            biased;
            _ = self.stages.wait_for(|stage| *stage == Stage::Draining) => {
                return Some(Err(Status::unavailable("this server is shutting down")));
            }
            message = self.messages.message() => message,
        };
        match message {
            Ok(Some(message)) => {
                let traces = &self.signals.pdp.traces;
                let span = traces.begin(Operation::ReportStream, || self.parent.clone());
                Some(self.signals.take(message, span).await)
            }
            Ok(None) => None,
            Err(status) => Some(Err(status)),
        }
    }
}

pub(super) fn not_durable(why: NotDurable) -> Status {
    match why {
        NotDurable::NoStore => Status::failed_precondition(why.to_string()),
        NotDurable::Failing | NotDurable::Late => Status::unavailable(why.to_string()),
    }
}

fn no_policy() -> Status {
    Status::unavailable("no policy is loaded yet: what signals there are is not known")
}
