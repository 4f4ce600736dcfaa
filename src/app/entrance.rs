//! Where callers come in: addresses, TLS, and the files behind them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::StartError;
use crate::api::access::Access;
use crate::api::jwt::Jwt;
use crate::api::renewed::{FileState, Renew};
use crate::api::transport::{Listen, ListenParseError, Listeners, Owner, Tls};
use crate::config::{Config, Listener};
use crate::model::Timestamp;
use crate::telemetry::DecisionMetrics;

/// How often files are looked at: as often as the policy folder.
const LOOK: Duration = Duration::from_millis(150);

/// What listeners have in common.
pub(super) struct Entrance {
    access: Option<Arc<Access>>,
    tls: Option<Arc<Tls>>,
    tls_on: Vec<Listener>,
    mode: Option<u32>,
    owner: Owner,
}

impl Entrance {
    pub(super) fn new(config: &Config, metrics: &Arc<DecisionMetrics>) -> Result<Self, StartError> {
        let wrong = |key| move |why| StartError::Config { key, why };
        let tls = config.tls.as_ref().map(Tls::new).transpose().map_err(wrong("tls"))?;
        let access = config.auth.as_ref().map(|auth| Access::new(auth, Arc::clone(metrics)));
        let access = access.transpose().map_err(wrong("auth"))?;
        let listen = &config.listen;
        let mode = listen.unix_mode.as_deref().map(parse_mode).transpose();
        let owner = listen.unix_owner.as_deref().map(parse_owner).transpose();
        Ok(Entrance {
            access: access.map(Arc::new),
            tls: tls.map(Arc::new),
            tls_on: config.tls.as_ref().map(|tls| tls.listeners.clone()).unwrap_or_default(),
            mode: mode.map_err(wrong("listen.unix_mode"))?,
            owner: owner.map_err(wrong("listen.unix_owner"))?.unwrap_or_default(),
        })
    }

    pub(super) fn bind(
        &self,
        key: &'static str,
        address: &str,
        which: Listener,
    ) -> Result<Listeners, StartError> {
        let wrong = |why: ListenParseError| StartError::Config { key, why: why.to_string() };
        let mut listen: Listen = address.parse().map_err(wrong)?;
        let tls = self.tls.clone().filter(|_| self.tls_on.contains(&which));
        match &mut listen {
            Listen::Unix { mode, .. } => *mode = self.mode,
            Listen::Tcp(at) if !at.ip().to_canonical().is_loopback() => {
                // Both listeners take signals: whoever could connect would own the decisions.
                if self.access.is_none() {
                    return Err(StartError::Config { key, why: unprotected(key, address) });
                }
                if tls.is_none() {
                    tracing::warn!(%address, "without `tls`, tokens and signals can be read on the way");
                }
            }
            Listen::Tcp(_) => {}
        }
        Ok(Listeners::bind_owned(&[listen], self.owner)?.secured(tls))
    }

    pub(super) fn callers(&self) -> Option<Arc<Access>> {
        self.access.clone()
    }

    pub(super) fn files(&self, jwt: Option<Arc<Jwt>>) -> Files {
        Files { tls: self.tls.clone(), access: self.access.clone(), jwt }
    }
}

/// The files that are read anew when they change.
#[derive(Clone, Debug)]
pub(super) struct Files {
    tls: Option<Arc<Tls>>,
    access: Option<Arc<Access>>,
    jwt: Option<Arc<Jwt>>,
}

impl Files {
    fn each(&self) -> impl Iterator<Item = &dyn Renew> {
        let access = self.access.iter().flat_map(|access| access.renew());
        self.tls
            .iter()
            .map(|tls| tls.renew())
            .chain(access)
            .chain(self.jwt.iter().map(|jwt| jwt.renew()))
    }

    /// Looks at them until told to stop. `looked` is called after each look.
    pub(super) fn watch(&self, stop: &Receiver<()>, looked: impl Fn()) {
        loop {
            self.each().for_each(Renew::look);
            looked();
            if stop.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    pub(super) fn states(&self) -> Vec<FileState> {
        self.each().map(Renew::state).collect()
    }

    /// When the certificate ends that callers are shown.
    pub(super) fn certificate_ends(&self) -> Option<Timestamp> {
        self.tls.as_ref()?.ends()
    }

    /// Adds to `/status` how they fare.
    pub(super) fn tell(&self, status: &mut Map<String, Json>) {
        let states = self.states();
        if let Some(Json::Array(degraded)) = status.get_mut("degraded") {
            degraded.extend(states.iter().filter(|s| s.error.is_some()).map(|s| s.name.into()));
        }
        let told = states.iter().map(|state| {
            let mut told = json!({
                "name": state.name,
                "loaded_at": state.loaded_at.and_then(written),
                "renewed": state.renewed,
                "error": state.error,
            });
            if let (Tls::NAME, Json::Object(told)) = (state.name, &mut told) {
                let ends = self.certificate_ends().and_then(written);
                told.insert("ends_at".to_owned(), json!(ends));
            }
            told
        });
        status.insert("files".to_owned(), told.collect());
    }
}

fn written(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_millisecond(at.millis()).ok().map(|at| at.to_string())
}

/// Why a start is refused, and what to write instead.
fn unprotected(key: &str, address: &str) -> String {
    let which = key.trim_start_matches("listen.");
    let port = address.rsplit(':').next().unwrap_or_default();
    format!(
        "{address} can be reached from other machines, and nothing says who may report \
         signals or administer. Either listen on this machine only:\n\n\
         listen:\n  {which}: \"127.0.0.1:{port}\"\n\n\
         or say who may do what:\n\n\
         auth:\n  tokens: /etc/plimsoll/tokens   # lines: name sha256hex decide,report,review,admin\n\n\
         (docs/security.md)"
    )
}

fn parse_mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("`{text}` is no mode in octal, such as \"660\""))
}

fn parse_owner(text: &str) -> Result<Owner, String> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let number = |part: &str| (!part.is_empty()).then(|| part.parse::<u32>()).transpose();
    match (number(user), number(group)) {
        (Ok(user), Ok(group)) => Ok(Owner { user, group }),
        _ => Err(format!("`{text}` is not a user and a group as numbers, such as \"1000:1000\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Owner, parse_mode, parse_owner};

    #[test]
    fn modes_and_owners_are_parsed() {
        assert_eq!(parse_mode("660"), Ok(0o660));
        assert!(parse_mode("888").is_err() && parse_mode("77777").is_err());
        assert_eq!(parse_owner("7"), Ok(Owner { user: Some(7), group: None }));
        assert_eq!(parse_owner(":8"), Ok(Owner { user: None, group: Some(8) }));
        assert!(parse_owner("root").is_err());
    }
}
