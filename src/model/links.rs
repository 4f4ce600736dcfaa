//! What links entities: the identifiers that the catalog declares, and what
//! policies ask of the links.

use std::sync::Arc;

use super::catalog::{EntityKind, SignalId};
use super::learn::MeasureId;
use super::time::Seconds;

/// Where an identifier's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierOf {
    /// A text signal of the entities that it links.
    Signal(SignalId),
    /// The ids of other entities that come with them in requests: `device.id`.
    Own(EntityKind),
}

/// Something by which entities are linked where they share a value of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Identifier {
    /// Interned as measures are, so that links outlive a revision.
    pub id: MeasureId,
    /// `user.address_key`, `device.id`, `address.ip`.
    pub name: Arc<str>,
    pub of: IdentifierOf,
    /// The kind of entities that it links.
    pub links: EntityKind,
    /// A value that more entities share links nobody.
    pub hub: u8,
    /// A value unseen with an entity for so long is no longer its (seconds).
    pub forget_after: Seconds,
}

/// Which of those who share a value are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharers {
    /// Who was seen with it within the window.
    Seen,
    /// Of them, who was seen with it for the first time then.
    Joined,
}

/// What a policy asks of the links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Linked {
    /// How many entities share the identifier's value.
    Shared { identifier: MeasureId, who: Sharers, window: Seconds },
    /// How many steps it is to an entity labelled as fraud.
    Distance { depth: u8 },
    /// How many entities hang together with it.
    Cluster,
    /// The share of fraud among its labelled events.
    FlagRate { window: Seconds, delay: Seconds },
}

/// One thing asked of the links, told to the records of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkMeasure {
    pub id: MeasureId,
    pub kind: EntityKind,
    pub of: Linked,
}

/// All of a revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkPlan {
    pub identifiers: Vec<Identifier>,
    pub measures: Vec<LinkMeasure>,
}

impl LinkPlan {
    pub fn identifier(&self, id: MeasureId) -> Option<&Identifier> {
        self.identifiers.iter().find(|identifier| identifier.id == id)
    }

    pub fn of(&self, of: IdentifierOf) -> impl Iterator<Item = &Identifier> {
        self.identifiers.iter().filter(move |identifier| identifier.of == of)
    }

    /// The windows in which sharers of an identifier are counted.
    pub fn windows(&self, id: MeasureId) -> impl Iterator<Item = (Sharers, Seconds)> {
        self.measures.iter().filter_map(move |measure| match measure.of {
            Linked::Shared { identifier, who, window } if identifier == id => Some((who, window)),
            _ => None,
        })
    }
}
