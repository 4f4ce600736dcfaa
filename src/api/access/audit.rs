//! The audit log: administrative acts, with who did what to whom, and how it ended.

use std::fmt::Display;

use super::gate::{Caller, Door};
use super::{Need, Refusal};
use crate::config::Permission;

/// Notes an act on an entity. The caller is who was let in.
pub(in crate::api) fn audit(act: &str, caller: &Caller, kind: &str, id: &str, outcome: &str) {
    let (who, address) = told(caller);
    tracing::info!(target: "audit", act, caller = who, %address, kind, id, outcome, "an administrative act");
}

impl Door {
    /// Notes that somebody who is known tried an administrative act and may not.
    /// Strangers are not noted: anybody could fill the log.
    pub(in crate::api) fn audit(&self, act: &str, refusal: &Refusal) {
        let Refusal::Denied { who, need: Need::Permission(need) } = refusal else { return };
        if !matches!(need, Permission::Admin | Permission::Announce) {
            return;
        }
        let caller = self.caller();
        let (_, address) = told(&caller);
        tracing::info!(target: "audit", act, caller = &**who, %address, outcome = "refused", "an administrative act");
    }
}

fn told(caller: &Caller) -> (&str, Box<dyn Display + '_>) {
    let address: Box<dyn Display> = match caller.address {
        Some(address) => Box::new(address),
        None => Box::new("unix"),
    };
    (caller.name.as_deref().unwrap_or("someone"), address)
}
