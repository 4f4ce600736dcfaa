//! Announcing changes: what gRPC and HTTP have in common.

use std::sync::Arc;

use arc_swap::Guard;
use serde::Serialize;

use super::access::Caller;
use super::health::{Readiness, Stage};
use super::pdp::{Pdp, Published};
use crate::model::Timestamp;
use crate::signals::{
    Announcement, MAX_ID, Marks, NotAnnounced, Window, Written, announced_kind, canonical_id,
};

/// What a caller announces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) entity: Entity<'a>,
    pub(super) id: &'a str,
    pub(super) change: &'a str,
    /// Left out: now.
    pub(super) from: Option<Timestamp>,
    pub(super) until: Timestamp,
    pub(super) values: &'a [String],
    pub(super) reference: &'a str,
    /// Left out: the caller.
    pub(super) by: &'a str,
}

/// An entity as a caller names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entity<'a> {
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
}

/// What is announced, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) id: String,
    pub(super) change: String,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) values: Vec<String>,
    pub(super) reference: String,
    pub(super) by: String,
}

/// What came of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Withdrawn {
    pub(super) found: bool,
    pub(super) durable: bool,
}

/// Why it was not done, or not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("this server is not ready yet: what was announced is not loaded")]
    Early,
    #[error(transparent)]
    Unannounced(#[from] NotAnnounced),
    #[error("it is announced here, but not on disk, since the store fails: send it again")]
    Unkept,
}

/// Who announces, and where.
#[derive(Clone, Debug)]
pub(super) struct Desk<'d> {
    pdp: &'d Pdp,
    caller: Caller,
    published: Arc<Published>,
    now: Timestamp,
}

impl<'d> Desk<'d> {
    /// # Errors
    /// Before what is kept on disk is there: it must not be written over.
    pub(super) fn open(
        pdp: &'d Pdp,
        readiness: &Readiness,
        caller: Caller,
    ) -> Result<Self, Refused> {
        let published = Guard::into_inner(pdp.published());
        match published.filter(|_| readiness.stage() != Stage::Starting) {
            Some(published) => Ok(Desk { pdp, caller, published, now: Timestamp::now() }),
            None => Err(Refused::Early),
        }
    }

    /// Announces, and waits until that is on disk, where something is kept. Says whether
    /// it is.
    pub(super) async fn announce(&self, asked: &Asked<'_>) -> Result<bool, Refused> {
        let values = Window::join(asked.values);
        let by = match asked.by {
            "" => self.caller.name.as_deref().unwrap_or("someone").to_owned(),
            by => by.to_owned(),
        };
        let from = asked.from.unwrap_or(self.now);
        let window = Window::new(asked.id, asked.change, from, asked.until);
        let window = window.said(asked.reference, &by).only(&values);
        let Entity { kind, id } = asked.entity;
        let id = canonical_id(kind, id);
        let announcement = Announcement { kind, entity: &id, window };
        let catalog = &self.published.snapshot.catalog;
        let done = self.pdp.cache.announce(catalog, &announcement, self.now);
        let outcome = match &done {
            Ok(_) => "announced",
            Err(NotAnnounced::Wrong { .. }) => "malformed",
            Err(NotAnnounced::TooMany | NotAnnounced::NoRoom(_)) => "no_room",
        };
        let cut = |text: &str| text.chars().take(MAX_ID).collect::<String>();
        tracing::info!(
            target: "audit", act = "announce", caller = %self.caller, kind = cut(kind), id = cut(&id),
            announcement = cut(asked.id), change = cut(asked.change), from = from.millis(),
            until = asked.until.millis(), values = ?asked.values.iter().take(16).collect::<Vec<_>>(),
            reference = cut(asked.reference), by = cut(&by), outcome, "a change was announced"
        );
        self.kept(done?).await
    }

    /// Withdraws what was announced under an id.
    pub(super) async fn withdraw(
        &self,
        entity: Entity<'_>,
        announcement: &str,
    ) -> Result<Withdrawn, Refused> {
        let catalog = &self.published.snapshot.catalog;
        let kind = announced_kind(catalog, entity.kind)?;
        let id = canonical_id(entity.kind, entity.id);
        let (found, written) =
            self.pdp.cache.withdraw_expected(catalog, (kind, &id), announcement, self.now);
        let outcome = if found { "withdrawn" } else { "nothing_announced" };
        let cut = |text: &str| text.chars().take(MAX_ID).collect::<String>();
        tracing::info!(
            target: "audit", act = "withdraw", caller = %self.caller, kind = entity.kind, id = cut(&id),
            announcement = cut(announcement), outcome, "an announcement was withdrawn"
        );
        Ok(Withdrawn { found, durable: self.kept(written).await? })
    }

    /// What is announced of an entity and not over.
    pub(super) fn announced(&self, entity: Entity<'_>) -> Result<Vec<Announced>, Refused> {
        let catalog = &self.published.snapshot.catalog;
        let kind = announced_kind(catalog, entity.kind)?;
        let id = canonical_id(entity.kind, entity.id);
        let show = |window: &Window<'_>| Announced {
            id: window.id.to_owned(),
            change: window.change.to_owned(),
            from: window.from,
            until: window.until,
            values: window.values().map(str::to_owned).collect(),
            reference: window.reference.to_owned(),
            by: window.by.to_owned(),
        };
        Ok(self.pdp.cache.expected_of(catalog, (kind, &id), self.now, show))
    }

    async fn kept(&self, written: Option<Written>) -> Result<bool, Refused> {
        let (Ok(store), Some(written)) = (self.pdp.durable(), written) else { return Ok(false) };
        let mut marks = Marks::default();
        marks.include(written);
        match store.wait(&marks).await {
            Ok(()) => Ok(true),
            Err(_) => Err(Refused::Unkept),
        }
    }
}
