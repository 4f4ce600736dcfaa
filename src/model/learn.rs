//! What is learned: the declarations, as policies and catalogs make them.
//!
//! A **measure** is one thing learned of each entity of a kind: the baseline of a
//! signal, the values it is familiar with, its rate in a window. A measure's id is
//! given out once by the vocabulary and keyed on its name, so that a profile
//! learned under one revision is read rightly under the next.

use std::sync::Arc;

use super::catalog::{EntityKind, SignalId};
use super::links::{IdentifierOf, LinkPlan};
use super::time::Seconds;

/// One measure of one entity kind. Ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeasureId(pub u16);

/// One thing that is learned of each entity of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub id: MeasureId,
    pub kind: EntityKind,
    /// `baseline(user.download_bytes)`, `rate(user.message_sent, "1h")`.
    pub name: Arc<str>,
    pub of: Measured,
}

/// What a measure is learned from, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    /// What is usual for a number.
    Baseline { signal: SignalId, baseline: Baseline },
    /// How the values of a number are spread.
    Quantiles { signal: SignalId, quantiles: Quantiles },
    /// The values that are usual for a text.
    Familiar { signal: SignalId, familiar: Familiar },
    /// The hours of the day (UTC) at which the entity is seen.
    Hours { half_life: Seconds },
    /// Where the entity was seen last.
    Place,
    /// What the entity's requests come from and with, for `rarity`.
    Context { half_life: Seconds },
    /// What a signal did in the last `window` seconds.
    Window { signal: SignalId, window: Seconds, count: Count },
}

impl Measured {
    /// Whether what is told of it depends on when, or on all other entities.
    pub fn is_relative(&self) -> bool {
        matches!(
            self,
            Measured::Baseline { .. } | Measured::Quantiles { .. } | Measured::Context { .. }
        )
    }

    /// The signal whose observations teach it; `None` where each request does.
    pub fn signal(&self) -> Option<SignalId> {
        match self {
            Measured::Baseline { signal, .. }
            | Measured::Quantiles { signal, .. }
            | Measured::Familiar { signal, .. }
            | Measured::Window { signal, .. } => Some(*signal),
            Measured::Hours { .. } | Measured::Place | Measured::Context { .. } => None,
        }
    }
}

/// What a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Observations.
    Occurrences,
    /// By how much a counter rose.
    Increase,
    /// The sum of the values.
    Total,
    /// Different values.
    Distinct,
}

/// What is usual for a number: a mean and a deviation that forget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// The weight of an observation halves with each such span (seconds).
    pub half_life: Seconds,
    /// Whether what is usual depends on the time.
    pub season: Option<Season>,
}

/// How the values of a number are spread, as a distribution that forgets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// The weight of an observation halves with each such span (seconds).
    pub half_life: Seconds,
}

/// A cycle that a baseline follows, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Season {
    HourOfDay,
    HourOfWeek,
}

impl Season {
    pub const ALL: [(&'static str, Season); 2] =
        [("hour_of_day", Season::HourOfDay), ("hour_of_week", Season::HourOfWeek)];

    /// How many parts the cycle has, an hour each.
    pub const fn parts(self) -> usize {
        match self {
            Season::HourOfDay => 24,
            Season::HourOfWeek => 168,
        }
    }
}

/// A bounded set of values that an entity is known with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Familiar {
    /// How many values are kept; the longest unseen goes first.
    pub keep: u8,
    /// A value unseen for so long is unfamiliar again.
    pub forget_after: Seconds,
}

/// What is learned from a signal's observations, as its declaration says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learn {
    pub baseline: Option<Baseline>,
    pub quantiles: Option<Quantiles>,
    pub familiar: Option<Familiar>,
    /// Whether requests teach that were denied or step up. Reports always teach.
    pub from_denied: bool,
    /// Observations wait for so long, and are dropped where the entity is labelled as
    /// fraud meanwhile (seconds).
    pub delay: Option<Seconds>,
}

/// All measures of a revision, by what teaches them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    measures: Vec<Measure>,
    /// By id: where the measure is among them, plus one.
    places: Vec<u32>,
    pub links: LinkPlan,
    /// How long observations of a signal wait before they teach.
    pub delays: Vec<(SignalId, Seconds)>,
}

impl Plan {
    /// A plan of these measures, in the order of their ids.
    pub fn new(mut measures: Vec<Measure>) -> Self {
        measures.sort_by_key(|measure| measure.id);
        measures.dedup_by_key(|measure| measure.id);
        let most = measures.last().map_or(0, |measure| usize::from(measure.id.0) + 1);
        let mut places = vec![0; most];
        for (place, measure) in (1..).zip(&measures) {
            if let Some(at) = places.get_mut(usize::from(measure.id.0)) {
                *at = place;
            }
        }
        Plan { measures, places, ..Plan::default() }
    }

    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    pub fn get(&self, id: MeasureId) -> Option<&Measure> {
        let place = self.places.get(usize::from(id.0))?;
        self.measures.get((*place as usize).checked_sub(1)?)
    }

    /// What an observation of `signal` teaches.
    pub fn of_signal(&self, signal: SignalId) -> impl Iterator<Item = &Measure> {
        self.measures.iter().filter(move |measure| measure.of.signal() == Some(signal))
    }

    /// Whether observations of `signal` teach anything.
    pub fn learns(&self, signal: SignalId) -> bool {
        self.of_signal(signal).next().is_some()
            || self.links.of(IdentifierOf::Signal(signal)).next().is_some()
    }

    pub fn delay(&self, signal: SignalId) -> Option<Seconds> {
        self.delays.iter().find(|(delayed, _)| *delayed == signal).map(|(_, delay)| *delay)
    }
}
