//! Where an entity was seen last.

use super::words::{self, Head, number, word_of};
use crate::model::Timestamp;
use crate::signals::{LastPlace, SeenPlace, Summary};

/// The last place, where one is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PlaceState(Option<LastPlace>);

impl PlaceState {
    pub(super) fn read(_: Head, words: &[u64]) -> Self {
        let &[at, latitude, longitude, radius] = words else { return Self::default() };
        PlaceState(Some(LastPlace {
            at: words::from_millis(at),
            latitude: number(latitude),
            longitude: number(longitude),
            radius_km: number(radius),
        }))
    }

    pub(super) fn write(&self, words: &mut Vec<u64>) {
        if let Some(place) = &self.0 {
            words.push(words::millis(place.at));
            words.extend([place.latitude, place.longitude, place.radius_km].map(word_of));
        }
    }

    /// A place that comes late is no news.
    pub(super) fn observe(&mut self, seen: SeenPlace, at: Timestamp) {
        let valid = seen.latitude.abs() <= 90.0 && seen.longitude.abs() <= 180.0;
        if valid && self.0.is_none_or(|last| last.at <= at) {
            self.0 = Some(LastPlace {
                at,
                latitude: seen.latitude,
                longitude: seen.longitude,
                radius_km: seen.radius_km.max(0.0),
            });
        }
    }

    pub(super) fn summary(&self) -> Option<Summary> {
        self.0.map(Summary::Place)
    }
}
