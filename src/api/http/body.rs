//! A request's JSON body, within bounds.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Problem;
use crate::api::load::BodyError;

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

/// Reads a body of at most `limit` bytes. How long that may take is the whole request's limit.
///
/// # Errors
/// When it is larger, there is too much else, or it breaks off.
pub(in crate::api) async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(why) if why.is::<LengthLimitError>() => {
            let detail = format!("a body of more than {} MiB", limit >> 20);
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(why) => Err(match shed(&*why) {
            Some(shed) => Problem::unavailable(shed),
            None => Problem::new(StatusCode::BAD_REQUEST, "the body broke off"),
        }),
    }
}

/// What we ourselves ended the body for, below what the layers between have made of it.
fn shed(why: &(dyn Error + 'static)) -> Option<String> {
    match why.downcast_ref::<BodyError>() {
        Some(BodyError::Shed(shed)) => Some(shed.to_string()),
        _ => why.source().and_then(shed),
    }
}
