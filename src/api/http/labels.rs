//! `POST /v1/labels`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::body::{is_json, read};
use super::{HttpParts, Problem};
use crate::api::access::Caller;
use crate::api::review::{Named, NotTaken, take};
use crate::model::Timestamp;

/// A larger body is refused (bytes).
const MAX_BODY: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    labels: Vec<JsonLabel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLabel {
    entity: JsonEntity,
    label: Verdict,
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEntity {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Fraud,
    Legitimate,
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

impl JsonLabel {
    fn named(&self) -> Result<Named<'_>, String> {
        let at = match &self.at {
            None => None,
            Some(text) => {
                let read = text.parse::<jiff::Timestamp>();
                let read = read.map(|at| Timestamp::from_millis(at.as_millisecond()));
                Some(read.map_err(|_| "`at`: expected an RFC 3339 time".to_owned())?)
            }
        };
        let bad = self.label == Verdict::Fraud;
        Ok(Named { kind: &self.entity.kind, id: &self.entity.id, bad, at, note: &self.note })
    }
}
