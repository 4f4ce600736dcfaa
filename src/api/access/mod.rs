//! Who may do what: callers prove who they are, by the connection or by a
//! token, and each permission is given apart.
//!
//! What the connection itself proves is settled once for all that comes over it:
//! a check on it costs one test of a bit.

mod audit;
mod gate;
mod needs;
mod signed;
mod throttle;
mod tokens;

use std::fmt;
use std::sync::Arc;

use tonic::Status;

use super::jwt::TokenRefusal;
use super::renewed::{Renew, Renewed, read_file};
use super::transport::Peer;
use crate::config::{AuthConfig, Permission};
use crate::telemetry::DecisionMetrics;

pub(super) use audit::audit;
pub(super) use gate::{Caller, Door};
pub(super) use needs::{DECIDE, grpc_need, http_need, takes_own_token};

use signed::Signed;
use throttle::Throttle;
use tokens::Tokens;

/// No token file is longer (bytes).
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Permissions(u8);

impl Permissions {
    fn of(all: &[Permission]) -> Self {
        Permissions(all.iter().fold(0, |bits, one| bits | bit(*one)))
    }

    fn and(self, other: Permissions) -> Self {
        Permissions(self.0 | other.0)
    }

    fn satisfy(self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Known => self.0 != 0,
            Need::Permission(one) => self.0 & bit(one) != 0,
        }
    }
}

fn bit(permission: Permission) -> u8 {
    match permission {
        Permission::Decide => 1,
        Permission::Report => 2,
        Permission::Review => 4,
        Permission::Admin => 8,
        Permission::Announce => 16,
    }
}

/// What a call asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// To be on this machine, or to have any permission.
    Known,
    Permission(Permission),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Nothing => f.write_str("nothing"),
            Need::Known => f.write_str("any permission"),
            Need::Permission(one) => write!(f, "the permission `{}`", name(*one)),
        }
    }
}

const fn name(permission: Permission) -> &'static str {
    match permission {
        Permission::Decide => "decide",
        Permission::Report => "report",
        Permission::Review => "review",
        Permission::Announce => "announce",
        Permission::Admin => "admin",
    }
}

fn named(word: &str) -> Option<Permission> {
    use Permission::{Admin, Announce, Decide, Report, Review};
    [Decide, Report, Review, Announce, Admin].into_iter().find(|one| name(*one) == word)
}

/// Why a caller is turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "this needs {0}, and nothing proves who you are: show a client certificate, \
         or a token in `authorization: Bearer ...` or `x-plimsoll-token`"
    )]
    Unproven(Need),
    #[error("this needs {0}, and the token is not known")]
    UnknownToken(Need),
    #[error("this needs {0}, and {why}", why = .1.text())]
    Unverified(Need, TokenRefusal),
    #[error("this needs {need}, which `{who}` does not have")]
    Denied { who: Arc<str>, need: Need },
    #[error("too many unknown tokens came from this address: try again in a minute")]
    Limited,
}

impl Refusal {
    pub(super) fn status(&self) -> Status {
        let text = self.to_string();
        match self {
            Refusal::Unproven(_) | Refusal::UnknownToken(_) | Refusal::Unverified(..) => {
                Status::unauthenticated(text)
            }
            Refusal::Denied { .. } => Status::permission_denied(text),
            Refusal::Limited => Status::resource_exhausted(text),
        }
    }

    /// Whether it counts towards what an address may try. Keys that are not known may
    /// be ours to fetch yet: a provider that rotates them must not lock callers out.
    const fn is_a_guess(&self) -> bool {
        use TokenRefusal::{NoKeys, UnknownKey};
        !matches!(self, Refusal::Unverified(_, NoKeys | UnknownKey))
    }

    fn count(&self, metrics: &DecisionMetrics) {
        let refused = &metrics.refused;
        let counter = match self {
            Refusal::Unproven(_) | Refusal::UnknownToken(_) | Refusal::Unverified(..) => {
                &refused.unauthenticated
            }
            Refusal::Denied { .. } => &refused.permission_denied,
            Refusal::Limited => &refused.rate_limited,
        };
        counter.add(1);
    }
}

/// Everything that is known of callers.
#[derive(Debug)]
pub struct Access {
    callers: Vec<(Name, Permissions)>,
    tokens: Option<Renewed<Tokens>>,
    signed: Option<Signed>,
    local: Permissions,
    failures: Throttle,
    metrics: Arc<DecisionMetrics>,
}

/// Names of certificates that a rule is for.
#[derive(Debug)]
enum Name {
    One(String),
    /// All that begin so, to the slash.
    Below(String),
}

impl Name {
    fn parse(text: &str) -> Self {
        // URIs are compared as they are, DNS names without case.
        let text = if text.contains("://") { text.to_owned() } else { text.to_ascii_lowercase() };
        match text.strip_suffix('*').filter(|start| start.ends_with('/')) {
            Some(start) => Name::Below(start.to_owned()),
            None => Name::One(text),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Name::One(one) => one == name,
            Name::Below(start) => name.len() > start.len() && name.starts_with(start),
        }
    }
}

impl Access {
    /// # Errors
    /// When the token file or the file of keys can't be read.
    pub fn new(config: &AuthConfig, metrics: Arc<DecisionMetrics>) -> Result<Self, String> {
        let tokens = config.tokens.clone().map(|path| {
            Renewed::new("auth.tokens", vec![path.clone()], move || {
                let text = read_file(&path, MAX_FILE)?;
                let wrong = |why| format!("`{}`: {why}", path.display());
                Tokens::parse(&text).map_err(wrong)
            })
        });
        let signed = config.jwt.as_ref().map(|jwt| Signed::new(jwt, Arc::clone(&metrics)));
        let callers = config.callers.iter();
        Ok(Access {
            callers: callers
                .map(|c| (Name::parse(&c.name), Permissions::of(&c.permissions)))
                .collect(),
            tokens: tokens.transpose()?,
            signed: signed.transpose()?,
            local: Permissions::of(&config.local),
            failures: Throttle::default(),
            metrics,
        })
    }

    /// For the one thread that looks after files.
    pub fn renew(&self) -> impl Iterator<Item = &dyn Renew> {
        let tokens = self.tokens.iter().map(|tokens| tokens as &dyn Renew);
        tokens.chain(self.signed.iter().map(Signed::renew))
    }

    /// What the connection alone allows, and as whom.
    fn of_peer(&self, peer: &Peer) -> (Permissions, Option<Arc<str>>) {
        let mut allowed = if peer.is_local() { self.local } else { Permissions::default() };
        for name in &peer.names {
            for (rule, permissions) in &self.callers {
                if rule.matches(name) {
                    allowed = allowed.and(*permissions);
                }
            }
        }
        (allowed, peer.names.first().map(|name| name.as_str().into()))
    }
}

#[cfg(test)]
mod tests;
