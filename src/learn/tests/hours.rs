use super::support::{DAY, HOUR, at, house};
use crate::model::Measured;

const HOURS: Measured = Measured::Hours { half_life: 30.0 * 86_400.0 };

#[test]
fn hours_are_as_unusual_as_the_smoothed_histogram_says() {
    let mut house = house(&[HOURS]);
    let mut seen = Vec::new();
    for day in 0..60i64 {
        for hour in [9, 10, 10, 14, 23] {
            seen.push(day * DAY + hour * HOUR);
            house.present("u1", None, day * DAY + hour * HOUR);
        }
    }
    let now = *seen.last().unwrap();
    let mut weights = [0.0; 24];
    for at in &seen {
        weights[(at / HOUR % 24) as usize] += ((at - now) as f64 / (30 * DAY) as f64).exp2();
    }
    let smooth: Vec<f64> = (0..24)
        .map(|h| 0.25 * weights[(h + 23) % 24] + 0.5 * weights[h] + 0.25 * weights[(h + 1) % 24])
        .collect();
    let most = smooth.iter().copied().fold(0.0, f64::max);
    for (hour, weight) in smooth.iter().enumerate() {
        let usual = house.usual_hour("u1", hour).unwrap();
        assert!((usual - weight / most).abs() <= 1.0 / 30.0 + 1e-6, "{hour}: {usual}");
    }
    assert_eq!(house.usual_hour("u1", 4), Some(0.0));
    assert_eq!(house.usual_hour("u1", 10), Some(1.0));
}

#[test]
fn a_few_visits_say_nothing_yet() {
    let mut house = house(&[HOURS]);
    for n in 0..7 {
        house.present("u1", None, n * HOUR / 10);
        assert_eq!(house.usual_hour("u1", 0), None);
    }
    for n in 7..9 {
        house.present("u1", None, n * HOUR / 10);
    }
    assert!(house.usual_hour("u1", 0).is_some());
    house.learner.advance(at(DAY));
}
