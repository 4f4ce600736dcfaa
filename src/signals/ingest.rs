//! Reports come in here: checked against the catalog signal by signal, so that
//! one bad value doesn't cost the rest of its report.

mod convert;
mod rejection;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::Value as Json;

use super::cache::{Cache, MAX_ID, Refused, Written};
use super::record::{Applied, RecordBuilder};
use super::{Observation, Observations, Seen};
use crate::model::{Catalog, EntityDecl, Seconds, SignalId, SignalType, Timestamp, Value};

pub use rejection::Rejection;

/// How far ahead of this process's clock a report's time may be (seconds).
pub const MAX_AHEAD: Seconds = 300.0;
/// Longer strings are refused (bytes).
pub const MAX_TEXT: usize = 4096;
/// Larger sets are refused (members).
pub const MAX_MEMBERS: usize = 256;

/// An entity's id in its one spelling: requests name an address as its canonical text.
pub fn canonical_id<'e>(kind: &str, id: &'e str) -> Cow<'e, str> {
    if kind == "address"
        && let Ok(ip) = id.parse::<IpAddr>()
        && !ip.is_ipv4()
    {
        return Cow::Owned(ip.to_canonical().to_string());
    }
    Cow::Borrowed(id)
}

/// What a source says about one entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report<'r> {
    /// The entity kind's name.
    pub kind: Cow<'r, str>,
    pub id: Cow<'r, str>,
    /// Names without the entity kind.
    pub signals: Vec<(Cow<'r, str>, ReportedValue<'r>)>,
    /// Left out: when the report came in.
    pub observed_at: Option<Timestamp>,
}

/// A value as the wire has it, before the catalog says what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportedValue<'r> {
    /// Known to be absent.
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'r, str>),
    List(Vec<Cow<'r, str>>),
    /// Degrees.
    Location {
        latitude: f64,
        longitude: f64,
    },
    /// Something that no signal can be (a nested object, a list of numbers): its name.
    Other(&'static str),
}

impl<'r> ReportedValue<'r> {
    /// A value as JSON has it.
    pub fn from_json(json: &'r Json) -> Self {
        match json {
            Json::Null => ReportedValue::Null,
            Json::Bool(b) => ReportedValue::Bool(*b),
            Json::Number(x) => ReportedValue::Number(x.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => ReportedValue::Text(Cow::Borrowed(text)),
            Json::Array(items) => {
                let texts: Option<Vec<_>> =
                    items.iter().map(|i| i.as_str().map(Cow::Borrowed)).collect();
                texts.map_or(
                    ReportedValue::Other("a list of other than strings"),
                    ReportedValue::List,
                )
            }
            Json::Object(map) => {
                let degrees = |key: &str| map.get(key).and_then(Json::as_f64);
                match (map.len(), degrees("latitude"), degrees("longitude")) {
                    (2, Some(latitude), Some(longitude)) => {
                        ReportedValue::Location { latitude, longitude }
                    }
                    _ => ReportedValue::Other("an object"),
                }
            }
        }
    }
}

/// What became of one reported signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Accepted,
    /// A later observation is known, and stays.
    IgnoredOlder,
    Rejected(Rejection),
}

/// What became of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngestOutcome {
    /// What named the write, where anything was written.
    pub written: Option<Written>,
    /// How many signals were accepted.
    pub accepted: usize,
    /// The signals that were not accepted, by their place in the report. Empty,
    /// and not allocated, for a report that is all right.
    pub exceptions: Vec<(usize, Verdict)>,
    /// Why the whole report was refused: then nothing was accepted.
    pub refused: Option<Rejection>,
}

impl IngestOutcome {
    /// The verdict on the signal at `place` of the report.
    pub fn verdict(&self, place: usize) -> Verdict {
        if let Some(why) = &self.refused {
            return Verdict::Rejected(why.clone());
        }
        let exception = self.exceptions.iter().find(|(at, _)| *at == place);
        exception.map_or(Verdict::Accepted, |(_, verdict)| verdict.clone())
    }
}

/// Takes one report. Of each signal the latest observation stands, whatever the
/// order in which reports come in.
pub fn ingest(
    catalog: &Catalog,
    cache: &Cache,
    observations: &Observations,
    report: &Report<'_>,
    now: Timestamp,
) -> IngestOutcome {
    let outcome = match check(catalog, report, now) {
        Ok((entity, observed_at)) => {
            let teach = Teach { cache, observations, entity, id: &report.id, observed_at };
            write(catalog, &teach, report, now)
        }
        Err(why) => IngestOutcome { refused: Some(why), ..IngestOutcome::default() },
    };
    let all = report.signals.len();
    let older = outcome.exceptions.iter().filter(|(_, v)| *v == Verdict::IgnoredOlder).count();
    let rejected = all - outcome.accepted.min(all) - older.min(all);
    cache.counters().report(outcome.accepted as u64, older as u64, rejected as u64);
    outcome
}

/// What is the same for all signals of a report.
fn check<'c>(
    catalog: &'c Catalog,
    report: &Report<'_>,
    now: Timestamp,
) -> Result<(&'c EntityDecl, Timestamp), Rejection> {
    let entity = catalog
        .entity(&report.kind)
        .ok_or_else(|| Rejection::unknown_kind(catalog, &report.kind))?;
    if report.id.is_empty() || report.id.len() > MAX_ID || report.id.contains('\0') {
        return Err(Rejection::EntityId { len: report.id.len() });
    }
    let observed_at = report.observed_at.unwrap_or(now);
    let ahead = observed_at.seconds_since(now);
    if ahead > MAX_AHEAD {
        return Err(Rejection::FutureTime { ahead });
    }
    if observed_at < Timestamp::EPOCH {
        return Err(Rejection::AncientTime);
    }
    Ok((entity, observed_at))
}

fn write(
    catalog: &Catalog,
    teach: &Teach<'_>,
    report: &Report<'_>,
    now: Timestamp,
) -> IngestOutcome {
    let mut exceptions = Vec::new();
    let mut accepted = 0;
    let result = teach.cache.update(teach.entity.kind, &report.id, now, |record| {
        for (place, (name, value)) in report.signals.iter().enumerate() {
            match apply(catalog, teach, record, name, value) {
                Ok(Applied::Accepted) => accepted += 1,
                Ok(Applied::Older) => exceptions.push((place, Verdict::IgnoredOlder)),
                Ok(Applied::Unstorable) => exceptions.push((
                    place,
                    Verdict::Rejected(Rejection::NotFinite { name: name.as_ref().into() }),
                )),
                Err(why) => exceptions.push((place, Verdict::Rejected(why))),
            }
        }
    });
    match result {
        Ok(((), written)) => IngestOutcome { written, accepted, exceptions, refused: None },
        Err(why) => IngestOutcome { refused: Some(why.into()), ..IngestOutcome::default() },
    }
}

fn apply(
    catalog: &Catalog,
    teach: &Teach<'_>,
    record: &mut RecordBuilder<'_>,
    name: &str,
    value: &ReportedValue<'_>,
) -> Result<Applied, Rejection> {
    let declared = catalog
        .signal(&teach.entity.name, name)
        .ok_or_else(|| Rejection::unknown_signal(catalog, teach.entity, name))?;
    let mut packed = String::new();
    let value = convert::convert(declared, value, &mut packed)?;
    let applied = record.set(declared.id, teach.observed_at, value);
    // An event that comes late has happened all the same; of a state only news counts.
    let counts = match applied {
        Applied::Accepted => true,
        Applied::Older => declared.ty == SignalType::Event,
        Applied::Unstorable => false,
    };
    if counts && declared.teaches {
        teach.push(declared.id, value);
    }
    Ok(applied)
}

/// Where reports leave what they teach.
#[derive(Clone, Copy, Debug)]
struct Teach<'t> {
    cache: &'t Cache,
    observations: &'t Observations,
    entity: &'t EntityDecl,
    id: &'t str,
    observed_at: Timestamp,
}

impl Teach<'_> {
    fn push(&self, signal: SignalId, value: Value<'_>) {
        let Some(value) = self.cache.seen_value(value) else { return };
        self.observations.push(Observation {
            kind: self.entity.kind,
            id: self.id.into(),
            at: self.observed_at,
            seen: Seen::Value { signal, value },
        });
    }
}

impl From<Refused> for Rejection {
    fn from(why: Refused) -> Self {
        Rejection::Cache(why)
    }
}
