//! A panic costs one request.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::telemetry::DecisionMetrics;

/// Answers 500 where a handler panics.
pub(super) async fn catch(
    State(metrics): State<Arc<DecisionMetrics>>,
    request: Request,
    next: Next,
) -> Response {
    let mut handling = pin!(next.run(request));
    let handled = std::future::poll_fn(|cx| {
        match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(())),
        }
    });
    handled.await.unwrap_or_else(|()| {
        metrics.refused.panicked.add(1);
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed").into_response()
    })
}
