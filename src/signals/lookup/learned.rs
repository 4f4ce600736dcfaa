//! Functions of learned state: a record's summary and what the request says.

use super::LookUp;
use crate::model::{
    ContextFrom, EntityKind, MeasureId, Reading, SlotId, TravelFrom, Type, Value, View,
};
use crate::signals::context::{SeenContext, rarity};
use crate::signals::learned::{Grid, Item, LastPlace};

/// Deviations are told up to here.
const MOST_DEVIATION: f64 = 100.0;
/// Places seen within so short a time are taken for seen so long after another (hours).
const LEAST_HOURS: f64 = 1.0 / 60.0;
/// Mean radius of the earth (IUGG).
const EARTH_KM: f64 = 6371.0088;

impl<'v> LookUp<'v, '_> {
    fn summary(&self, kind: EntityKind, measure: MeasureId) -> Option<Item<'v>> {
        self.record(kind)?.summary(measure)
    }

    /// `familiar(signal, value)`
    pub(super) fn familiar(
        &self,
        kind: EntityKind,
        measure: MeasureId,
        value: Value<'v>,
    ) -> Value<'v> {
        let familiar = self
            .sources
            .cache
            .value_hash(value)
            .and_then(|hash| Some(self.summary(kind, measure)?.is_familiar(hash)));
        familiar.map_or(Value::Missing, Value::Bool)
    }

    /// `deviation(value, signal)`: as fresh as the value, and as sure as much is known.
    pub(super) fn deviation(
        &self,
        kind: EntityKind,
        measure: MeasureId,
        of: Reading<'v>,
    ) -> Reading<'v> {
        let (Value::Number(x) | Value::Duration(x)) = of.value else { return Reading::MISSING };
        if self.request.entities.get(kind).is_none() {
            return Reading::MISSING;
        }
        let known = self.summary(kind, measure).map(Item::usual);
        let Some(usual) = known.or_else(|| self.sources.cache.priors().get(measure)) else {
            return Reading::MISSING;
        };
        let deviations = (x - usual.mean) / usual.deviation.max(usual.least_deviation());
        let value = Value::number(deviations.clamp(-MOST_DEVIATION, MOST_DEVIATION));
        Reading { value, freshness: of.freshness * usual.confidence() }
    }

    /// How the values of a number are spread: of the entity, else of all.
    fn grid(&self, kind: EntityKind, measure: MeasureId) -> Option<Grid> {
        self.request.entities.get(kind)?;
        let known = self.summary(kind, measure).map(Item::grid);
        known.or_else(|| self.sources.cache.priors().grid(measure))
    }

    /// `percentile(value, signal)`: as fresh as the value, and as sure as much is known.
    pub(super) fn percentile(
        &self,
        kind: EntityKind,
        measure: MeasureId,
        of: Reading<'v>,
    ) -> Reading<'v> {
        let (Value::Number(x) | Value::Duration(x)) = of.value else { return Reading::MISSING };
        let Some(grid) = self.grid(kind, measure) else { return Reading::MISSING };
        let value = Value::number(grid.percentile(x));
        Reading { value, freshness: of.freshness * grid.confidence() }
    }

    /// `quantile(signal, share)`: as sure as much is known.
    pub(super) fn quantile(
        &self,
        kind: EntityKind,
        measure: MeasureId,
        share: f64,
        ty: Type,
    ) -> Reading<'v> {
        let Some(grid) = self.grid(kind, measure) else { return Reading::MISSING };
        let x = grid.quantile(share);
        let value = if ty == Type::Duration { Value::Duration(x) } else { Value::number(x) };
        Reading { value, freshness: grid.confidence() }
    }

    /// `unusual_hour(entity)`
    pub(super) fn unusual_hour(&self, kind: EntityKind, measure: MeasureId) -> Value<'v> {
        let hour = self.request.now.millis().div_euclid(3_600_000).rem_euclid(24) as usize;
        let usual = self.summary(kind, measure).map(|hours| hours.hour(hour));
        usual.map_or(Value::Missing, |usual| Value::Number(1.0 - usual))
    }

    /// `rarity(entity)`: as sure as much is known of the entity.
    pub(super) fn rarity(
        &self,
        kind: EntityKind,
        measure: MeasureId,
        from: &ContextFrom,
        view: &View<'v>,
    ) -> Reading<'v> {
        if self.request.entities.get(kind).is_none() {
            return Reading::MISSING;
        }
        let known = self.summary(kind, measure);
        if known.is_none() && !self.sources.cache.priors().knows_contexts(measure) {
            return Reading::MISSING;
        }
        let context = SeenContext::of(view, from, self.sources.cache);
        rarity(known, &context).map_or(Reading::MISSING, |rarity| Reading {
            value: Value::number(rarity.risk),
            freshness: rarity.confidence,
        })
    }

    /// `rate(signal, window)` and its like.
    pub(super) fn window(&self, kind: EntityKind, measure: MeasureId) -> Value<'v> {
        self.summary(kind, measure).map_or(Value::Missing, |item| Value::number(item.window()))
    }

    /// `travel_speed(entity, geo(ip))`, in km/h.
    pub(super) fn travel_speed(
        &self,
        kind: EntityKind,
        measure: MeasureId,
        from: &TravelFrom,
        view: &View<'v>,
    ) -> Value<'v> {
        let number = |slot: SlotId| match view.read(slot).value {
            Value::Number(x) => Some(x),
            _ => None,
        };
        // Who comes through a known exit may be anywhere: that is no travel.
        if from.excused.iter().any(|slot| view.read(*slot).value == Value::Bool(true)) {
            return Value::Number(0.0);
        }
        let here = number(from.latitude).zip(number(from.longitude));
        let last = self.summary(kind, measure).map(Item::place);
        let (Some((latitude, longitude)), Some(last)) = (here, last) else {
            return Value::Missing;
        };
        let radius = number(from.radius).unwrap_or(0.0);
        let away = distance_km(latitude, longitude, &last);
        let km = (away - radius.max(0.0) - last.radius_km).max(0.0);
        let hours = (self.request.now.seconds_since(last.at) / 3600.0).max(LEAST_HOURS);
        Value::number(km / hours)
    }
}

/// The great circle's length (haversine formula, with the functions of `libm`: the same
/// last bit on each system).
fn distance_km(latitude: f64, longitude: f64, to: &LastPlace) -> f64 {
    let (from, until) = (latitude.to_radians(), to.latitude.to_radians());
    let half = |difference: f64| {
        let sine = libm::sin(difference / 2.0);
        sine * sine
    };
    let turn = half((longitude - to.longitude).to_radians());
    let chord = half(from - until) + libm::cos(from) * libm::cos(until) * turn;
    2.0 * EARTH_KM * libm::asin(libm::sqrt(chord.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn distances_are_those_of_the_globe() {
        let at = |latitude, longitude| LastPlace {
            at: Timestamp::EPOCH,
            latitude,
            longitude,
            radius_km: 0.0,
        };
        // A quarter of a great circle, and one degree of the equator.
        let quarter = EARTH_KM * std::f64::consts::FRAC_PI_2;
        assert!((distance_km(0.0, 0.0, &at(0.0, 90.0)) - quarter).abs() < 1e-6);
        assert!((distance_km(90.0, 12.0, &at(0.0, -77.0)) - quarter).abs() < 1e-6);
        assert!((distance_km(0.0, 179.5, &at(0.0, -179.5)) - quarter / 90.0).abs() < 1e-6);
        // Berlin to New York.
        let away = distance_km(52.52, 13.405, &at(40.7128, -74.006));
        assert!((away - 6385.0).abs() < 5.0, "{away}");
        // London to New York: 5570 km, as tables of distances have it.
        let away = distance_km(51.5074, -0.1278, &at(40.7128, -74.006));
        assert!((away - 5570.0).abs() < 1.0, "{away}");
        // Nashville's airport to that of Los Angeles: 2887.2599506 km on a globe of 6372.8 km
        // (Rosetta Code, "Haversine formula").
        let away = distance_km(36.12, -86.67, &at(33.94, -118.40)) / EARTH_KM * 6372.8;
        assert!((away - 2_887.259_950_6).abs() < 1e-6, "{away}");
    }
}
