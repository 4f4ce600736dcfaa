//! The state of one measure of one entity, whatever it is of.

use super::baseline::BaselineState;
use super::common::Common;
use super::contexts::ContextState;
use super::familiar::FamiliarState;
use super::hours::HoursState;
use super::place::PlaceState;
use super::quantiles::{self, QuantilesState};
use super::window::Window;
use super::words::{self, Head};
use crate::model::{Measure, Measured, Timestamp};
use crate::signals::{Seen, Summary};

/// Without a prior, nothing is said of a number before so much was seen of it: who is
/// new is unknown, not unusual (observations).
const LEAST_KNOWN: f64 = 5.0;
/// In milliseconds.
const DAY: i64 = 86_400_000;

/// The words of one measure of one entity, and what they mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'k> {
    pub(super) measure: &'k Measure,
    pub(super) head: Head,
    pub(super) words: &'k [u64],
}

impl Known<'_> {
    /// Takes in what was seen, as do all together. Where it teaches this measure anything,
    /// appends the words that come in place of the present ones, and says when they changed.
    pub(super) fn observe(
        self,
        seen: &Seen,
        at: Timestamp,
        common: &mut Common,
        out: &mut Vec<u64>,
    ) -> Option<u32> {
        if let (Measured::Window { window, count, .. }, Seen::Value { value, .. }) =
            (&self.measure.of, seen)
        {
            let from = out.len();
            out.extend_from_slice(self.words);
            Window::new(*window, *count).observe(out, from, *value, at);
            return Some(words::seconds(at));
        }
        let mut state = self.read()?;
        state.observe(self.measure, seen, at, common).then(|| {
            state.write(out);
            state.time(at)
        })
    }

    /// Lets time pass: where something is to be forgotten, appends the words that are left.
    pub(super) fn pass(self, now: Timestamp, out: &mut Vec<u64>) -> Option<u32> {
        match &self.measure.of {
            Measured::Familiar { familiar, .. } => {
                let mut state = FamiliarState::read(self.words);
                state.forget(now, familiar);
                state.write(out);
            }
            Measured::Window { window, count, .. } => {
                let from = out.len();
                out.extend_from_slice(self.words);
                Window::new(*window, *count).forget_at(out, from, now);
            }
            _ => return None,
        }
        Some(words::seconds(now))
    }

    /// When what the hot path sees of it changes by time alone.
    pub(super) fn due(self, now: Timestamp) -> Option<Timestamp> {
        match &self.measure.of {
            Measured::Familiar { familiar, .. } => FamiliarState::due(self.words, familiar),
            Measured::Window { window, count, .. } => Window::new(*window, *count).due(self.words),
            Measured::Baseline { baseline, .. } => {
                // What is usual is that of the present hour.
                baseline.season.map(|_| {
                    Timestamp::from_millis((now.millis().div_euclid(3_600_000) + 1) * 3_600_000)
                })
            }
            // What is usual for all has changed meanwhile.
            Measured::Context { .. } => Some(Timestamp::from_millis(now.millis() + DAY)),
            Measured::Quantiles { .. } | Measured::Hours { .. } | Measured::Place => None,
        }
    }

    /// What the hot path is to know; `None` where too little is known to say anything.
    pub(super) fn summary(self, now: Timestamp, common: &Common) -> Option<Summary> {
        match &self.measure.of {
            Measured::Window { window, count, .. } => {
                Some(Summary::Window(Window::new(*window, *count).value(self.words)))
            }
            _ => self.read()?.summary(self.measure, now, common),
        }
    }

    fn read(self) -> Option<State> {
        let Known { measure, head, words } = self;
        Some(match measure.of {
            Measured::Baseline { .. } => State::Baseline(BaselineState::read(head, words)),
            Measured::Quantiles { .. } => State::Quantiles(QuantilesState::read(head, words)),
            Measured::Familiar { .. } => State::Familiar(FamiliarState::read(words)),
            Measured::Hours { .. } => State::Hours(HoursState::read(head, words)),
            Measured::Place => State::Place(PlaceState::read(head, words)),
            Measured::Context { .. } => State::Context(ContextState::read(head, words).into()),
            Measured::Window { .. } => return None,
        })
    }
}

/// What is read from words, changed and written anew. Windows aren't: see [`Window`].
#[derive(Clone, Debug, PartialEq)]
enum State {
    Baseline(BaselineState),
    Quantiles(QuantilesState),
    Familiar(FamiliarState),
    Hours(HoursState),
    Place(PlaceState),
    Context(Box<ContextState>),
}

impl State {
    fn write(&self, words: &mut Vec<u64>) {
        match self {
            State::Baseline(state) => state.write(words),
            State::Quantiles(state) => state.write(words),
            State::Familiar(state) => state.write(words),
            State::Hours(state) => state.write(words),
            State::Place(state) => state.write(words),
            State::Context(state) => state.write(words),
        }
    }

    /// Takes in what was seen, as do all together. Says whether it teaches this measure
    /// anything.
    fn observe(
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

    /// When it was changed last, for states that decay (seconds since 2020).
    fn time(&self, at: Timestamp) -> u32 {
        match self {
            State::Baseline(state) => state.at,
            State::Quantiles(state) => state.at,
            State::Hours(state) => state.at,
            State::Context(state) => state.at,
            _ => words::seconds(at),
        }
    }

    fn summary(&self, measure: &Measure, now: Timestamp, common: &Common) -> Option<Summary> {
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
            (State::Context(state), Measured::Context { half_life }) => {
                let crowd = common.crowd(measure.id)?;
                Some(Summary::Context(state.lifts(crowd, now, *half_life).into()))
            }
            _ => None,
        }
    }
}
