//! One line of a replay.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::model::Timestamp;

/// Something that happened.
#[derive(Debug)]
pub struct Event {
    pub at: Timestamp,
    pub within: Within,
}

/// What happened.
#[derive(Debug)]
pub enum Within {
    /// Somebody asked for a decision: an AuthZEN evaluation request.
    Request {
        body: Json,
        truth: Option<Truth>,
        /// Whoever asked can prove who they are: a `step_up` is answered, and asked again.
        proves: bool,
    },
    /// A source reported signals, as in `POST /v1/signals`.
    Report { kind: String, id: String, signals: serde_json::Map<String, Json> },
}

/// What a request really was: for measuring, never for deciding.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Truth {
    /// Whether it was an attack.
    Attack(bool),
    /// An attack, and which: its requests belong together.
    Episode(String),
}

impl Truth {
    pub fn is_attack(&self) -> bool {
        *self != Truth::Attack(false)
    }
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("not JSON of an event: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`at` is a time in RFC 3339 or in milliseconds since 1970")]
    Time,
    #[error("has either `request` or `report`")]
    Neither,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: Time,
    request: Option<Json>,
    #[serde(default)]
    proves: bool,
    truth: Option<Truth>,
    report: Option<ReportLine>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Millis(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportLine {
    entity: EntityLine,
    signals: serde_json::Map<String, Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityLine {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl Event {
    /// Reads a line: `{"at": ..., "request": {...}, "proves": ..., "truth": ...}` or
    /// `{"at": ..., "report": {"entity": {"type": ..., "id": ...}, "signals": {...}}}`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(line: &str) -> Result<Self, EventError> {
        let line: Line = serde_json::from_str(line)?;
        let at = match line.at {
            Time::Millis(millis) => Timestamp::from_millis(millis),
            Time::Text(text) => {
                let at: jiff::Timestamp = text.parse().map_err(|_| EventError::Time)?;
                Timestamp::from_millis(at.as_millisecond())
            }
        };
        let within = match (line.request, line.report) {
            (Some(body), None) => Within::Request { body, truth: line.truth, proves: line.proves },
            (None, Some(ReportLine { entity, signals })) => {
                Within::Report { kind: entity.kind, id: entity.id, signals }
            }
            _ => return Err(EventError::Neither),
        };
        Ok(Event { at, within })
    }
}
