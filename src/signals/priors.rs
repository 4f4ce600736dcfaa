//! What is usual for all entities together: what the hot path takes an entity for of
//! which nothing is known.

use super::learned::{Grid, Usual};
use crate::model::MeasureId;

/// By measure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Priors {
    usual: Vec<(MeasureId, Usual)>,
    grids: Vec<(MeasureId, Grid)>,
    contexts: Vec<MeasureId>,
}

impl Priors {
    pub fn new(mut usual: Vec<(MeasureId, Usual)>) -> Self {
        usual.sort_by_key(|(measure, _)| *measure);
        Priors { usual, ..Priors::default() }
    }

    /// How the values of numbers are spread.
    #[must_use]
    pub fn with_grids(self, mut grids: Vec<(MeasureId, Grid)>) -> Self {
        grids.sort_by_key(|(measure, _)| *measure);
        Priors { grids, ..self }
    }

    /// Measures of contexts of which enough is known.
    #[must_use]
    pub fn with_contexts(self, contexts: Vec<MeasureId>) -> Self {
        Priors { contexts, ..self }
    }

    /// The entity itself is not known at all: of its own there is no weight.
    pub fn get(&self, measure: MeasureId) -> Option<Usual> {
        let at = self.usual.binary_search_by_key(&measure, |(id, _)| *id).ok()?;
        self.usual.get(at).map(|(_, usual)| Usual { weight: 0.0, ..*usual })
    }

    /// How a number's values are spread among all: of the entity's own there are none.
    pub fn grid(&self, measure: MeasureId) -> Option<Grid> {
        let at = self.grids.binary_search_by_key(&measure, |(id, _)| *id).ok()?;
        self.grids.get(at).map(|(_, grid)| Grid { weight: 0.0, ..*grid })
    }

    pub fn knows_contexts(&self, measure: MeasureId) -> bool {
        self.contexts.contains(&measure)
    }
}
