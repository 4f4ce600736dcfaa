use super::support::{HOUR, at, house};
use crate::model::Measured;
use crate::signals::SeenPlace;

#[test]
fn the_last_place_is_kept_and_late_news_is_none() {
    let mut house = house(&[Measured::Place]);
    let berlin = SeenPlace { latitude: 52.52, longitude: 13.405, radius_km: 20.0 };
    let york = SeenPlace { latitude: 40.7128, longitude: -74.006, radius_km: 50.0 };
    assert_eq!(house.last_place("u1"), None);
    house.present("u1", Some(york), 2 * HOUR);
    house.present("u1", Some(berlin), HOUR);
    house.present("u1", None, 3 * HOUR);
    let last = house.last_place("u1").unwrap();
    assert_eq!((last.at, last.radius_km), (at(2 * HOUR), 50.0));
    assert!((last.latitude - york.latitude).abs() < 1e-4);
    assert!((last.longitude - york.longitude).abs() < 1e-4);
}

#[test]
fn a_place_that_is_nowhere_is_not_learned() {
    let mut house = house(&[Measured::Place]);
    for (latitude, longitude) in [(f64::NAN, 0.0), (91.0, 0.0), (0.0, 1e308)] {
        house.present("u1", Some(SeenPlace { latitude, longitude, radius_km: 1.0 }), 0);
    }
    assert_eq!(house.last_place("u1"), None);
}
