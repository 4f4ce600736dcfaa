//! Errors over HTTP: `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::access::Refusal;
use crate::api::load::Shed;

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    place: Option<String>,
    /// It would go better a moment later.
    passes: bool,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), place: None, passes: false }
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Names where in the body it is: `reports[3].entity.id`.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}

/// The answer to a caller who is turned away.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let (status, name, value) = match refusal {
        Refusal::Unproven(_) => (StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, "Bearer"),
        Refusal::UnknownToken(_) | Refusal::Unverified(..) => {
            let challenge = "Bearer error=\"invalid_token\"";
            (StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, challenge)
        }
        Refusal::Denied { .. } => {
            let challenge = "Bearer error=\"insufficient_scope\"";
            (StatusCode::FORBIDDEN, header::WWW_AUTHENTICATE, challenge)
        }
        Refusal::Limited => (StatusCode::TOO_MANY_REQUESTS, header::RETRY_AFTER, "60"),
    };
    let mut response = Problem::new(status, refusal.to_string()).into_response();
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

impl From<Shed> for Problem {
    fn from(why: Shed) -> Self {
        Self { passes: true, ..Self::unavailable(why.to_string()) }
    }
}

/// The answer to a request that has taken its time. What is left of it isn't waited for.
pub(super) fn too_slow() -> Response {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            // No type of its own: the status says it (RFC 9457, 4.2.1).
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Some(place), Some(body)) = (self.place, body.as_object_mut()) {
            body.insert("place".to_owned(), place.into());
        }
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response =
            (self.status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response();
        if self.passes {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
