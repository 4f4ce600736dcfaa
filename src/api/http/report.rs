//! `POST /v1/signals`.

mod json;

use arc_swap::Guard;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::body::{is_json, read};
use super::{HttpParts, Problem};
use crate::api::signals::intake::{Intake, Receipt};
use crate::model::Timestamp;
use crate::signals::NotDurable;
use crate::telemetry::Operation;

/// A larger body is refused (bytes).
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What may stand behind the `?`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Answer when it is on disk.
    #[serde(default)]
    durable: bool,
}

/// Whether the `?` asks for it.
pub(super) fn wants_durable(asked: Result<Query<Asked>, QueryRejection>) -> Result<bool, Problem> {
    match asked {
        Ok(Query(asked)) => Ok(asked.durable),
        Err(why) => Err(Problem::new(StatusCode::BAD_REQUEST, why.body_text())),
    }
}

pub(super) async fn report(
    State(parts): State<HttpParts>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    let durable = wants_durable(asked)?;
    is_json(request.headers(), StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
    let traces = &parts.pdp.traces;
    let mut span = traces.begin(Operation::HttpReport, || traces.parent(request.headers()));
    let body = read(request, MAX_BODY).await?;
    let batch = json::batch(&body)?;
    let durable = durable || batch.durable;
    if durable {
        parts.pdp.durable().map_err(not_durable)?;
    }
    let published = Guard::into_inner(parts.pdp.published())
        .ok_or_else(|| Problem::unavailable("no policy is loaded yet"))?;
    let mut intake = Intake::new(&published.snapshot.catalog, &parts.pdp, Timestamp::now());
    for report in batch.reports {
        match report.into_report() {
            Ok(report) => intake.take(&report),
            Err(why) => intake.refuse(why),
        }
        if intake.is_time_to_yield() {
            tokio::task::yield_now().await;
        }
    }
    let receipt = intake.finish(&parts.pdp, durable).await.map_err(not_durable)?;
    receipt.tell(span.as_mut());
    Ok(Json(receipt))
}

pub(super) fn not_durable(why: NotDurable) -> Problem {
    match why {
        NotDurable::NoStore => Problem::new(StatusCode::CONFLICT, why.to_string()),
        NotDurable::Failing | NotDurable::Late => Problem::unavailable(why.to_string()),
    }
}
