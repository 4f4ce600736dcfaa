//! What is loaded, as look-up reads it.

use std::sync::Arc;

use super::List;
use crate::model::{Seconds, Timestamp, Value};
use crate::signals::geo::Geo;

/// What is loaded right now: one consistent picture for one request.
#[derive(Debug, Default)]
pub struct Loaded {
    pub(super) lists: Vec<Option<Arc<List>>>,
    /// By list, for those that age.
    pub(super) ages: Vec<Option<Age>>,
    pub(super) geo: Geo,
}

/// How a list ages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Age {
    /// When its file was written, or its server last confirmed it.
    pub(super) as_of: Timestamp,
    pub(super) half_life: Seconds,
}

impl Loaded {
    /// Given lists and geo data, as policy tests write them.
    pub fn new(lists: Vec<Option<Arc<List>>>, geo: Geo) -> Self {
        Loaded { lists, ages: Vec::new(), geo }
    }

    /// Takes from `other` what it doesn't have itself.
    pub fn fill_from(&mut self, other: &Loaded) {
        if self.lists.len() < other.lists.len() {
            self.lists.resize(other.lists.len(), None);
        }
        self.ages.clone_from(&other.ages);
        for (list, other) in self.lists.iter_mut().zip(&other.lists) {
            if list.is_none() {
                list.clone_from(other);
            }
        }
        if self.geo.is_empty() {
            self.geo = other.geo.clone();
        }
    }

    /// Whether the value is in the list; missing while the list was never loaded.
    pub fn listed(&self, list: u16, value: Value<'_>) -> Value<'static> {
        match self.lists.get(usize::from(list)) {
            Some(Some(list)) => list.contains(value),
            _ => Value::Missing,
        }
    }

    /// How sure one can be of what the list says, in [0, 1].
    pub fn freshness(&self, list: u16, now: Timestamp) -> f64 {
        let Some(Some(age)) = self.ages.get(usize::from(list)) else { return 1.0 };
        libm::exp2(-now.seconds_since(age.as_of).max(0.0) / age.half_life)
    }

    pub fn geo(&self) -> &Geo {
        &self.geo
    }
}
