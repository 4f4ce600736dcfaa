//! What this decision point offers and where: AuthZEN's metadata.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{AuthZen, EVALUATION, EVALUATIONS, METADATA};
use crate::api::http::Problem;

#[derive(Serialize)]
struct Metadata {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
}

pub(super) async fn metadata(
    State(own): State<Arc<AuthZen>>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = request.uri().path().strip_prefix(METADATA).unwrap_or_default();
    let path = own.public_url.as_deref().map_or("", path_of);
    if asked.trim_end_matches('/') != path {
        let place = format!("the metadata of this decision point is at {METADATA}{path}");
        return Err(Problem::new(StatusCode::NOT_FOUND, place));
    }
    let base = match &own.public_url {
        Some(url) => url.clone(),
        None => asked_under(&request).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "`host`: expected where this is asked for")
        })?,
    };
    let metadata = Metadata {
        access_evaluation_endpoint: format!("{base}{EVALUATION}"),
        access_evaluations_endpoint: format!("{base}{EVALUATIONS}"),
        policy_decision_point: base,
    };
    // What one caller's `host` says must not be told to another from a cache.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(metadata)).into_response())
}

/// What follows the host of a URL without query.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// The base of the URL that the request came to.
fn asked_under(request: &Request) -> Option<String> {
    let host = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => {
            let host = request.headers().get(header::HOST)?.to_str().ok()?;
            host.parse::<Authority>().ok()?
        }
    };
    if host.as_str().contains('@') {
        return None;
    }
    Some(format!("{}://{host}", request.uri().scheme_str().unwrap_or("http")))
}
