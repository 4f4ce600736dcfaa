//! `POST /v1/signals`.

mod json;

use std::time::Duration;

use arc_swap::Guard;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{HttpParts, Problem};
use crate::api::signals::intake::{Intake, Receipt};
use crate::model::Timestamp;

/// A larger body is refused (bytes).
const MAX_BODY: usize = 8 * 1024 * 1024;
/// How long a body may take to come in.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn report(
    State(parts): State<HttpParts>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    is_json(request.headers())?;
    let body = read(request).await?;
    let batch = json::batch(&body)?;
    let published = Guard::into_inner(parts.pdp.published())
        .ok_or_else(|| Problem::unavailable("no policy is loaded yet"))?;
    let mut intake = Intake::new(&published.snapshot.catalog, &parts.pdp.cache, Timestamp::now());
    for report in batch {
        match report.into_report() {
            Ok(report) => intake.take(&report),
            Err(why) => intake.refuse(why),
        }
        if intake.is_time_to_yield() {
            tokio::task::yield_now().await;
        }
    }
    Ok(Json(intake.finish()))
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return unsupported("`content-type`: expected application/json");
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            unsupported("`content-encoding`: compressed bodies are not taken")
        }
        _ => Ok(()),
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let reading = Limited::new(request.into_body(), MAX_BODY).collect();
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(why)) if why.is::<LengthLimitError>() => {
            let detail = format!("a body of more than {} MiB", MAX_BODY >> 20);
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}
