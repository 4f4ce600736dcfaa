//! A question in the shape of OpenID AuthZEN: what native callers, HTTP callers,
//! policy tests and `explain` all ask with.

mod written;

use std::net::IpAddr;

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use serde_json::{Map, Value as Json};

use super::path::{PathError, normalise, normalise_host};
use crate::engine::Snapshot;
use crate::model::{
    Entities, Http, Owner, PackedSet, Party, Property, Request, Timestamp, Type, Value, Vocabulary,
};

pub use written::Written;

/// How deep properties may nest: `context.a.b.c`.
const MAX_DEPTH: usize = 8;
/// How many properties a question may have in all.
const MAX_PROPERTIES: usize = 1024;

/// Who wants to do what to which, and what else the caller knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    pub subject: QuestionParty,
    pub action: String,
    pub action_properties: Map<String, Json>,
    pub resource: QuestionParty,
    pub context: Map<String, Json>,
    /// Empty for the default.
    pub policy: String,
    pub enforces_limits: bool,
    pub http: Option<QuestionHttp>,
    /// A token of the end user's, not verified: whoever asks takes it from here.
    pub token: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuestionParty {
    pub kind: String,
    pub id: String,
    pub properties: Map<String, Json>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuestionHttp {
    pub method: String,
    pub path: String,
    pub host: String,
    pub scheme: String,
    pub headers: Vec<(String, String)>,
}

/// What is wrong with a question, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QuestionError {
    #[error("`{place}`: expected {expected}, found {found}")]
    WrongType { place: String, expected: &'static str, found: &'static str },
    #[error("`{place}` is missing")]
    Absent { place: String },
    #[error("`{place}` is empty")]
    Empty { place: String },
    #[error("`context.entities.{kind}`: there is no entity kind of that name{hint}")]
    UnknownKind { kind: String, hint: String },
    #[error("`{place}`: properties nest deeper than {MAX_DEPTH} levels")]
    TooDeep { place: String },
    #[error("more than {MAX_PROPERTIES} properties")]
    TooMany,
    #[error("`http.path`: {0}")]
    Path(#[from] PathError),
}

impl Question {
    /// Reads an AuthZEN evaluation request. Unknown fields are ignored, as the
    /// standard asks.
    pub fn from_json(body: &Json) -> Result<Self, QuestionError> {
        let body = object(body, "request")?;
        let subject = party(body, "subject")?;
        let resource = party(body, "resource")?;
        let action = object(required(body, "action", "action")?, "action")?;
        let name = text(required(action, "name", "action.name")?, "action.name")?;
        let context = optional_object(body, "context", "context")?;
        let mut question = Question {
            subject,
            action: name,
            action_properties: optional_object(action, "properties", "action.properties")?,
            resource,
            ..Question::default()
        };
        question.set_context(context)?;
        Ok(question)
    }

    /// Takes the context, in which a caller also says which policy it asks and
    /// that it enforces limits, and passes on a token.
    pub fn set_context(&mut self, mut context: Map<String, Json>) -> Result<(), QuestionError> {
        if let Some(policy) = context.remove("policy") {
            self.policy = text(&policy, "context.policy")?;
        }
        if let Some(enforces) = context.remove("enforces") {
            self.enforces_limits = match &enforces {
                Json::Array(all) => all.iter().any(|e| e == "limits"),
                single => text(single, "context.enforces")? == "limits",
            };
        }
        if let Some(token) = context.remove("token") {
            self.token = Some(text(&token, "context.token")?);
        }
        self.context = context;
        Ok(())
    }

    /// The request that policies see. What is built for it lives in `arena`.
    pub fn request<'r>(
        &'r self,
        snapshot: &'r Snapshot,
        vocabulary: &Vocabulary,
        now: Timestamp,
        arena: &'r Bump,
    ) -> Result<Request<'r>, QuestionError> {
        let mut entities = Entities::default();
        let mut address = None;
        let mut name_entity = |kind: &str, id: &'r str| {
            let Some(known) = vocabulary.find_kind(kind) else { return false };
            let mut id = id;
            if kind == "address"
                && let Ok(ip) = id.parse::<IpAddr>()
            {
                let canonical = ip.to_canonical();
                address = Some(canonical);
                id = canonical_text(id, ip, canonical, arena);
            }
            entities.set(known, id);
            true
        };
        if !self.subject.id.is_empty() {
            name_entity(&self.subject.kind, &self.subject.id);
        }
        match self.context.get("entities") {
            None => {}
            Some(Json::Object(named)) => {
                for (kind, id) in named {
                    let place = || format!("context.entities.{kind}");
                    let Json::String(id) = id else {
                        return Err(wrong_type(&place(), "a string", id));
                    };
                    if id.is_empty() {
                        return Err(QuestionError::Empty { place: place() });
                    }
                    if !name_entity(kind, id) {
                        let names = snapshot.catalog.entities.iter().map(|e| &*e.name);
                        let hint = match crate::model::suggest(kind, names) {
                            Some(near) => format!(": did you mean `{near}`?"),
                            None => String::new(),
                        };
                        return Err(QuestionError::UnknownKind { kind: kind.clone(), hint });
                    }
                }
            }
            Some(other) => return Err(wrong_type("context.entities", "an object", other)),
        }

        let mut properties = BumpVec::new_in(arena);
        let mut flatten = Flatten { snapshot, arena, into: &mut properties };
        flatten.all(Owner::Subject, &self.subject.properties)?;
        flatten.all(Owner::Action, &self.action_properties)?;
        flatten.all(Owner::Resource, &self.resource.properties)?;
        flatten.all(Owner::Context, &self.context)?;

        let http = self.http.as_ref().map(|http| http.request(arena)).transpose()?;
        Ok(Request {
            now,
            subject: Party { kind: &self.subject.kind, id: &self.subject.id },
            action: &self.action,
            resource: Party { kind: &self.resource.kind, id: &self.resource.id },
            http,
            entities,
            address,
            properties: properties.into_bump_slice(),
            enforces_limits: self.enforces_limits,
        })
    }
}

/// The id of an address entity is its canonical text, whoever wrote it how.
pub(super) fn canonical_text<'r>(
    written: &'r str,
    ip: IpAddr,
    canonical: IpAddr,
    arena: &'r Bump,
) -> &'r str {
    // A dotted IPv4 address has one spelling only, unless a port comes with it.
    if ip.is_ipv4() && ip == canonical && !written.contains(':') {
        return written;
    }
    bumpalo::format!(in arena, "{}", canonical).into_bump_str()
}

impl QuestionHttp {
    fn request<'r>(&'r self, arena: &'r Bump) -> Result<Http<'r>, QuestionError> {
        let mut headers: BumpVec<'r, (&'r str, &'r str)> = BumpVec::new_in(arena);
        for (name, value) in &self.headers {
            let name: &str = {
                let lower = arena.alloc_str(name);
                lower.make_ascii_lowercase();
                lower
            };
            match headers.iter_mut().find(|(n, _)| *n == name) {
                Some((_, joined)) => {
                    *joined = bumpalo::format!(in arena, "{},{}", joined, value).into_bump_str();
                }
                None => headers.push((name, value)),
            }
        }
        Ok(Http {
            method: &self.method,
            path: normalise(&self.path, arena)?,
            host: normalise_host(&self.host, arena),
            scheme: &self.scheme,
            headers: headers.into_bump_slice(),
        })
    }
}

struct Flatten<'f, 'r> {
    snapshot: &'r Snapshot,
    arena: &'r Bump,
    into: &'f mut BumpVec<'r, Property<'r>>,
}

impl<'r> Flatten<'_, 'r> {
    fn all(&mut self, owner: Owner, map: &'r Map<String, Json>) -> Result<(), QuestionError> {
        for (key, value) in map {
            if owner == Owner::Context && key == "entities" {
                continue;
            }
            self.one(owner, key, value, 1)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        owner: Owner,
        key: &'r str,
        value: &'r Json,
        depth: usize,
    ) -> Result<(), QuestionError> {
        if depth > MAX_DEPTH {
            return Err(QuestionError::TooDeep { place: format!("{}.{key}", owner.name()) });
        }
        if let Json::Object(map) = value
            && self.declared(owner, key) != Some(Type::Location)
        {
            for (inner, value) in map {
                let key = bumpalo::format!(in self.arena, "{}.{}", key, inner).into_bump_str();
                self.one(owner, key, value, depth + 1)?;
            }
            return Ok(());
        }
        if self.into.len() >= MAX_PROPERTIES {
            return Err(QuestionError::TooMany);
        }
        let value = match self.declared(owner, key) {
            Some(ty) => self.typed(owner, key, value, ty)?,
            None => self.value(value),
        };
        self.into.push(Property { owner, key, value });
        Ok(())
    }

    fn declared(&self, owner: Owner, key: &str) -> Option<Type> {
        (owner == Owner::Context).then(|| self.snapshot.context.get(key).copied()).flatten()
    }

    /// A value of a type that no catalog declares.
    fn value(&self, value: &'r Json) -> Value<'r> {
        match value {
            Json::Null => Value::None,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(x) => Value::number(x.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Value::Text(text),
            Json::Array(items) => self.set(items).unwrap_or(Value::Missing),
            Json::Object(_) => Value::Missing,
        }
    }

    fn set(&self, items: &'r [Json]) -> Option<Value<'r>> {
        let members: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
        let packed = self.arena.alloc_str(&PackedSet::pack(members?));
        Some(Value::Set(PackedSet::from_packed(packed)))
    }

    fn typed(
        &self,
        owner: Owner,
        key: &str,
        value: &'r Json,
        ty: Type,
    ) -> Result<Value<'r>, QuestionError> {
        let found = match (ty, value) {
            (_, Json::Null) => Some(Value::None),
            (Type::Bool, Json::Bool(b)) => Some(Value::Bool(*b)),
            (Type::Number, Json::Number(x)) => Some(Value::number(x.as_f64().unwrap_or(f64::NAN))),
            (Type::Text, Json::String(text)) => Some(Value::Text(text)),
            (Type::Timestamp, Json::String(text)) => text
                .parse::<jiff::Timestamp>()
                .ok()
                .map(|at| Value::Timestamp(Timestamp::from_millis(at.as_millisecond()))),
            (Type::Duration, Json::Number(x)) => x.as_f64().map(Value::Duration),
            (Type::Duration, Json::String(text)) => {
                crate::model::parse_duration(text).map(Value::Duration)
            }
            (Type::Set, Json::Array(items)) => self.set(items),
            (Type::Location, Json::Object(map)) => {
                let degrees = |key: &str| map.get(key).and_then(Json::as_f64).map(|x| x as f32);
                degrees("latitude")
                    .zip(degrees("longitude"))
                    .map(|(latitude, longitude)| Value::Location { latitude, longitude })
            }
            _ => None,
        };
        found.ok_or_else(|| {
            let place = format!("{}.{key}", owner.name());
            wrong_type(&place, expected(ty), value)
        })
    }
}

fn expected(ty: Type) -> &'static str {
    match ty {
        Type::Timestamp => "an RFC 3339 time",
        Type::Duration => "seconds or a duration such as \"24h\"",
        Type::Set => "a list of strings",
        Type::Location => "an object with latitude and longitude",
        Type::Bool => "a bool",
        Type::Number => "a number",
        _ => "a string",
    }
}

fn party(body: &Map<String, Json>, key: &str) -> Result<QuestionParty, QuestionError> {
    let map = object(required(body, key, key)?, key)?;
    let field = |name: &str| {
        let place = format!("{key}.{name}");
        text(required(map, name, &place)?, &place)
    };
    Ok(QuestionParty {
        kind: field("type")?,
        id: field("id")?,
        properties: optional_object(map, "properties", &format!("{key}.properties"))?,
    })
}

fn required<'j>(
    map: &'j Map<String, Json>,
    key: &str,
    place: &str,
) -> Result<&'j Json, QuestionError> {
    map.get(key).ok_or_else(|| QuestionError::Absent { place: place.to_owned() })
}

fn object<'j>(value: &'j Json, place: &str) -> Result<&'j Map<String, Json>, QuestionError> {
    value.as_object().ok_or_else(|| wrong_type(place, "an object", value))
}

fn optional_object(
    map: &Map<String, Json>,
    key: &str,
    place: &str,
) -> Result<Map<String, Json>, QuestionError> {
    match map.get(key) {
        None => Ok(Map::new()),
        Some(value) => object(value, place).cloned(),
    }
}

fn text(value: &Json, place: &str) -> Result<String, QuestionError> {
    match value {
        Json::String(text) if text.is_empty() => {
            Err(QuestionError::Empty { place: place.to_owned() })
        }
        Json::String(text) => Ok(text.clone()),
        other => Err(wrong_type(place, "a string", other)),
    }
}

fn wrong_type(place: &str, expected: &'static str, found: &Json) -> QuestionError {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "a bool",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    };
    QuestionError::WrongType { place: place.to_owned(), expected, found }
}

#[cfg(test)]
mod tests;
