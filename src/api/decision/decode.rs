//! A question out of its protobuf.

use crate::api::json::{self, NotFinite};
use crate::api::question::{Question, QuestionError, QuestionHttp, QuestionParty};
use crate::proto::{EvaluateRequest, HttpRequest, Party};

/// What is wrong with a request, and where.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("{0}")]
    Question(#[from] QuestionError),
    #[error("{0}")]
    NotFinite(#[from] NotFinite),
}

pub(super) fn question(request: EvaluateRequest) -> Result<Question, DecodeError> {
    let action = request.action.ok_or_else(|| absent("action"))?;
    let mut question = Question {
        subject: party(request.subject, "subject")?,
        action: filled(action.name, "action.name")?,
        action_properties: json::of_struct(action.properties, "action.properties")?,
        resource: party(request.resource, "resource")?,
        http: request.http.map(http),
        ..Question::default()
    };
    question.set_context(json::of_struct(request.context, "context")?)?;
    // What stands in a field of its own counts before what stands in the context.
    if !request.policy.is_empty() {
        question.policy = request.policy;
    }
    question.enforces_limits |= request.enforces_limits;
    Ok(question)
}

fn party(party: Option<Party>, place: &str) -> Result<QuestionParty, DecodeError> {
    let party = party.ok_or_else(|| absent(place))?;
    Ok(QuestionParty {
        kind: filled(party.r#type, &format!("{place}.type"))?,
        id: filled(party.id, &format!("{place}.id"))?,
        properties: json::of_struct(party.properties, &format!("{place}.properties"))?,
    })
}

fn http(http: HttpRequest) -> QuestionHttp {
    QuestionHttp {
        method: http.method,
        path: http.path,
        host: http.host,
        scheme: http.scheme,
        headers: http.headers.into_iter().collect(),
    }
}

fn filled(text: String, place: &str) -> Result<String, QuestionError> {
    if text.is_empty() { Err(QuestionError::Empty { place: place.to_owned() }) } else { Ok(text) }
}

fn absent(place: &str) -> QuestionError {
    QuestionError::Absent { place: place.to_owned() }
}
