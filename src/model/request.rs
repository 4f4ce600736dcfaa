//! A request as policies see it: decoded, normalised, borrowed.

use std::net::IpAddr;

use super::catalog::EntityKind;
use super::time::Timestamp;
use super::value::Value;

/// How many entity kinds a process can know.
pub const MAX_ENTITIES: usize = 16;

/// Something with a type and an id: a subject or a resource (OpenID AuthZEN).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party<'r> {
    pub kind: &'r str,
    pub id: &'r str,
}

/// The HTTP request behind a decision, where there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http<'r> {
    pub method: &'r str,
    /// Normalised: percent-decoded, without dot segments, `//` or parameters.
    pub path: &'r str,
    /// Lower case, without port or trailing dot.
    pub host: &'r str,
    pub scheme: &'r str,
    /// Lower-case names; a name that came more than once stands once, its values joined by `,`.
    /// U+FFFD stands where bytes are no text.
    pub headers: &'r [(&'r str, &'r str)],
}

impl<'r> Http<'r> {
    pub fn header(&self, name: &str) -> Option<&'r str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}

/// Whose property it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Subject,
    Action,
    Resource,
    Context,
}

impl Owner {
    pub const fn name(self) -> &'static str {
        match self {
            Owner::Subject => "subject",
            Owner::Action => "action",
            Owner::Resource => "resource",
            Owner::Context => "context",
        }
    }
}

/// One property that the caller sent. Nested objects are dotted keys (`a.b`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Property<'r> {
    pub owner: Owner,
    pub key: &'r str,
    pub value: Value<'r>,
}

/// The ids of the entities that a request is about, one a kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entities<'r> {
    ids: [Option<&'r str>; MAX_ENTITIES],
}

impl<'r> Entities<'r> {
    pub fn get(&self, kind: EntityKind) -> Option<&'r str> {
        self.ids.get(usize::from(kind.0)).copied().flatten()
    }

    pub fn set(&mut self, kind: EntityKind, id: &'r str) {
        if let Some(place) = self.ids.get_mut(usize::from(kind.0)) {
            *place = Some(id);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (EntityKind, &'r str)> + '_ {
        self.ids.iter().enumerate().filter_map(|(at, id)| {
            let kind = u8::try_from(at).ok()?;
            id.map(|id| (EntityKind(kind), id))
        })
    }
}

/// A whole request, decoded.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    pub now: Timestamp,
    pub subject: Party<'r>,
    pub action: &'r str,
    pub resource: Party<'r>,
    pub http: Option<Http<'r>>,
    pub entities: Entities<'r>,
    /// The address entity's IP, canonical (an IPv4-mapped IPv6 address is the IPv4 one).
    pub address: Option<IpAddr>,
    pub properties: &'r [Property<'r>],
    /// The caller has said that it enforces the limits of a `restrict`.
    pub enforces_limits: bool,
}

impl<'r> Request<'r> {
    /// A property's value; `Missing` when it wasn't sent.
    pub fn property(&self, owner: Owner, key: &str) -> Value<'r> {
        self.properties
            .iter()
            .find(|p| p.owner == owner && p.key == key)
            .map_or(Value::Missing, |p| p.value)
    }
}
