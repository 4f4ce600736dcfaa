//! The gRPC services beside checks, within limits: each call has a deadline and a share of what may be
//! held, and a panic costs that call.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use tonic::Status;
use tonic::service::Routes;
use tower::Service;

use crate::api::load::{Kind, LimitedBody, Load};

/// A call on its way to its answer.
pub(super) type Answered = Pin<Box<dyn Future<Output = Response<tonic::body::Body>> + Send>>;

#[derive(Clone, Debug)]
pub(super) struct Others {
    routes: Routes,
    load: Arc<Load>,
}

impl Others {
    pub(super) fn new(routes: Routes) -> Self {
        Others { routes: routes.prepare(), load: Arc::default() }
    }

    pub(super) fn limited(self, load: Arc<Load>) -> Self {
        Others { load, ..self }
    }

    pub(super) fn call<B>(&mut self, request: Request<B>) -> Answered
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path();
        let held = match path.starts_with("/grpc.health.v1.Health/") {
            // Answered under any load: who is not well is asked less.
            true => self.load.hold_anyway(),
            false => match self.load.hold() {
                Ok(held) => held,
                Err(shed) => {
                    return Box::pin(std::future::ready(Status::from(shed).into_http()));
                }
            },
        };
        let held = Arc::new(held);
        let limit = self.load.limits.request;
        let (kind, limit) = match sends_stream(path) {
            // Without end: each message has the time that a call has.
            true => (Kind::Messages(Default::default()), None),
            false => {
                (Kind::Whole, Some(asked_within(request.headers()).map_or(limit, |t| t.min(limit))))
            }
        };
        let request = request.map(|body| {
            tonic::body::Body::new(
                LimitedBody::new(body, Arc::clone(&held), kind).map_err(Status::from),
            )
        });
        let answering = AssertUnwindSafe(self.routes.call(request)).catch_unwind();
        Box::pin(async move {
            let load = held.load();
            let answered = match limit {
                None => answering.await,
                Some(limit) => match tokio::time::timeout(limit, answering).await {
                    Ok(answered) => answered,
                    Err(_) => {
                        load.count_slow();
                        return Status::deadline_exceeded("the call took too long").into_http();
                    }
                },
            };
            match answered {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => {
                    load.count_panic();
                    Status::internal("the call failed").into_http()
                }
            }
        })
    }
}

/// The methods whose requests are streams.
fn sends_stream(path: &str) -> bool {
    path == "/plimsoll.v1.SignalService/ReportStream" || path.ends_with("/ServerReflectionInfo")
}

/// How long the caller waits (gRPC over HTTP/2, `Timeout`): at most eight digits and a unit.
fn asked_within(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
