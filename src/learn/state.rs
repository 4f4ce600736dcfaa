//! The state of one measure of one entity, whatever it is of.

use super::baseline::BaselineState;
use super::common::Common;
use super::contexts::ContextState;
use super::familiar::FamiliarState;
use super::hours::HoursState;
use super::place::PlaceState;
use super::quantiles::{self, QuantilesState};
use super::window::WindowState;
use super::words::{self, Head};
use crate::model::{Measure, Measured, Timestamp};
use crate::signals::{Seen, Summary};

/// Without a prior, nothing is said of a number before so much was seen of it: who is
/// new is unknown, not unusual (observations).
const LEAST_KNOWN: f64 = 5.0;
/// In milliseconds.
const DAY: i64 = 86_400_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Baseline(BaselineState),
    Quantiles(QuantilesState),
    Familiar(FamiliarState),
    Hours(HoursState),
    Place(PlaceState),
    Window(WindowState),
    Context(Box<ContextState>),
}

impl State {
    pub(super) fn read(of: &Measured, head: Head, words: &[u64]) -> Self {
        match of {
            Measured::Baseline { .. } => State::Baseline(BaselineState::read(head, words)),
            Measured::Quantiles { .. } => State::Quantiles(QuantilesState::read(head, words)),
            Measured::Familiar { .. } => State::Familiar(FamiliarState::read(head, words)),
            Measured::Hours { .. } => State::Hours(HoursState::read(head, words)),
            Measured::Place => State::Place(PlaceState::read(head, words)),
            Measured::Window { count, .. } => State::Window(WindowState::read(head, words, *count)),
            Measured::Context { .. } => State::Context(ContextState::read(head, words).into()),
        }
    }

    pub(super) fn write(&self, of: &Measured, words: &mut Vec<u64>) {
        match (self, of) {
            (State::Baseline(state), _) => state.write(words),
            (State::Quantiles(state), _) => state.write(words),
            (State::Familiar(state), _) => state.write(words),
            (State::Hours(state), _) => state.write(words),
            (State::Place(state), _) => state.write(words),
            (State::Window(state), Measured::Window { count, .. }) => state.write(*count, words),
            (State::Window(_), _) => {}
            (State::Context(state), _) => state.write(words),
        }
    }

    /// Takes in what was seen, as do all together. Says whether it teaches this measure
    /// anything.
    pub(super) fn observe(
        &mut self,
        measure: &Measure,
        seen: &Seen,
        at: Timestamp,
        common: &mut Common,
    ) -> bool {
        match (self, &measure.of, seen) {
            (
                State::Baseline(state),
                Measured::Baseline { baseline, .. },
                Seen::Value { value, .. },
            ) => {
                let Some(x) = value.number else { return false };
                let weight = state.own(at, None).weight;
                common.observe_number(measure.id, x, weight, at, baseline);
                state.observe(x, 1.0, at, baseline);
            }
            (
                State::Quantiles(state),
                Measured::Quantiles { quantiles, .. },
                Seen::Value { value, .. },
            ) => {
                let Some(x) = value.number else { return false };
                let half_life = quantiles.half_life;
                common.observe_spread(measure.id, x, state.weight(half_life), at, half_life);
                state.observe(x, 1.0, at, half_life, quantiles::MARKS);
            }
            (
                State::Familiar(state),
                Measured::Familiar { familiar, .. },
                Seen::Value { value, .. },
            ) => {
                state.observe(value.hash, at, familiar);
            }
            (
                State::Window(state),
                Measured::Window { window, count, .. },
                Seen::Value { value, .. },
            ) => {
                state.observe(*value, at, *window, *count);
            }
            (State::Hours(state), Measured::Hours { half_life }, Seen::Presence { .. }) => {
                state.observe(at, *half_life);
            }
            (State::Place(state), Measured::Place, Seen::Presence { place: Some(place), .. }) => {
                state.observe(*place, at);
            }
            (
                State::Context(state),
                Measured::Context { half_life },
                Seen::Presence { context, .. },
            ) => {
                let counted = state.observe(context, at, *half_life);
                if counted.is_empty() {
                    return false;
                }
                common.observe_context(measure.id, &counted, at, *half_life);
            }
            _ => return false,
        }
        true
    }

    /// Lets time pass: forgets what is due.
    pub(super) fn pass(&mut self, of: &Measured, now: Timestamp) {
        match (self, of) {
            (State::Familiar(state), Measured::Familiar { familiar, .. }) => {
                state.forget(now, familiar);
            }
            (State::Window(state), Measured::Window { window, .. }) => {
                state.forget_at(now, *window);
            }
            _ => {}
        }
    }

    /// When what the hot path sees of it changes by time alone.
    pub(super) fn due(&self, of: &Measured, now: Timestamp) -> Option<Timestamp> {
        match (self, of) {
            (State::Familiar(state), Measured::Familiar { familiar, .. }) => state.due(familiar),
            (State::Window(state), Measured::Window { window, .. }) => state.due(*window),
            (State::Baseline(_), Measured::Baseline { baseline, .. }) => {
                // What is usual is that of the present hour.
                baseline.season.map(|_| {
                    Timestamp::from_millis((now.millis().div_euclid(3_600_000) + 1) * 3_600_000)
                })
            }
            // What is usual for all has changed meanwhile.
            (State::Context(_), _) => Some(Timestamp::from_millis(now.millis() + DAY)),
            _ => None,
        }
    }

    /// When it was changed last, for states that decay (seconds since 2020).
    pub(super) fn time(&self, at: Timestamp) -> u32 {
        match self {
            State::Baseline(state) => state.at,
            State::Quantiles(state) => state.at,
            State::Hours(state) => state.at,
            State::Context(state) => state.at,
            _ => words::seconds(at),
        }
    }

    /// What the hot path is to know; `None` where too little is known to say anything.
    pub(super) fn summary(
        &self,
        measure: &Measure,
        now: Timestamp,
        common: &Common,
    ) -> Option<Summary> {
        match (self, &measure.of) {
            (State::Baseline(state), Measured::Baseline { baseline, .. }) => {
                let prior = common.usual(measure, now);
                let usual = state.usual(now, baseline.season, prior);
                let known = prior.is_some() || usual.weight >= LEAST_KNOWN;
                known.then_some(Summary::Usual(usual))
            }
            (State::Quantiles(state), Measured::Quantiles { quantiles, .. }) => {
                let prior = common.spread(measure);
                let grid = state.grid(prior, quantiles.half_life)?;
                let known = prior.is_some() || grid.weight >= LEAST_KNOWN;
                known.then_some(Summary::Grid(grid))
            }
            (State::Familiar(state), _) => Some(state.summary()),
            (State::Hours(state), _) => state.summary(),
            (State::Place(state), _) => state.summary(),
            (State::Window(state), Measured::Window { count, .. }) => {
                Some(Summary::Window(state.value(*count)))
            }
            (State::Context(state), Measured::Context { half_life }) => {
                let crowd = common.crowd(measure.id)?;
                Some(Summary::Context(state.lifts(crowd, now, *half_life).into()))
            }
            _ => None,
        }
    }
}
