//! `plimsoll.v1.ReviewService`: what people found out about entities, and announce of them.

use std::sync::Arc;

use serde::Serialize;
use tonic::{Request, Response, Status};

use super::access::Caller;
use super::expected::{Announced, Asked, Desk, Entity, Refused};
use super::health::Readiness;
use super::label::Named;
use super::pdp::Pdp;
use super::signals::wire::{instant, timestamp};
use super::signals::{LEARNED, not_durable};
use crate::model::Timestamp;
use crate::proto;
use crate::proto::review_service_server::ReviewService;
use crate::signals::{NoRoom, NotAnnounced, NotDurable};

/// So many labels one call may bring.
pub(super) const MAX_LABELS: usize = 1000;

/// What became of a call's labels.
#[derive(Debug, Default, Serialize)]
pub(super) struct Taken {
    pub(super) accepted: u64,
    pub(super) rejected: Vec<RejectedLabel>,
    /// Whether they are on disk.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) durable: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct RejectedLabel {
    /// The label's place in the call, from 0.
    pub(super) label: u32,
    pub(super) reason: String,
}

/// Why a call's labels were not all looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTaken {
    #[error("{0} labels in one call; at most {MAX_LABELS}")]
    TooMany(usize),
    /// How many were taken before.
    #[error("{taken} labels were taken, and then there was no room: {why}")]
    NoRoom { taken: u64, why: NoRoom },
}

/// Takes labels, and writes each to the audit log.
///
/// # Errors
/// When there is no room for all of them.
pub(super) fn take<'l>(
    pdp: &Pdp,
    caller: &Caller,
    labels: impl ExactSizeIterator<Item = Result<Named<'l>, String>>,
) -> Result<Taken, NotTaken> {
    if labels.len() > MAX_LABELS {
        return Err(NotTaken::TooMany(labels.len()));
    }
    let now = Timestamp::now();
    let published = pdp.published();
    let catalog = published.as_ref().map(|published| &*published.snapshot.catalog);
    let mut taken = Taken::default();
    for (place, named) in labels.enumerate() {
        let checked =
            named.and_then(|named| Ok((named, named.label(&pdp.vocabulary, catalog, now)?)));
        let (named, label) = match checked {
            Ok(checked) => checked,
            Err(reason) => {
                let label = u32::try_from(place).unwrap_or(u32::MAX);
                taken.rejected.push(RejectedLabel { label, reason });
                continue;
            }
        };
        let (id, at) = (label.id.clone(), label.at.millis());
        let why = |why| NotTaken::NoRoom { taken: taken.accepted, why };
        pdp.observations.label(label).map_err(why)?;
        taken.accepted += 1;
        let Named { kind, bad, note, .. } = named;
        tracing::info!(target: "audit", act = "label", %caller, kind, %id, fraud = bad, at, note, "an entity was labelled");
    }
    Ok(taken)
}

/// Waits until all labels that were taken are on disk.
///
/// # Errors
/// When that is not known.
pub(super) async fn keep(pdp: &Pdp) -> Result<(), NotDurable> {
    let store = pdp.durable()?;
    let learned = pdp.observations.after_labels().map_err(|_| NotDurable::Late)?;
    let kept = async {
        learned.done().await;
        store.wait_for_all().await
    };
    tokio::time::timeout(LEARNED, kept).await.unwrap_or(Err(NotDurable::Late))
}

#[derive(Clone, Debug)]
pub struct Reviews {
    pdp: Arc<Pdp>,
    readiness: Readiness,
}

impl Reviews {
    pub fn new(pdp: Arc<Pdp>, readiness: Readiness) -> Self {
        Self { pdp, readiness }
    }

    fn desk<R>(&self, request: &Request<R>) -> Result<Desk<'_>, Status> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        Desk::open(&self.pdp, &self.readiness, caller).map_err(refused)
    }
}

#[tonic::async_trait]
impl ReviewService for Reviews {
    async fn label(
        &self,
        request: Request<proto::LabelRequest>,
    ) -> Result<Response<proto::LabelResponse>, Status> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        if self.pdp.published().is_none() {
            return Err(Status::unavailable("no policy is loaded yet"));
        }
        let proto::LabelRequest { labels, durable } = request.into_inner();
        if durable {
            self.pdp.durable().map_err(not_durable)?;
        }
        let taken = take(&self.pdp, &caller, labels.iter().map(named)).map_err(|why| {
            let text = why.to_string();
            match why {
                NotTaken::TooMany(_) => Status::invalid_argument(text),
                NotTaken::NoRoom { .. } => Status::resource_exhausted(text),
            }
        })?;
        if durable {
            keep(&self.pdp).await.map_err(not_durable)?;
        }
        let rejected = taken.rejected.into_iter();
        Ok(Response::new(proto::LabelResponse {
            accepted: taken.accepted,
            rejected: rejected
                .map(|r| proto::RejectedLabel { label: r.label, reason: r.reason })
                .collect(),
            durable,
        }))
    }

    async fn announce(
        &self,
        request: Request<proto::AnnounceRequest>,
    ) -> Result<Response<proto::AnnounceResponse>, Status> {
        let desk = self.desk(&request)?;
        let request = request.into_inner();
        let missing = |name| Status::invalid_argument(format!("`{name}` is missing"));
        let asked = request.announcement.as_ref().ok_or_else(|| missing("announcement"))?;
        let time = |name: &str, at: &prost_types::Timestamp| {
            let no_time = || Status::invalid_argument(format!("`{name}` is no valid time"));
            instant(at).ok_or_else(no_time)
        };
        let until = asked.until.as_ref().ok_or_else(|| missing("until"))?;
        let asked = Asked {
            entity: entity(request.entity.as_ref())?,
            id: &asked.id,
            change: &asked.change,
            from: asked.from.as_ref().map(|at| time("from", at)).transpose()?,
            until: time("until", until)?,
            values: &asked.values,
            reference: &asked.reference,
            by: &asked.by,
        };
        let durable = desk.announce(&asked).await.map_err(refused)?;
        Ok(Response::new(proto::AnnounceResponse { durable }))
    }

    async fn withdraw(
        &self,
        request: Request<proto::WithdrawRequest>,
    ) -> Result<Response<proto::WithdrawResponse>, Status> {
        let desk = self.desk(&request)?;
        let request = request.into_inner();
        let entity = entity(request.entity.as_ref())?;
        let done = desk.withdraw(entity, &request.id).await.map_err(refused)?;
        let (found, durable) = (done.found, done.durable);
        Ok(Response::new(proto::WithdrawResponse { found, durable }))
    }

    async fn list_announced(
        &self,
        request: Request<proto::ListAnnouncedRequest>,
    ) -> Result<Response<proto::ListAnnouncedResponse>, Status> {
        let desk = self.desk(&request)?;
        let request = request.into_inner();
        let announced = desk.announced(entity(request.entity.as_ref())?).map_err(refused)?;
        let announcements = announced.into_iter().map(shown).collect();
        Ok(Response::new(proto::ListAnnouncedResponse { announcements }))
    }
}

fn entity(entity: Option<&proto::Entity>) -> Result<Entity<'_>, Status> {
    let entity = entity.ok_or_else(|| Status::invalid_argument("`entity` is missing"))?;
    Ok(Entity { kind: &entity.r#type, id: &entity.id })
}

fn shown(announced: Announced) -> proto::Announcement {
    let Announced { id, change, from, until, values, reference, by } = announced;
    let (from, until) = (Some(timestamp(from)), Some(timestamp(until)));
    proto::Announcement { id, change, from, until, values, reference, by }
}

fn refused(why: Refused) -> Status {
    let text = why.to_string();
    match why {
        Refused::Unannounced(NotAnnounced::Wrong { .. }) => Status::invalid_argument(text),
        Refused::Unannounced(NotAnnounced::TooMany) => Status::failed_precondition(text),
        Refused::Unannounced(NotAnnounced::NoRoom(_)) => Status::resource_exhausted(text),
        Refused::Early | Refused::Unkept => Status::unavailable(text),
    }
}

fn named(label: &proto::EntityLabel) -> Result<Named<'_>, String> {
    let entity = label.entity.as_ref().ok_or("`entity` is missing")?;
    let bad = match proto::Verdict::try_from(label.label) {
        Ok(proto::Verdict::Fraud) => true,
        Ok(proto::Verdict::Legitimate) => false,
        _ => return Err("`label` is VERDICT_FRAUD or VERDICT_LEGITIMATE".to_owned()),
    };
    let at = match &label.at {
        Some(at) => Some(instant(at).ok_or("`at` is no valid time")?),
        None => None,
    };
    Ok(Named { kind: &entity.r#type, id: &entity.id, bad, at, note: &label.note })
}
