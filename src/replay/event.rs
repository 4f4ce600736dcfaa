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
    /// A change was announced, as in `POST /v1/expected`.
    Announcement(Announced),
}

/// What was announced, of whom.
#[derive(Debug)]
pub struct Announced {
    pub kind: String,
    pub entity: String,
    pub id: String,
    pub change: String,
    pub from: Timestamp,
    pub until: Timestamp,
    pub values: Vec<String>,
    pub reference: String,
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
    #[error("`at`, `from` and `until` are times in RFC 3339 or in milliseconds since 1970")]
    Time,
    #[error("has one of `request`, `report` and `expected`")]
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
    expected: Option<AnnouncedLine>,
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

impl Time {
    fn read(self) -> Result<Timestamp, EventError> {
        match self {
            Time::Millis(millis) => Ok(Timestamp::from_millis(millis)),
            Time::Text(text) => {
                let at: jiff::Timestamp = text.parse().map_err(|_| EventError::Time)?;
                Ok(Timestamp::from_millis(at.as_millisecond()))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnouncedLine {
    entity: EntityLine,
    id: String,
    change: String,
    /// Left out: when it is announced.
    from: Option<Time>,
    until: Time,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityLine {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl Event {
    /// Reads a line: `{"at": ..., "request": {...}, "proves": ..., "truth": ...}`,
    /// `{"at": ..., "report": {"entity": {"type": ..., "id": ...}, "signals": {...}}}` or
    /// `{"at": ..., "expected": {"entity": ..., "id": ..., "change": ..., "until": ...}}`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(line: &str) -> Result<Self, EventError> {
        let line: Line = serde_json::from_str(line)?;
        let at = line.at.read()?;
        let within = match (line.request, line.report, line.expected) {
            (Some(body), None, None) => {
                Within::Request { body, truth: line.truth, proves: line.proves }
            }
            (None, Some(ReportLine { entity, signals }), None) => {
                Within::Report { kind: entity.kind, id: entity.id, signals }
            }
            (None, None, Some(announced)) => {
                let AnnouncedLine { entity, id, change, from, until, values, reference } =
                    announced;
                let from = from.map_or(Ok(at), Time::read)?;
                let (kind, entity, until) = (entity.kind, entity.id, until.read()?);
                let announced =
                    Announced { kind, entity, id, change, from, until, values, reference };
                Within::Announcement(announced)
            }
            _ => return Err(EventError::Neither),
        };
        Ok(Event { at, within })
    }
}
