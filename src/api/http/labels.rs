//! `POST /v1/labels`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::body::{is_json, read};
use super::report::{Asked, not_durable, wants_durable};
use super::{HttpParts, Problem};
use crate::api::access::Caller;
use crate::api::label::JsonLabel;
use crate::api::review::{NotTaken, Taken, keep, take};

/// A larger body is refused (bytes).
const MAX_BODY: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    labels: Vec<JsonLabel>,
    #[serde(default)]
    durable: bool,
}

pub(super) async fn label(
    State(parts): State<HttpParts>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Taken>, Problem> {
    let durable = wants_durable(asked)?;
    is_json(request.headers(), StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let body = read(request, MAX_BODY).await?;
    if parts.pdp.published().is_none() {
        return Err(Problem::unavailable("no policy is loaded yet"));
    }
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let batch: Batch = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        let problem = Problem::new(StatusCode::BAD_REQUEST, error.inner().to_string());
        if place == "." || place == "?" { problem } else { problem.at(place) }
    })?;
    reader.end().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let durable = durable || batch.durable;
    if durable {
        parts.pdp.durable().map_err(not_durable)?;
    }
    let labels = batch.labels.iter().map(JsonLabel::named);
    let taken = take(&parts.pdp, &caller, labels).map_err(|why| match why {
        NotTaken::TooMany(_) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why.to_string()),
        NotTaken::NoRoom { .. } => Problem::unavailable(why.to_string()),
    })?;
    if durable {
        keep(&parts.pdp).await.map_err(not_durable)?;
    }
    Ok(Json(Taken { durable, ..taken }))
}
