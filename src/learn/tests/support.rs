//! A learner with a real cache, driven by hand.

use std::sync::Arc;

use crate::learn::{Bounds, Learner};
use crate::model::{EntityKind, Measure, MeasureId, Measured, Plan, SignalId, Timestamp, Value};
use crate::signals::{
    Cache, Grid, Item, LastPlace, Limits, Observation, Rarity, Secrets, Seen, SeenContext,
    SeenPlace, Usual, rarity,
};

pub(super) const USER: EntityKind = EntityKind(0);
pub(super) const SIGNAL: SignalId = SignalId(7);
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;
/// 2026-06-01T00:00:00Z, a Monday.
pub(super) const START: i64 = 1_780_272_000_000;

pub(super) struct House {
    pub(super) cache: Arc<Cache>,
    pub(super) learner: Learner,
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

pub(super) fn house(measures: &[Measured]) -> House {
    house_within(measures, Bounds::default())
}

pub(super) fn house_within(measures: &[Measured], bounds: Bounds) -> House {
    house_of_key(measures, bounds, 1)
}

/// Values hash by the key: an estimate that rests on hashes is the same in each run.
pub(super) fn house_of_key(measures: &[Measured], bounds: Bounds, key: u8) -> House {
    let secrets = Secrets::of_keys([key; 16], [key; 16]);
    let cache = Arc::new(Cache::new(Limits::default(), secrets));
    let mut learner = Learner::new(Arc::clone(&cache), bounds, 1);
    let measure = |(n, of): (usize, &Measured)| Measure {
        id: MeasureId(n as u16),
        kind: USER,
        name: format!("measure {n}").into(),
        of: *of,
    };
    learner.follow(Arc::new(Plan::new(measures.iter().enumerate().map(measure).collect())));
    House { cache, learner }
}

impl House {
    pub(super) fn saw(&mut self, id: &str, value: Value<'_>, millis: i64) {
        self.saw_of(SIGNAL, id, value, millis);
    }

    pub(super) fn saw_of(&mut self, signal: SignalId, id: &str, value: Value<'_>, millis: i64) {
        let value = self.cache.seen_value(value).unwrap();
        let seen = Seen::Value { signal, value };
        self.take(id, seen, millis);
    }

    pub(super) fn present(&mut self, id: &str, place: Option<SeenPlace>, millis: i64) {
        self.take(id, Seen::Presence { place, context: SeenContext::default() }, millis);
    }

    pub(super) fn came(&mut self, id: &str, context: SeenContext, millis: i64) {
        self.take(id, Seen::Presence { place: None, context }, millis);
    }

    pub(super) fn rarity_of(
        &self,
        id: &str,
        measure: u16,
        context: &SeenContext,
    ) -> Option<Rarity> {
        self.told(id, measure, |item| rarity(Some(item), context))?
    }

    fn take(&mut self, id: &str, seen: Seen, millis: i64) {
        self.learner.advance(at(millis));
        self.learner.observe(&Observation { kind: USER, id: id.into(), at: at(millis), seen });
        self.learner.advance(at(millis));
    }

    /// What the record says of a measure.
    fn told<R>(&self, id: &str, measure: u16, of: impl Fn(Item<'_>) -> R) -> Option<R> {
        let held = self.cache.read(USER, id)?;
        held.record()?.summary(MeasureId(measure)).map(of)
    }

    pub(super) fn is_familiar(&self, id: &str, value: Value<'_>) -> Option<bool> {
        let hash = self.cache.value_hash(value)?;
        self.told(id, 0, |item| item.is_familiar(hash))
    }

    pub(super) fn usual(&self, id: &str) -> Option<Usual> {
        self.told(id, 0, |item| item.usual())
    }

    pub(super) fn grid(&self, id: &str, measure: u16) -> Option<Grid> {
        self.told(id, measure, |item| item.grid())
    }

    pub(super) fn window(&self, measure: u16) -> Option<f64> {
        self.window_of("u1", measure)
    }

    pub(super) fn window_of(&self, id: &str, measure: u16) -> Option<f64> {
        self.told(id, measure, |item| item.window())
    }

    pub(super) fn usual_hour(&self, id: &str, hour: usize) -> Option<f64> {
        self.usual_hour_of(id, 0, hour)
    }

    pub(super) fn usual_hour_of(&self, id: &str, measure: u16, hour: usize) -> Option<f64> {
        self.told(id, measure, |item| item.hour(hour))
    }

    pub(super) fn last_place(&self, id: &str) -> Option<LastPlace> {
        self.last_place_of(id, 0)
    }

    pub(super) fn last_place_of(&self, id: &str, measure: u16) -> Option<LastPlace> {
        self.told(id, measure, |item| item.place())
    }
}
