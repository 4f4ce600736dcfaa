//! A request's JSON body, within bounds.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Problem;

/// How long a body may take to come in.
const PATIENCE: Duration = Duration::from_secs(30);

/// # Errors
/// `otherwise`, where the headers say that the body is not plain JSON.
pub(in crate::api) fn is_json(headers: &HeaderMap, otherwise: StatusCode) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(otherwise, "`content-type`: expected application/json"));
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(Problem::new(otherwise, "`content-encoding`: compressed bodies are not taken"))
        }
        _ => Ok(()),
    }
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// When it is larger, too slow, or breaks off.
pub(in crate::api) async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let reading = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(why)) if why.is::<LengthLimitError>() => {
            let detail = format!("a body of more than {} MiB", limit >> 20);
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}
