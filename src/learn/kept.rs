//! Profiles on their way to where they outlive the process, and back.

use std::fmt::Debug;

use crate::model::{EntityKind, MeasureId};

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

/// Where profiles are kept. None of this may wait for a disk for long.
pub trait Shelf: Debug + Send {
    fn find(&mut self, kind: EntityKind, id: &str) -> Option<Kept>;

    /// What is usual for all entities together.
    fn find_common(&mut self) -> Option<Kept>;

    fn put(&mut self, kind: EntityKind, id: &str, kept: &Kept);

    fn put_common(&mut self, kept: &Kept);

    /// Nothing of the entity may stay.
    fn remove(&mut self, kind: EntityKind, id: &str);

    /// Some of the entities whose records were put back with something that time
    /// changes; each is told once.
    fn restored(&mut self) -> Vec<(EntityKind, Box<str>)>;
}
