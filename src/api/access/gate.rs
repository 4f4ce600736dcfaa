//! One connection's gate.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;

use super::signed::SignedCaller;
use super::tokens::Tokens;
use super::{Access, Need, Permissions, Refusal};
use crate::api::jwt::{TokenRefusal, Verified};
use crate::api::transport::Peer;

/// Where a token may stand that is not to be mistaken for an end user's.
const OWN_HEADER: &str = "x-plimsoll-token";

/// A longer token is not hashed (bytes).
const MAX_TOKEN: usize = 4096;

/// Who is calling, for the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Caller {
    /// The name of the certificate or of the token; nothing where neither was shown.
    pub(in crate::api) name: Option<Arc<str>>,
    /// Nothing on a Unix socket.
    pub(in crate::api) address: Option<IpAddr>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or("someone"))?;
        match self.address {
            Some(address) => write!(f, " at {address}"),
            None => f.write_str(" on a Unix socket"),
        }
    }
}

/// What stands between callers and a service.
#[derive(Clone, Debug, Default)]
pub(in crate::api) enum Door {
    /// Everybody may do everything.
    #[default]
    Open,
    /// As `Open`, on a connection.
    OpenFor(Caller),
    /// Nobody has come in yet; opens for a peer only.
    Closed(Arc<Access>),
    Gate(Box<Gate>),
}

impl Door {
    pub(in crate::api) fn new(access: Option<Arc<Access>>) -> Self {
        access.map_or(Door::Open, Door::Closed)
    }

    pub(in crate::api) fn for_peer(&self, peer: &Peer) -> Self {
        match self {
            Door::Open | Door::OpenFor(_) => {
                let name = peer.names.first().map(|name| name.as_str().into());
                Door::OpenFor(Caller { name, address: peer.address })
            }
            Door::Closed(access) => Door::Gate(Box::new(Gate::new(access, peer))),
            Door::Gate(gate) => Door::Gate(Box::new(Gate::new(&gate.access, peer))),
        }
    }

    /// Lets a call in, or says what it lacks.
    pub(in crate::api) fn admit(
        &mut self,
        need: Need,
        headers: &HeaderMap,
        takes_authorization: bool,
    ) -> Result<(), Refusal> {
        match self {
            Door::Open | Door::OpenFor(_) => Ok(()),
            Door::Gate(gate) => gate.admit(need, headers, takes_authorization),
            Door::Closed(_) => Err(Refusal::Unproven(need)),
        }
    }

    /// Who was let in last.
    pub(in crate::api) fn caller(&self) -> Caller {
        match self {
            Door::Open | Door::Closed(_) => Caller::default(),
            Door::OpenFor(caller) => caller.clone(),
            Door::Gate(gate) => gate.caller(),
        }
    }
}

#[derive(Clone, Debug)]
pub(in crate::api) struct Gate {
    access: Arc<Access>,
    address: Option<IpAddr>,
    /// The certificate's name.
    name: Option<Arc<str>>,
    by_connection: Permissions,
    /// The token that was shown last and is known: the next call most likely shows it again.
    proven: Option<Proven>,
    /// Whether the last call was let in by its token.
    by_token: bool,
}

#[derive(Clone)]
struct Proven {
    token: Box<[u8]>,
    by: Proof,
    name: Arc<str>,
    permissions: Permissions,
}

/// What makes a token known, as long as that holds.
#[derive(Clone)]
enum Proof {
    /// Of which reading of the file it is true.
    File(Arc<Tokens>),
    Signature(Arc<Verified<SignedCaller>>),
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proven").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Gate {
    pub(super) fn new(access: &Arc<Access>, peer: &Peer) -> Self {
        let (by_connection, name) = access.of_peer(peer);
        Gate {
            access: Arc::clone(access),
            address: peer.address,
            name,
            by_connection,
            proven: None,
            by_token: false,
        }
    }

    pub(super) fn admit(
        &mut self,
        need: Need,
        headers: &HeaderMap,
        takes_authorization: bool,
    ) -> Result<(), Refusal> {
        self.by_token = false;
        // A local caller is known by being here.
        if self.by_connection.satisfy(need) || (need == Need::Known && self.is_local()) {
            return Ok(());
        }
        let admitted = self.by_token(need, shown(headers, takes_authorization));
        if let Err(refusal) = &admitted {
            refusal.count(&self.access.metrics);
            tracing::debug!(%refusal, address = ?self.address, "a call was turned away");
        }
        admitted
    }

    fn by_token(&mut self, need: Need, shown: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(token) = shown else {
            return Err(match &self.name {
                Some(who) => Refusal::Denied { who: Arc::clone(who), need },
                None => Refusal::Unproven(need),
            });
        };
        let again = self.proven.as_ref().is_some_and(|proven| {
            self.access.holds(&proven.by) && bool::from(proven.token.ct_eq(token))
        });
        if !again {
            let now = Instant::now();
            if self.access.failures.is_limited(self.address, now) {
                return Err(Refusal::Limited);
            }
            let proven = self.access.prove(token, need);
            if proven.as_ref().is_err_and(Refusal::is_a_guess) {
                self.access.failures.failed(self.address, now);
            }
            self.proven = Some(proven?);
        }
        let Some(proven) = &self.proven else { return Err(Refusal::UnknownToken(need)) };
        if !proven.permissions.and(self.by_connection).satisfy(need) {
            return Err(Refusal::Denied { who: Arc::clone(&proven.name), need });
        }
        self.by_token = true;
        Ok(())
    }

    fn is_local(&self) -> bool {
        self.address.is_none_or(|address| address.is_loopback())
    }

    fn caller(&self) -> Caller {
        let token = self.proven.as_ref().filter(|_| self.by_token).map(|p| Arc::clone(&p.name));
        Caller { name: token.or_else(|| self.name.clone()), address: self.address }
    }
}

impl Access {
    /// What a token proves.
    fn prove(&self, token: &[u8], need: Need) -> Result<Proven, Refusal> {
        let proven = |by, name: &Arc<str>, permissions| Proven {
            token: token.into(),
            by,
            name: Arc::clone(name),
            permissions,
        };
        if let Some(tokens) = &self.tokens
            && token.len() <= MAX_TOKEN
        {
            let tokens = Arc::clone(&tokens.now());
            if let Some(known) = tokens.find(token) {
                let by = Proof::File(Arc::clone(&tokens));
                return Ok(proven(by, &known.name, known.permissions));
            }
        }
        let unknown = Refusal::UnknownToken(need);
        let Some(signed) = &self.signed else { return Err(unknown) };
        let verified = signed.verify(token).map_err(|why| match why {
            // Most likely one of the file's, and wrong.
            TokenRefusal::Malformed if self.tokens.is_some() => unknown,
            why => Refusal::Unverified(need, why),
        })?;
        let (name, permissions) = (Arc::clone(&verified.kept.name), verified.kept.permissions);
        Ok(proven(Proof::Signature(verified), &name, permissions))
    }

    fn holds(&self, proof: &Proof) -> bool {
        match proof {
            Proof::File(tokens) => {
                self.tokens.as_ref().is_some_and(|now| Arc::ptr_eq(tokens, &now.now()))
            }
            Proof::Signature(verified) => {
                self.signed.as_ref().is_some_and(|signed| signed.holds(verified))
            }
        }
    }
}

/// The token that a call shows. One that came twice could be either, and is none.
fn shown(headers: &HeaderMap, takes_authorization: bool) -> Option<&[u8]> {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).map(http::HeaderValue::as_bytes)
    };
    if let Some(token) = only(header::HeaderName::from_static(OWN_HEADER)) {
        return Some(token);
    }
    let value = only(header::AUTHORIZATION).filter(|_| takes_authorization)?;
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
