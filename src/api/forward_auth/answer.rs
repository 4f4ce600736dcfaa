//! Answers that proxies understand.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bumpalo::Bump;

use crate::api::answer::{Answer, obligation_headers};
use crate::api::check::our_header;
use crate::api::id::DecisionId;
use crate::api::pdp::Decided;
use crate::api::problem::{Problem, challenge, wants_html};
use crate::config::AnswerHeader;
use crate::model::Decision;

const DECISION: &str = "x-plimsoll-decision";
const ID: &str = "x-plimsoll-id";

/// 200 with what the upstream is told, 401 to ask for more, or 403.
pub(super) fn answer(
    decided: &Decided<'_, '_>,
    headers: &[AnswerHeader],
    accept: Option<&str>,
    arena: &Bump,
) -> Response {
    let decision = decided.outcome.decision.unwrap_or(Decision::Deny);
    if !decision.permits() {
        return denied(&Answer::of(decided), decided.id, accept);
    }
    let mut response = Response::new(Body::empty());
    for (name, value) in obligation_headers(decided, arena) {
        set(&mut response, name, value);
    }
    // Last: no policy's header takes the place of one of ours.
    for which in headers {
        if let Some((name, value)) = our_header(*which, decided, decision, arena) {
            set(&mut response, name, value);
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    response
}

fn denied(answer: &Answer, id: DecisionId, accept: Option<&str>) -> Response {
    let step_up = answer.step_up.as_ref();
    let acr: Vec<&str> = words(step_up.map(|s| &*s.acr_values));
    let amr: Vec<&str> = words(step_up.map(|s| &*s.amr));
    let problem = Problem {
        status: if step_up.is_some() { 401 } else { 403 },
        decision: answer.decision,
        id: Some(id),
        reasons: &answer.reason_user,
        remedy: answer.counterfactual.as_ref().map(|other| &*other.text),
        acr: &acr,
        amr: &amr,
    };
    let mut response = body(&problem, accept);
    // Some proxies hand all of this to the client: no more than the body says.
    set(&mut response, DECISION, answer.decision.name());
    set(&mut response, ID, &answer.id);
    if let Some(step_up) = step_up {
        set(&mut response, header::WWW_AUTHENTICATE.as_str(), &challenge(&acr, step_up.max_age));
    }
    response
}

/// Denies what was not decided.
pub(super) fn refusal(why: &str, accept: Option<&str>) -> Response {
    refuse(403, why, accept)
}

/// Denies a token that can't be verified (RFC 6750, section 3.1).
pub(super) fn bad_token(why: &str, accept: Option<&str>) -> Response {
    let mut response = refuse(401, why, accept);
    set(&mut response, header::WWW_AUTHENTICATE.as_str(), "Bearer error=\"invalid_token\"");
    response
}

fn refuse(status: u16, why: &str, accept: Option<&str>) -> Response {
    let reasons = [why.to_owned()];
    let problem = Problem {
        status,
        decision: Decision::Deny,
        id: None,
        reasons: &reasons,
        remedy: None,
        acr: &[],
        amr: &[],
    };
    body(&problem, accept)
}

fn body(problem: &Problem<'_>, accept: Option<&str>) -> Response {
    let (kind, body) = if wants_html(accept) {
        ("text/html; charset=utf-8", problem.html())
    } else {
        ("application/problem+json", problem.json())
    };
    let mut response = Response::new(Body::from(body));
    // A status that can't be is a fault of ours: no reason to let a request pass.
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    response
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A name or a value that can't stand in a header is left out.
fn set(response: &mut Response, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    // Not `from_str`, which takes ASCII only.
    let value = HeaderValue::from_bytes(value.as_bytes());
    if let (Ok(name), Ok(value)) = (name, value) {
        response.headers_mut().insert(name, value);
    }
}

fn words(words: Option<&[String]>) -> Vec<&str> {
    words.unwrap_or_default().iter().map(String::as_str).collect()
}
