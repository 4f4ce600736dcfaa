//! What is usual for all entities together: what the hot path takes an entity for of
//! which nothing is known.

use super::learned::Usual;
use crate::model::MeasureId;

/// By measure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Priors(Vec<(MeasureId, Usual)>);

impl Priors {
    pub fn new(mut priors: Vec<(MeasureId, Usual)>) -> Self {
        priors.sort_by_key(|(measure, _)| *measure);
        Priors(priors)
    }

    /// The entity itself is not known at all: of its own there is no weight.
    pub fn get(&self, measure: MeasureId) -> Option<Usual> {
        let at = self.0.binary_search_by_key(&measure, |(id, _)| *id).ok()?;
        self.0.get(at).map(|(_, usual)| Usual { weight: 0.0, ..*usual })
    }
}
