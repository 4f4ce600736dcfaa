//! `/v1/expected`: announcing changes, listing and withdrawing them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{is_json, read};
use super::{HttpParts, Problem};
use crate::api::access::Caller;
use crate::api::expected::{Announced, Asked, Desk, Entity, Refused, Withdrawn};
use crate::model::Timestamp;
use crate::signals::NotAnnounced;

/// A larger body is refused (bytes).
const MAX_BODY: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonAnnouncement {
    entity: JsonEntity,
    id: String,
    change: String,
    #[serde(default)]
    from: Option<String>,
    until: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEntity {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// Of whom: `?kind=user&id=u1`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    kind: String,
    id: String,
}

/// What to withdraw: `?kind=user&id=u1&announcement=chg-123`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    kind: String,
    id: String,
    announcement: String,
}

pub(super) async fn announce(
    State(parts): State<HttpParts>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    is_json(request.headers(), StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let body = read(request, MAX_BODY).await?;
    let desk = Desk::open(&parts.pdp, &parts.readiness, caller)?;
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let asked: JsonAnnouncement =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let place = error.path().to_string();
            let problem = Problem::new(StatusCode::BAD_REQUEST, error.inner().to_string());
            if place == "." || place == "?" { problem } else { problem.at(place) }
        })?;
    reader.end().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let asked = Asked {
        entity: Entity { kind: &asked.entity.kind, id: &asked.entity.id },
        id: &asked.id,
        change: &asked.change,
        from: asked.from.as_deref().map(|text| time("from", text)).transpose()?,
        until: time("until", &asked.until)?,
        values: &asked.values,
        reference: &asked.reference,
        by: &asked.by,
    };
    let durable = desk.announce(&asked).await?;
    Ok(Json(json!({"id": asked.id, "durable": durable})))
}

pub(super) async fn withdraw(
    State(parts): State<HttpParts>,
    which: Result<Query<Which>, QueryRejection>,
    request: Request,
) -> Result<Json<Withdrawn>, Problem> {
    let Query(which) = which.map_err(|why| bad_query(&why))?;
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let desk = Desk::open(&parts.pdp, &parts.readiness, caller)?;
    let entity = Entity { kind: &which.kind, id: &which.id };
    Ok(Json(desk.withdraw(entity, &which.announcement).await?))
}

pub(super) async fn list(
    State(parts): State<HttpParts>,
    whose: Result<Query<Whose>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(whose) = whose.map_err(|why| bad_query(&why))?;
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let desk = Desk::open(&parts.pdp, &parts.readiness, caller)?;
    let announced = desk.announced(Entity { kind: &whose.kind, id: &whose.id })?;
    let announced: Vec<Value> = announced.iter().map(shown).collect();
    Ok(Json(json!({"expected": announced})).into_response())
}

fn bad_query(why: &QueryRejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why.body_text())
}

fn time(place: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let read = text.parse::<jiff::Timestamp>();
    let read = read.map(|at| Timestamp::from_millis(at.as_millisecond()));
    read.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "expected an RFC 3339 time").at(place))
}

fn shown(announced: &Announced) -> Value {
    let time = |at: Timestamp| jiff::Timestamp::from_millisecond(at.millis()).ok();
    json!({
        "id": announced.id,
        "change": announced.change,
        "from": time(announced.from).map(|at| at.to_string()),
        "until": time(announced.until).map(|at| at.to_string()),
        "values": announced.values,
        "reference": announced.reference,
        "by": announced.by,
    })
}

impl From<Refused> for Problem {
    fn from(why: Refused) -> Self {
        match why {
            Refused::Unannounced(NotAnnounced::Wrong { place, why }) => {
                Problem::new(StatusCode::BAD_REQUEST, why).at(place)
            }
            Refused::Unannounced(NotAnnounced::TooMany) => {
                Problem::new(StatusCode::CONFLICT, why.to_string())
            }
            Refused::Unannounced(NotAnnounced::NoRoom(_)) | Refused::Early | Refused::Unkept => {
                Problem::unavailable(why.to_string())
            }
        }
    }
}
