//! OpenID AuthZEN Authorization API 1.0 over HTTP: evaluation, evaluations and
//! the metadata of this decision point.
//!
//! A fault of the whole request is a status: 400 for whatever is wrong with it, an
//! unknown `context.policy` among it, since the standard knows no other. What is
//! decided comes with 200, whichever way it went.

mod batch;
mod metadata;
mod wire;

use std::sync::Arc;

use arc_swap::Guard;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::answer::Answer;
use super::ask::{Refusal, ask};
use super::http::Problem;
use super::http::body::{is_json, read};
use super::identity::PassedOn;
use super::pdp::{Pdp, Published};
use super::question::Question;
use crate::model::Timestamp;
use crate::telemetry::{Operation, Parent, Span};
use batch::Batch;
use wire::{Evaluated, Evaluations};

/// A larger body is refused (bytes).
const MAX_BODY: usize = 1024 * 1024;

/// How many of a batch are decided before others have their turn.
const CHUNK: usize = 16;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

/// Where the decision point's identifier has a path, that stands behind (RFC 8615,
/// and section 9.2.1 of the standard).
const METADATA: &str = "/.well-known/authzen-configuration";
const METADATA_BELOW: &str = "/.well-known/authzen-configuration/{*path}";

/// What the routes read.
#[derive(Debug)]
struct AuthZen {
    pdp: Arc<Pdp>,
    passed_on: PassedOn,
    /// Without a slash at its end.
    public_url: Option<String>,
}

/// The routes. `public_url` is where callers reach them; without one, the metadata
/// says what it was asked for under.
pub fn authzen_router(pdp: Arc<Pdp>, passed_on: PassedOn, public_url: Option<&str>) -> Router {
    let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
    Router::new()
        .route(EVALUATION, post(evaluation))
        .route(EVALUATIONS, post(evaluations))
        .route(METADATA, get(metadata::metadata))
        .route(METADATA_BELOW, get(metadata::metadata))
        .layer(from_fn(echo_request_id))
        .with_state(Arc::new(AuthZen { pdp, passed_on, public_url }))
}

async fn evaluation(
    State(own): State<Arc<AuthZen>>,
    request: Request,
) -> Result<Json<Evaluated>, Problem> {
    let parent = own.pdp.traces.parent(request.headers());
    let body = own.body(request).await?;
    let published = own.published()?;
    own.one(&published, Question::from_json(&body), parent).map(Json)
}

async fn evaluations(
    State(own): State<Arc<AuthZen>>,
    request: Request,
) -> Result<Response, Problem> {
    let parent = own.pdp.traces.parent(request.headers());
    let body = own.body(request).await?;
    let batch = Batch::of(&body).map_err(|why| own.malformed(why))?;
    let published = own.published()?;
    let Some(batch) = batch else {
        return Ok(Json(own.one(&published, Question::from_json(&body), parent)?).into_response());
    };
    let mut decided = Vec::with_capacity(batch.len());
    for (at, question) in batch.questions().enumerate() {
        if at > 0 && at % CHUNK == 0 {
            tokio::task::yield_now().await;
        }
        let span = own.pdp.traces.begin(Operation::BatchItem, || parent.clone());
        let each = own.ask(&published, question, span);
        let each = each.unwrap_or_else(|why| Evaluated::failed(&why));
        let ends = batch.ends_with(each.decision);
        decided.push(each);
        if ends {
            break;
        }
    }
    Ok(Json(Evaluations { evaluations: decided }).into_response())
}

impl AuthZen {
    async fn body(&self, request: Request) -> Result<Value, Problem> {
        // The certification asks for 400, where 415 would say more.
        is_json(request.headers(), StatusCode::BAD_REQUEST).inspect_err(|_| self.count())?;
        let body = read(request, MAX_BODY).await.inspect_err(|_| self.count())?;
        if body.is_empty() {
            return Err(self.malformed("the body is empty"));
        }
        serde_json::from_slice(&body).map_err(|why| self.malformed(why))
    }

    /// One revision for a whole request, though others may be published meanwhile.
    fn published(&self) -> Result<Arc<Published>, Problem> {
        Guard::into_inner(self.pdp.published()).ok_or_else(|| {
            Refusal::NoPolicy.count(&self.pdp.metrics);
            problem(&Refusal::NoPolicy)
        })
    }

    fn one<E: ToString>(
        &self,
        published: &Published,
        question: Result<Question, E>,
        parent: Option<Parent>,
    ) -> Result<Evaluated, Problem> {
        let span = self.pdp.traces.begin(Operation::AuthZenEvaluation, || parent);
        self.ask(published, question, span).map_err(|why| problem(&why))
    }

    fn ask<E: ToString>(
        &self,
        published: &Published,
        question: Result<Question, E>,
        span: Option<Span<'_>>,
    ) -> Result<Evaluated, Refusal> {
        let mut question = question.map_err(|why| {
            self.count();
            Refusal::Malformed(why.to_string())
        })?;
        let disbelief = self.passed_on.read(&mut question);
        let now = Timestamp::now();
        let mut answer = ask(&self.pdp, published, &question, now, span, Answer::of)?;
        disbelief.tell(&mut answer);
        Ok(Evaluated::from(answer))
    }

    fn malformed(&self, why: impl ToString) -> Problem {
        self.count();
        Problem::new(StatusCode::BAD_REQUEST, why.to_string())
    }

    fn count(&self) {
        self.pdp.metrics.refused.malformed.add(1);
    }
}

fn status(why: &Refusal) -> StatusCode {
    match why {
        Refusal::NoPolicy => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::UnknownPolicy { .. } | Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn problem(why: &Refusal) -> Problem {
    Problem::new(status(why), why.to_string())
}

/// The caller's own id of a request comes back with the answer, errors included.
async fn echo_request_id(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
