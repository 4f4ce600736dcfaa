//! Profiles on their way to where they outlive the process, and back.

use std::fmt::Debug;

use super::words;
use crate::model::{EntityKind, MeasureId, Timestamp};

/// The time that is kept as so many seconds since 2020.
pub fn time_of(seconds: u32) -> Timestamp {
    words::from_seconds(seconds)
}

/// All that was learned of one entity, or of all together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// When the entity was observed last, in seconds since 2020.
    pub seen: u32,
    pub measures: Vec<KeptMeasure>,
}

/// What was learned of one measure, in words that only `learn` reads.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptMeasure {
    pub measure: MeasureId,
    /// When it was changed last, in seconds since 2020.
    pub time: u32,
    pub words: Vec<u64>,
}

/// What is kept of all entities together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InCommon {
    /// Numbers.
    Usual,
    /// How numbers are spread.
    Spreads,
    /// What requests come from and with.
    Crowds,
}

impl InCommon {
    pub const ALL: [InCommon; 3] = [InCommon::Usual, InCommon::Spreads, InCommon::Crowds];
}

/// A label of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLabel {
    pub bad: bool,
    /// When what is labelled happened, in seconds since 2020.
    pub at: u32,
    /// The devices and other entities of which it is an event as well.
    pub with: Vec<(EntityKind, Box<str>)>,
}

/// That an entity has a value of an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLink {
    pub identifier: MeasureId,
    pub value: LinkValue,
    /// When it was seen first and last, in seconds since 2020; first [`LONG_AGO`](super::LONG_AGO)
    /// where that isn't known.
    pub since: u32,
    pub seen: u32,
}

/// The value of an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkValue {
    /// A signal's, by its hash.
    Hash(u64),
    /// Another entity's id.
    Own(EntityKind, Box<str>),
}

/// Some of what is kept, in the order of its keys.
#[derive(Debug)]
pub struct Page<T> {
    pub entries: Vec<(EntityKind, Box<str>, T)>,
    /// Where the next page begins; `None` where this is the last.
    pub next: Option<Vec<u8>>,
    /// Some were left out: the catalog doesn't name their kinds now.
    pub unnamed: bool,
}

/// What is kept can't be read for now: it may be there, and is not to be written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread;

/// Where profiles are kept. None of this may wait for a disk for long.
pub trait Shelf: Debug + Send {
    /// # Errors
    /// While it can't be read.
    fn find(&mut self, kind: EntityKind, id: &str) -> Result<Option<Kept>, Unread>;

    /// What is usual for all entities together.
    ///
    /// # Errors
    /// While it can't be read.
    fn find_common(&mut self, of: InCommon) -> Result<Option<Kept>, Unread>;

    fn put(&mut self, kind: EntityKind, id: &str, kept: &Kept);

    fn put_common(&mut self, of: InCommon, kept: &Kept);

    /// Nothing of the entity's profile may stay.
    fn remove(&mut self, kind: EntityKind, id: &str);

    /// Keeps an entity's label; `None` where it has none any more.
    fn put_label(&mut self, kind: EntityKind, id: &str, label: Option<&KeptLabel>);

    /// Keeps all links of an entity, in the place of those that are kept.
    fn put_links(&mut self, kind: EntityKind, id: &str, links: &[KeptLink]);

    /// The labels from a key on.
    ///
    /// # Errors
    /// While they can't be read.
    fn labels(&mut self, from: &[u8]) -> Result<Page<KeptLabel>, Unread>;

    /// The links from a key on.
    ///
    /// # Errors
    /// While they can't be read.
    fn links(&mut self, from: &[u8]) -> Result<Page<Vec<KeptLink>>, Unread>;

    /// Some of the entities whose records were put back with something that time
    /// changes; each is told once.
    fn restored(&mut self) -> Vec<(EntityKind, Box<str>)>;
}
