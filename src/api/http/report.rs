//! `POST /v1/signals`.

mod json;

use arc_swap::Guard;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::body::{is_json, read};
use super::{HttpParts, Problem};
use crate::api::signals::intake::{Intake, Receipt};
use crate::model::Timestamp;
use crate::telemetry::Operation;

/// A larger body is refused (bytes).
const MAX_BODY: usize = 8 * 1024 * 1024;

pub(super) async fn report(
    State(parts): State<HttpParts>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    is_json(request.headers(), StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
    let traces = &parts.pdp.traces;
    let mut span = traces.begin(Operation::HttpReport, || traces.parent(request.headers()));
    let body = read(request, MAX_BODY).await?;
    let batch = json::batch(&body)?;
    let published = Guard::into_inner(parts.pdp.published())
        .ok_or_else(|| Problem::unavailable("no policy is loaded yet"))?;
    let mut intake = Intake::new(&published.snapshot.catalog, &parts.pdp, Timestamp::now());
    for report in batch {
        match report.into_report() {
            Ok(report) => intake.take(&report),
            Err(why) => intake.refuse(why),
        }
        if intake.is_time_to_yield() {
            tokio::task::yield_now().await;
        }
    }
    let receipt = intake.finish();
    receipt.tell(span.as_mut());
    Ok(Json(receipt))
}
