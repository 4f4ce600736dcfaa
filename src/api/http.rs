//! The HTTP side: signals as JSON, probes, status and metrics. Runs on the cold
//! runtime, apart from the threads that answer proxies.

pub(in crate::api) mod body;
mod expected;
mod labels;
mod panics;
mod problem;
mod report;
mod serve;
mod unread;

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::health::{Readiness, Stage};
use super::pdp::Pdp;
use crate::telemetry::Metrics;

pub use problem::Problem;
pub use serve::HttpServer;

/// What `/status` tells, asked anew each time.
pub type Status = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// What the routes read.
#[derive(Clone)]
pub struct HttpParts {
    pub pdp: Arc<Pdp>,
    pub readiness: Readiness,
    pub metrics: Arc<Metrics>,
    pub status: Status,
}

impl fmt::Debug for HttpParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpParts").finish_non_exhaustive()
    }
}

/// All of this port. `others` are the routes of other rooms, which must not have
/// a fallback of their own.
pub fn http_router(parts: HttpParts, others: Router) -> Router {
    let metrics = Arc::clone(&parts.pdp.metrics);
    Router::new()
        .route("/v1/signals", post(report::report))
        .route("/v1/labels", post(labels::label))
        .route(
            "/v1/expected",
            post(expected::announce).get(expected::list).delete(expected::withdraw),
        )
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(scrape))
        .with_state(parts)
        .merge(others)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(metrics, panics::catch))
}

async fn live() -> &'static str {
    "live\n"
}

async fn ready(State(parts): State<HttpParts>) -> Response {
    match parts.readiness.stage() {
        Stage::Ready => "ready\n".into_response(),
        Stage::Starting => Problem::unavailable(parts.readiness.waits().join("; ")).into_response(),
        Stage::Draining => Problem::unavailable("this server is shutting down").into_response(),
    }
}

async fn status(State(parts): State<HttpParts>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json((parts.status)())).into_response()
}

async fn scrape(State(parts): State<HttpParts>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match parts.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be written")
            .into_response(),
    }
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path doesn't take that method")
}
