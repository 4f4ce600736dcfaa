//! One line of a replay.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::api::label::JsonLabel;
use crate::api::question::{Question, QuestionError, Written};
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
    /// Somebody asked for a decision.
    Request {
        question: Box<Question>,
        truth: Option<Truth>,
        /// Whoever asked can prove who they are: a `step_up` is answered, and asked again.
        proves: bool,
        /// What is reported of it once it was let through.
        then: Vec<Reported>,
    },
    /// A source reported signals, as in `POST /v1/signals`.
    Report(Reported),
    /// Somebody found out what an entity is, as in `POST /v1/labels`.
    Label(JsonLabel),
    /// A change was announced, as in `POST /v1/expected`.
    Announcement(Announced),
}

/// Signals of one entity.
#[derive(Debug)]
pub struct Reported {
    pub kind: String,
    pub id: String,
    pub signals: serde_json::Map<String, Json>,
    /// Left out: when it was reported.
    pub observed_at: Option<Timestamp>,
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
#[serde(untagged, expecting = "`truth` is true, false or the name of an attack")]
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
    #[error("`{0}` is a time from 1970 to 9999, in RFC 3339 or in milliseconds since 1970")]
    Time(&'static str),
    #[error(transparent)]
    Question(#[from] QuestionError),
    #[error("has one of `request`, `report`, `label` and `expected`")]
    Neither,
    #[error("`{0}` belongs to a `request`")]
    OfRequest(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<R> {
    at: Time,
    request: Option<R>,
    #[serde(default)]
    proves: bool,
    truth: Option<Truth>,
    #[serde(default)]
    then: Vec<ReportLine>,
    report: Option<ReportLine>,
    label: Option<JsonLabel>,
    expected: Option<AnnouncedLine>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a time is in RFC 3339 or a whole number of milliseconds since 1970")]
enum Time {
    Millis(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportLine {
    entity: EntityLine,
    signals: serde_json::Map<String, Json>,
    observed_at: Option<Time>,
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
    /// Reads a line: `{"at": ..., "request": {...}, "proves": ..., "truth": ..., "then":
    /// [...]}`, `{"at": ..., "report": {"entity": {"type": ..., "id": ...}, "signals":
    /// {...}}}`, `{"at": ..., "label": {"entity": {...}, "label": "fraud", "at": ...}}` or
    /// `{"at": ..., "expected": {"entity": ..., "id": ..., "change": ..., "until": ...}}`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(line: &str) -> Result<Self, EventError> {
        match serde_json::from_str::<Line<Written>>(line) {
            Ok(line) => line.event(|Written(question)| Ok(question)),
            // What is wrong with it is said by who knows all of it.
            Err(_) => serde_json::from_str::<Line<Json>>(line)?
                .event(|request| Ok(Question::from_json(&request)?)),
        }
    }
}

impl<R> Line<R> {
    fn event(
        self,
        question: impl FnOnce(R) -> Result<Question, EventError>,
    ) -> Result<Event, EventError> {
        let line = self;
        let at = line.at.read("at")?;
        let of_request = match (line.proves, &line.truth, &*line.then) {
            (true, _, _) => Some("proves"),
            (_, Some(_), _) => Some("truth"),
            (_, _, [_, ..]) => Some("then"),
            _ => None,
        };
        if let (None, Some(key)) = (&line.request, of_request) {
            return Err(EventError::OfRequest(key));
        }
        let within = match (line.request, line.report, line.label, line.expected) {
            (Some(request), None, None, None) => {
                let then = line.then.into_iter().map(ReportLine::read).collect::<Result<_, _>>()?;
                let (question, truth) = (Box::new(question(request)?), line.truth);
                Within::Request { question, truth, proves: line.proves, then }
            }
            (None, Some(report), None, None) => Within::Report(report.read()?),
            (None, None, Some(label), None) => Within::Label(label),
            (None, None, None, Some(announced)) => Within::Announcement(announced.read(at)?),
            _ => return Err(EventError::Neither),
        };
        Ok(Event { at, within })
    }
}

impl Time {
    fn read(self, key: &'static str) -> Result<Timestamp, EventError> {
        let at = match self {
            Time::Millis(millis) => jiff::Timestamp::from_millisecond(millis),
            Time::Text(text) => text.parse(),
        };
        let millis = at.map_err(|_| EventError::Time(key))?.as_millisecond();
        if millis < 0 {
            return Err(EventError::Time(key));
        }
        Ok(Timestamp::from_millis(millis))
    }
}

impl ReportLine {
    fn read(self) -> Result<Reported, EventError> {
        let ReportLine { entity: EntityLine { kind, id }, signals, observed_at } = self;
        let observed_at = observed_at.map(|at| at.read("observed_at")).transpose()?;
        Ok(Reported { kind, id, signals, observed_at })
    }
}

impl AnnouncedLine {
    fn read(self, at: Timestamp) -> Result<Announced, EventError> {
        let AnnouncedLine { entity, id, change, from, until, values, reference } = self;
        let from = from.map_or(Ok(at), |from| from.read("from"))?;
        let (kind, entity, until) = (entity.kind, entity.id, until.read("until")?);
        Ok(Announced { kind, entity, id, change, from, until, values, reference })
    }
}
