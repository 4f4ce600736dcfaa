//! `POST /v1/labels`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::body::{is_json, read};
use super::{HttpParts, Problem};
use crate::api::access::Caller;
use crate::api::label::JsonLabel;
use crate::api::review::{NotTaken, take};

/// A larger body is refused (bytes).
const MAX_BODY: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    labels: Vec<JsonLabel>,
}

pub(super) async fn label(
    State(parts): State<HttpParts>,
    request: Request,
) -> Result<Response, Problem> {
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
    match take(&parts.pdp, &caller, batch.labels.iter().map(JsonLabel::named)) {
        Ok(taken) => Ok(axum::Json(taken).into_response()),
        Err(why @ NotTaken::TooMany(_)) => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why.to_string()))
        }
        Err(why @ NotTaken::NoRoom { .. }) => Err(Problem::unavailable(why.to_string())),
    }
}
