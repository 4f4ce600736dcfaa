//! `plimsoll.v1.DecisionService`: for callers that ask in their own code.

mod decode;
mod encode;

use std::sync::Arc;

use arc_swap::Guard;
use tonic::{Request, Response, Status};

use super::answer::Answer;
use super::ask::{Refusal, ask};
use super::identity::PassedOn;
use super::pdp::{Pdp, Published};
use crate::model::Timestamp;
use crate::proto::evaluate_result::Result as ItemResult;
use crate::proto::{
    EvaluateBatchRequest, EvaluateBatchResponse, EvaluateRequest, EvaluateResponse, EvaluateResult,
    decision_service_server::DecisionService,
};
use crate::telemetry::{Operation, Span};

/// How many requests a batch may have.
pub const MAX_BATCH: usize = 1000;

/// How many of a batch are decided before others have their turn: it runs on
/// the threads that answer single requests.
const CHUNK: usize = 16;

#[derive(Clone, Debug)]
pub struct Decisions {
    pdp: Arc<Pdp>,
    passed_on: PassedOn,
}

impl Decisions {
    pub fn new(pdp: Arc<Pdp>, passed_on: PassedOn) -> Self {
        Self { pdp, passed_on }
    }

    fn one(
        &self,
        published: &Published,
        request: EvaluateRequest,
        span: Option<Span<'_>>,
    ) -> Result<Answer, Refusal> {
        let mut question = decode::question(request).map_err(|why| {
            let refusal = Refusal::Malformed(why.to_string());
            refusal.count(&self.pdp.metrics);
            refusal
        })?;
        let disbelief = self.passed_on.read(&mut question);
        let now = Timestamp::now();
        let mut answer = ask(&self.pdp, published, &question, now, span, Answer::of)?;
        disbelief.tell(&mut answer);
        Ok(answer)
    }

    fn no_policy(&self) -> Status {
        Refusal::NoPolicy.count(&self.pdp.metrics);
        status(&Refusal::NoPolicy)
    }
}

#[tonic::async_trait]
impl DecisionService for Decisions {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let published = self.pdp.published();
        let published = published.as_ref().ok_or_else(|| self.no_policy())?;
        let traces = &self.pdp.traces;
        let parent = || traces.parent(request.metadata().as_ref());
        let span = traces.begin(Operation::Evaluate, parent);
        let answer = self.one(published, request.into_inner(), span);
        let answer = answer.map_err(|why| status(&why))?;
        Ok(Response::new(answer.into()))
    }

    async fn evaluate_batch(
        &self,
        request: Request<EvaluateBatchRequest>,
    ) -> Result<Response<EvaluateBatchResponse>, Status> {
        let parent = self.pdp.traces.parent(request.metadata().as_ref());
        let requests = request.into_inner().requests;
        if requests.len() > MAX_BATCH {
            let text = format!("`requests`: {} of them, at most {MAX_BATCH}", requests.len());
            let refusal = Refusal::Malformed(text);
            refusal.count(&self.pdp.metrics);
            return Err(status(&refusal));
        }
        // One revision for all of them, though others may be published meanwhile.
        let published = Guard::into_inner(self.pdp.published()).ok_or_else(|| self.no_policy())?;
        let mut results = Vec::with_capacity(requests.len());
        for (at, request) in requests.into_iter().enumerate() {
            if at > 0 && at % CHUNK == 0 {
                tokio::task::yield_now().await;
            }
            let span = self.pdp.traces.begin(Operation::BatchItem, || parent.clone());
            let result = match self.one(&published, request, span) {
                Ok(answer) => ItemResult::Response(answer.into()),
                Err(why) => ItemResult::Error(why.to_string()),
            };
            results.push(EvaluateResult { result: Some(result) });
        }
        Ok(Response::new(EvaluateBatchResponse { results }))
    }
}

fn status(why: &Refusal) -> Status {
    let text = why.to_string();
    match why {
        Refusal::NoPolicy => Status::unavailable(text),
        Refusal::UnknownPolicy { .. } => Status::not_found(text),
        Refusal::Malformed(_) => Status::invalid_argument(text),
        Refusal::Panicked => Status::internal(text),
    }
}
