//! Who a request is about: ids from the sources that the configuration trusts,
//! and from nowhere else.
//!
//! A source that is absent is passed over. One that is there and malformed ends
//! the request: who can garble an identity must not become nobody by it.

mod certificate;
mod passed_on;

use std::net::IpAddr;
use std::sync::Arc;

use bumpalo::Bump;

use super::ext_authz::{CheckRequest, ClaimValue, Header, metadata_claim};
use super::jwt::Jwt;
use super::question::canonical_text;
use crate::config::{IdentityConfig, IdentitySource};
use crate::model::{Entities, EntityKind, Vocabulary};

pub use passed_on::PassedOn;

/// Where Envoy's `jwt_authn` leaves what it has verified.
const JWT_NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// A longer id is malformed (bytes); the signal cache has none such.
const MAX_ID: usize = crate::signals::MAX_ID;

/// What a request says about who it is from: all that sources are read from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'r> {
    pub headers: &'r [Header<'r>],
    /// Of the connection's other end, as the proxy saw it; empty where it is unknown.
    pub address: &'r str,
    /// The identity in the peer's certificate, empty where it has none.
    pub principal: &'r str,
    /// Envoy's metadata, encoded.
    pub metadata: &'r [u8],
    pub context_extensions: &'r [(&'r str, &'r str)],
}

impl<'r> From<&CheckRequest<'r>> for Evidence<'r> {
    fn from(check: &CheckRequest<'r>) -> Self {
        Evidence {
            headers: check.http.map(|http| http.headers).unwrap_or_default(),
            address: check.source.address,
            principal: check.source.principal,
            metadata: check.metadata,
            context_extensions: check.context_extensions,
        }
    }
}

impl<'r> Evidence<'r> {
    fn header(&self, name: &str) -> Option<&'r Header<'r>> {
        self.headers.iter().find(|header| header.name == name)
    }
}

/// The configured sources, by entity kind.
#[derive(Clone, Debug)]
pub struct Identity {
    kinds: Vec<Kind>,
    jwt: Option<Arc<Jwt>>,
}

#[derive(Clone, Debug)]
struct Kind {
    kind: EntityKind,
    name: Box<str>,
    is_address: bool,
    sources: Vec<IdentitySource>,
}

/// The entities of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identified<'r> {
    pub entities: Entities<'r>,
    /// The subject: the user, where one is known.
    pub subject: &'r str,
    pub address: Option<IpAddr>,
}

/// An identity that is there and can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {kind} identity is malformed: {why}")]
pub struct Malformed {
    pub kind: String,
    pub why: &'static str,
    /// Whether a token is at fault: the answer is then 401.
    pub by_token: bool,
}

impl Identity {
    /// # Errors
    /// When more entity kinds are named than there can be.
    pub fn new(config: &IdentityConfig, vocabulary: &Vocabulary) -> Result<Self, String> {
        let mut kinds = Vec::new();
        for (name, sources) in &config.0 {
            let kind = vocabulary
                .kind(name)
                .ok_or_else(|| format!("`identity.{name}`: too many entity kinds"))?;
            kinds.push(Kind {
                kind,
                name: name.as_str().into(),
                is_address: name == "address",
                sources: sources.clone(),
            });
        }
        Ok(Identity { kinds, jwt: None })
    }

    /// Verifies tokens for sources `jwt`; without it such a source ends the request.
    #[must_use]
    pub fn verifying(self, jwt: Option<Arc<Jwt>>) -> Self {
        Self { jwt, ..self }
    }

    /// A claim of the token in the request.
    fn claim<'r>(
        &self,
        claim: &str,
        evidence: &Evidence<'r>,
        arena: &'r Bump,
    ) -> Result<Option<&'r str>, &'static str> {
        let jwt = self.jwt.as_deref().ok_or("nothing verifies tokens here")?;
        let mut token = header(evidence, jwt.header())?.and_then(|value| jwt.token(value));
        if let (None, Some(name)) = (token, jwt.cookie()) {
            token = own_cookie(evidence, name)?.filter(|value| !value.is_empty());
        }
        match token {
            Some(token) => jwt.claim(token, claim, arena),
            None => Ok(None),
        }
    }

    /// Reads the entities of a request.
    ///
    /// # Errors
    /// When an identity is malformed.
    pub fn of<'r>(
        &self,
        evidence: &Evidence<'r>,
        arena: &'r Bump,
    ) -> Result<Identified<'r>, Malformed> {
        let mut found = Identified::default();
        for kind in &self.kinds {
            let name = &*kind.name;
            let malformed = |why| Malformed { kind: name.to_owned(), why, by_token: false };
            for source in &kind.sources {
                let read = match source {
                    IdentitySource::Jwt { claim } => self
                        .claim(claim, evidence, arena)
                        .map_err(|why| Malformed { by_token: true, ..malformed(why) }),
                    source => read(source, evidence, arena).map_err(malformed),
                };
                let Some(id) = read? else { continue };
                let id = id.trim_matches(' ');
                if id.is_empty() {
                    continue;
                }
                if id.len() > MAX_ID || id.chars().any(char::is_control) {
                    return Err(malformed("too long, or with control characters"));
                }
                let mut id = id;
                if kind.is_address {
                    let ip = parse_address(id).ok_or_else(|| malformed("no IP address"))?;
                    let canonical = ip.to_canonical();
                    found.address = Some(canonical);
                    id = canonical_text(id, ip, canonical, arena);
                }
                if &*kind.name == "user" {
                    found.subject = id;
                }
                found.entities.set(kind.kind, id);
                break;
            }
        }
        Ok(found)
    }
}

/// What a source says; nothing where it is absent.
fn read<'r>(
    source: &IdentitySource,
    evidence: &Evidence<'r>,
    arena: &'r Bump,
) -> Result<Option<&'r str>, &'static str> {
    match source {
        IdentitySource::Principal {} => Ok(Some(evidence.principal)),
        IdentitySource::Connection {} => Ok(Some(evidence.address)),
        // Read by who has the keys.
        IdentitySource::Jwt { .. } => Ok(None),
        IdentitySource::JwtMetadata { claim, payload } => {
            let path = [payload.as_str(), claim.as_str()];
            match metadata_claim(evidence.metadata, JWT_NAMESPACE, &path, arena) {
                Some(ClaimValue::Text(text)) => Ok(Some(text)),
                Some(ClaimValue::Number(x)) => {
                    Ok(Some(bumpalo::format!(in arena, "{}", x).into_bump_str()))
                }
                Some(_) => Err("the claim is neither a string nor a number"),
                None => Ok(None),
            }
        }
        IdentitySource::Header(name) => header(evidence, name),
        IdentitySource::Cookie(name) => own_cookie(evidence, name),
        IdentitySource::ForwardedFor { trusted_hops } => {
            let Some(header) = evidence.header("x-forwarded-for") else { return Ok(None) };
            // Several lines of this header are one list (RFC 9110, section 5.3).
            let text = header.text().ok_or("x-forwarded-for is not UTF-8")?;
            let mut hops = text.rsplit(',').map(str::trim);
            // Fewer hops than are trusted: a proxy was gone round, or none wrote.
            let address = hops.nth(trusted_hops - 1);
            address.map(Some).ok_or("x-forwarded-for has fewer hops than are trusted")
        }
        IdentitySource::ForwardedClientCert { trusted_hops, field } => {
            let Some(header) = evidence.header(certificate::HEADER) else { return Ok(None) };
            // Several lines are one list, as above.
            let text = header.text().ok_or("x-forwarded-client-cert is not UTF-8")?;
            certificate::certificate(text, *trusted_hops, *field, arena)
        }
        IdentitySource::ContextExtension(key) => {
            let extensions = evidence.context_extensions;
            Ok(extensions.iter().find(|(name, _)| name == key).map(|(_, value)| *value))
        }
    }
}

fn header<'r>(evidence: &Evidence<'r>, name: &str) -> Result<Option<&'r str>, &'static str> {
    let Some(header) = evidence.header(name) else { return Ok(None) };
    if header.repeated {
        return Err("its header came more than once");
    }
    header.text().map(Some).ok_or("its header is not UTF-8")
}

fn own_cookie<'r>(evidence: &Evidence<'r>, name: &str) -> Result<Option<&'r str>, &'static str> {
    let Some(cookies) = evidence.header("cookie") else { return Ok(None) };
    cookie(cookies.text().ok_or("a cookie is not UTF-8")?, name)
}

/// The cookie's value; one that came twice could be either.
fn cookie<'r>(cookies: &'r str, name: &str) -> Result<Option<&'r str>, &'static str> {
    let mut values = cookies
        .split([';', ','])
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.trim_matches('"'));
    match (values.next(), values.next()) {
        (_, Some(_)) => Err("its cookie came more than once"),
        (value, None) => Ok(value),
    }
}

/// An address, also with a port or in brackets as proxies write them.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip);
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Some(socket.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests;
