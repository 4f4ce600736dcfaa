use super::support::{HOUR, SIGNAL, USER, house};
use crate::model::{Baseline, Count, Familiar, Measured, Quantiles, SignalId, Value};
use crate::signals::SeenContext;

/// Six measures as a busy policy has them, each as full as it gets.
#[test]
fn a_user_with_six_measures_has_at_most_a_kilobyte() {
    let baseline = Baseline { half_life: 14.0 * 86_400.0, season: None };
    let familiar = Familiar { keep: 16, forget_after: 90.0 * 86_400.0 };
    let of = |n: u16| SignalId(SIGNAL.0 + n);
    let mut house = house(&[
        Measured::Baseline { signal: of(0), baseline },
        Measured::Baseline { signal: of(1), baseline },
        Measured::Familiar { signal: of(2), familiar },
        Measured::Familiar { signal: of(3), familiar },
        Measured::Hours { half_life: 30.0 * 86_400.0 },
        Measured::Window { signal: of(4), window: 86_400.0, count: Count::Occurrences },
    ]);
    let users = 2000;
    for user in 0..users {
        let id = format!("user-{user:08}");
        for n in 0..40 {
            for signal in 0..5 {
                let value = Value::Number(f64::from(n));
                house.saw_of(of(signal), &id, value, i64::from(n) * HOUR / 4);
            }
            house.present(&id, None, i64::from(n) * HOUR / 4);
        }
    }
    let stats = house.cache.stats();
    // The cache's part beyond a record that nothing was learned of.
    let held = house.cache.read(USER, "user-00000000").unwrap();
    let hot = held.record().unwrap().learned_bytes();
    assert!(hot <= 128, "{hot} bytes of summaries");
    let cold = house.learner.bytes() / users;
    println!("{hot} bytes hot, {cold} cold; {} bytes of cache", stats.bytes / users);
    assert!(hot + cold <= 1024, "{hot} + {cold} bytes");
}

/// Where it is asked, and for each signal.
#[test]
fn how_a_number_is_spread_has_at_most_a_third_of_a_kilobyte() {
    let measured = Measured::Quantiles { signal: SIGNAL, quantiles: Quantiles { half_life: 1e6 } };
    let mut house = house(&[measured]);
    let users = 500;
    for user in 0..users {
        let id = format!("user-{user:08}");
        for n in 0..60 {
            house.saw(&id, Value::Number(f64::from(n * n)), i64::from(n) * HOUR);
        }
    }
    let held = house.cache.read(USER, "user-00000000").unwrap();
    let hot = held.record().unwrap().learned_bytes();
    let cold = house.learner.bytes() / users;
    println!("{hot} bytes hot, {cold} cold");
    assert!(hot <= 48, "{hot} bytes of summaries");
    assert!(hot + cold <= 450, "{hot} + {cold} bytes, with 96 of an empty profile");
}

/// As much as is kept of what somebody comes from and with.
#[test]
fn the_contexts_of_a_user_have_at_most_a_third_of_a_kilobyte() {
    let mut house = house(&[Measured::Context { half_life: 30.0 * 86_400.0 }]);
    let users = 500;
    for user in 0..users {
        let id = format!("user-{user:08}");
        for n in 0..20 {
            let context = SeenContext([1 + n; 7].map(|hash| hash + 100 * user as u32));
            house.came(&id, context, i64::from(n) * HOUR);
        }
    }
    let held = house.cache.read(USER, "user-00000000").unwrap();
    let hot = held.record().unwrap().learned_bytes();
    let cold = house.learner.bytes() / users;
    println!("{hot} bytes hot, {cold} cold");
    assert!(hot <= 64, "{hot} bytes of summaries");
    assert!(hot + cold <= 440, "{hot} + {cold} bytes, with 96 of an empty profile");
}
