//! What is learned of all entities together: what somebody is taken for of whom little is
//! known.

use std::collections::BTreeMap;

use super::baseline::BaselineState;
use super::crowd::Crowd;
use super::kept::{InCommon, KeptMeasure};
use super::quantiles::{self, QuantilesState};
use super::words::Head;
use crate::model::{Baseline, Measure, MeasureId, Measured, Timestamp};
use crate::signals::{Priors, SeenContext, Usual};

/// Below so much a population is no prior (observations).
const LEAST_PRIOR: f64 = 10.0;
/// Priors are published after so many observations that changed one, or after so long
/// (milliseconds).
const PUBLISH_EVERY: usize = 256;
const PUBLISH_AFTER: i64 = 60_000;
/// Crowds are large, and kept after so long (seconds, of the time that is learned in).
const KEEP_CROWDS_AFTER: u32 = 60;

/// By measure.
#[derive(Debug, Default)]
pub(super) struct Common {
    usual: BTreeMap<MeasureId, BaselineState>,
    spreads: BTreeMap<MeasureId, QuantilesState>,
    crowds: BTreeMap<MeasureId, Crowd>,
    unpublished: usize,
    /// When it was published last (milliseconds since 1970).
    published_at: i64,
    /// When the crowds were kept last, and when they changed (seconds since 2020).
    crowds_kept: u32,
    crowds_changed: u32,
}

impl Common {
    /// Takes in a number that was seen of an entity of which so much was seen.
    pub(super) fn observe_number(
        &mut self,
        measure: MeasureId,
        x: f64,
        seen: f64,
        at: Timestamp,
        how: &Baseline,
    ) {
        self.usual.entry(measure).or_default().observe(x, say(seen), at, how);
        self.unpublished += 1;
    }

    /// As well as how such numbers are spread.
    pub(super) fn observe_spread(
        &mut self,
        measure: MeasureId,
        x: f64,
        seen: f64,
        at: Timestamp,
        half_life: f64,
    ) {
        let spread = self.spreads.entry(measure).or_default();
        spread.observe(x, say(seen), at, half_life, quantiles::MARKS_OF_ALL);
        self.unpublished += 1;
    }

    /// Takes in what counted of an entity's context.
    pub(super) fn observe_context(
        &mut self,
        measure: MeasureId,
        counted: &SeenContext,
        at: Timestamp,
        half_life: f64,
    ) {
        let crowd = self.crowds.entry(measure).or_insert_with(|| Crowd::new(at));
        crowd.observe(counted, at, half_life);
        self.crowds_changed = self.crowds_changed.max(crowd.at);
        self.unpublished += 1;
    }

    /// What is usual for a number, where enough is known.
    pub(super) fn usual(&self, measure: &Measure, now: Timestamp) -> Option<Usual> {
        let Measured::Baseline { baseline, .. } = &measure.of else { return None };
        let usual = self.usual.get(&measure.id)?.own(now, baseline.season);
        (usual.weight >= LEAST_PRIOR).then_some(usual)
    }

    /// How a number's values are spread, where enough is known.
    pub(super) fn spread(&self, measure: &Measure) -> Option<&QuantilesState> {
        let Measured::Quantiles { quantiles, .. } = &measure.of else { return None };
        let spread = self.spreads.get(&measure.id)?;
        (spread.weight(quantiles.half_life) >= LEAST_PRIOR).then_some(spread)
    }

    pub(super) fn crowd(&self, measure: MeasureId) -> Option<&Crowd> {
        self.crowds.get(&measure)
    }

    /// Whether there are enough news to publish, by their number.
    pub(super) fn has_news(&self) -> bool {
        self.unpublished >= PUBLISH_EVERY
    }

    /// Whether there are news that wait for long.
    pub(super) fn has_old_news(&self, now: Timestamp) -> bool {
        let late = now.millis().saturating_sub(self.published_at) >= PUBLISH_AFTER;
        self.unpublished > 0 && (late || self.published_at == 0)
    }

    /// What the hot path is to know.
    pub(super) fn publish(&mut self, measures: &[Measure], now: Timestamp) -> Priors {
        self.unpublished = 0;
        self.published_at = now.millis();
        let usual = measures.iter().filter_map(|m| Some((m.id, self.usual(m, now)?)));
        let knows = |measure: &&Measure| match measure.of {
            Measured::Context { half_life } => {
                let crowd = self.crowds.get(&measure.id);
                crowd.is_some_and(|crowd| crowd.seen(now, half_life) >= LEAST_PRIOR)
            }
            _ => false,
        };
        let contexts = measures.iter().filter(knows).map(|measure| measure.id);
        let grid = |measure: &Measure| {
            let Measured::Quantiles { quantiles, .. } = &measure.of else { return None };
            Some((measure.id, self.spread(measure)?.grid(None, quantiles.half_life)?))
        };
        let grids = measures.iter().filter_map(grid).collect();
        Priors::new(usual.collect()).with_grids(grids).with_contexts(contexts.collect())
    }

    /// Takes what was kept back in.
    pub(super) fn restore(&mut self, of: InCommon, kept: Vec<KeptMeasure>) {
        for KeptMeasure { measure, time, words } in kept {
            let head = Head { measure: measure.0, words: words.len() as u16, time };
            match of {
                InCommon::Usual => {
                    self.usual.insert(measure, BaselineState::read(head, &words));
                }
                InCommon::Spreads => {
                    self.spreads.insert(measure, QuantilesState::read(head, &words));
                }
                InCommon::Crowds => {
                    self.crowds.extend(Crowd::read(head, &words).map(|crowd| (measure, crowd)));
                }
            }
            self.unpublished += 1;
        }
    }

    pub(super) fn kept_usual(&self) -> Vec<KeptMeasure> {
        let kept = |(measure, state): (&MeasureId, &BaselineState)| {
            let mut words = Vec::new();
            state.write(&mut words);
            KeptMeasure { measure: *measure, time: state.at, words }
        };
        self.usual.iter().map(kept).collect()
    }

    /// How numbers are spread; `None` where that is not learned.
    pub(super) fn kept_spreads(&self) -> Option<Vec<KeptMeasure>> {
        let kept = |(measure, state): (&MeasureId, &QuantilesState)| {
            let mut words = Vec::new();
            state.write(&mut words);
            KeptMeasure { measure: *measure, time: state.at, words }
        };
        (!self.spreads.is_empty()).then(|| self.spreads.iter().map(kept).collect())
    }

    /// The crowds, where they have changed and it is time to keep them.
    pub(super) fn kept_crowds(&mut self, at_once: bool) -> Option<Vec<KeptMeasure>> {
        let since = self.crowds_changed.saturating_sub(self.crowds_kept);
        if since < if at_once { 1 } else { KEEP_CROWDS_AFTER } {
            return None;
        }
        self.crowds_kept = self.crowds_changed;
        let kept = |(measure, crowd): (&MeasureId, &Crowd)| KeptMeasure {
            measure: *measure,
            time: crowd.at,
            words: crowd.write(),
        };
        Some(self.crowds.iter().map(kept).collect())
    }
}

/// What an observation of an entity of which so much was seen weighs among those of all.
/// Each entity has its say, and the first observations of one more than the thousandth of
/// another.
fn say(seen: f64) -> f64 {
    1.0 / (1.0 + seen)
}

const _: () =
    assert!(super::crowd::WORDS <= u16::MAX as usize, "the store counts words in 16 bits");
