//! A question out of its text, for who reads millions of them: most of a request are a few
//! texts at known places, and need no tree of JSON.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::{Question, QuestionParty};

/// An AuthZEN evaluation request, read as [`Question::from_json`] does. Where something is wrong
/// with it there is an error, of which that knows more.
#[derive(Clone, Debug, PartialEq)]
pub struct Written(pub Question);

/// What stands at the places of a request.
#[derive(Default)]
struct Places {
    subject: Part,
    action: Part,
    resource: Part,
    context: Map<String, Json>,
}

/// A party, or the action.
#[derive(Default)]
struct Part {
    kind: String,
    id: String,
    name: String,
    properties: Map<String, Json>,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Place {
    Subject,
    Action,
    Resource,
    Context,
    #[serde(other)]
    Other,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum PartPlace {
    Type,
    Id,
    Name,
    Properties,
    #[serde(other)]
    Other,
}

impl Places {
    fn question(self) -> Option<Question> {
        let Places { subject, action, resource, context } = self;
        let party = |part: Part| {
            let Part { kind, id, properties, .. } = part;
            let named = !kind.is_empty() && !id.is_empty();
            named.then_some(QuestionParty { kind, id, properties })
        };
        let mut question = Question {
            subject: party(subject)?,
            action: Some(action.name).filter(|name| !name.is_empty())?,
            action_properties: action.properties,
            resource: party(resource)?,
            ..Question::default()
        };
        question.set_context(context).ok()?;
        Some(question)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let question = Places::deserialize(from)?.question();
        question.map(Written).ok_or_else(|| D::Error::custom("no request"))
    }
}

// Written out: what serde derives would take a list for an object as well.
impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Places;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a request")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Places, A::Error> {
                let mut written = Places::default();
                while let Some(place) = map.next_key()? {
                    match place {
                        Place::Subject => written.subject = map.next_value()?,
                        Place::Action => written.action = map.next_value()?,
                        Place::Resource => written.resource = map.next_value()?,
                        Place::Context => written.context = map.next_value()?,
                        Place::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(written)
            }
        }
        from.deserialize_map(Read)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Part;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
                let mut part = Part::default();
                while let Some(place) = map.next_key()? {
                    match place {
                        PartPlace::Type => part.kind = map.next_value()?,
                        PartPlace::Id => part.id = map.next_value()?,
                        PartPlace::Name => part.name = map.next_value()?,
                        PartPlace::Properties => part.properties = map.next_value()?,
                        PartPlace::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(part)
            }
        }
        from.deserialize_map(Read)
    }
}
