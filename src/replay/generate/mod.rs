//! Labelled traffic, made up. The same numbers and seed make the same file.

mod exfiltration;
mod identities;
mod takeovers;

use std::collections::BTreeMap;
use std::io::{self, Write};

use fastrand::Rng;
use serde_json::{Value as Json, json};

pub use takeovers::places;

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// 2026-01-05T00:00:00Z, a Monday.
const START: i64 = 1_767_571_200_000;

/// What is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Traffic {
    /// People at work, and who takes their accounts over
    Takeovers,
    /// People who apply for credit, and rings that make people up
    Identities,
    /// Employees who download, and insiders who take along what they can
    Exfiltration,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub traffic: Traffic,
    /// People who do no harm.
    pub users: u32,
    pub days: u32,
    /// Attacks of each of the three kinds.
    pub attacks: u32,
    pub seed: u64,
}

/// Writes the events, a line each, in the order of time. Says how many.
///
/// # Errors
/// When they can't be written.
pub fn generate(scenario: &Scenario, to: &mut impl Write) -> io::Result<u64> {
    let mut random = Rng::with_seed(scenario.seed);
    let mut events = Events::default();
    let days = i64::from(scenario.days);
    match scenario.traffic {
        Traffic::Takeovers => {
            let mut world = takeovers::World::new(scenario, &mut random);
            for day in 0..days {
                world.day(day, &mut random, &mut events);
                events.write_until(START + (day + 1) * DAY, to)?;
            }
        }
        Traffic::Identities => {
            let mut world = identities::World::new(scenario, &mut random);
            for day in 0..days {
                world.day(day, &mut random, &mut events);
                events.write_until(START + (day + 1) * DAY, to)?;
            }
        }
        Traffic::Exfiltration => {
            let mut world = exfiltration::World::new(scenario, &mut random);
            for day in 0..days {
                world.day(day, &mut random, &mut events);
                events.write_until(START + (day + 1) * DAY, to)?;
            }
        }
    }
    Ok(events.written)
}

/// Events that are still to be written, by time; those of one time as they were made.
#[derive(Debug, Default)]
struct Events {
    pending: BTreeMap<(i64, u64), Json>,
    made: u64,
    written: u64,
}

impl Events {
    fn push(&mut self, at: i64, event: Json) {
        self.pending.insert((at, self.made), event);
        self.made += 1;
    }

    fn report(&mut self, at: i64, user: &str, signals: &Json) {
        let entity = json!({"type": "user", "id": user});
        self.push(at, json!({"at": at, "report": {"entity": entity, "signals": signals}}));
    }

    /// Somebody finds out at `at` what a user did at `about`.
    fn label(&mut self, at: i64, user: &str, fraud: bool, about: i64) {
        let about = jiff::Timestamp::from_millisecond(about).unwrap_or_default().to_string();
        let label = if fraud { "fraud" } else { "legitimate" };
        let entity = json!({"type": "user", "id": user});
        self.push(at, json!({"at": at, "label": {"entity": entity, "label": label, "at": about}}));
    }

    /// Writes what happens before `end`. What would come later than the last day never does.
    fn write_until(&mut self, end: i64, to: &mut impl Write) -> io::Result<()> {
        let later = self.pending.split_off(&(end, 0));
        for event in std::mem::replace(&mut self.pending, later).values() {
            serde_json::to_writer(&mut *to, event)?;
            to.write_all(b"\n")?;
            self.written += 1;
        }
        Ok(())
    }
}

fn chance(random: &mut Rng, of: f64) -> bool {
    random.f64() < of
}

/// A number between two others.
fn between(random: &mut Rng, from: f64, to: f64) -> f64 {
    from + (to - from) * random.f64()
}

/// A factor around 1, whose logarithm is normal with this deviation.
fn spread(random: &mut Rng, sigma: f64) -> f64 {
    // Box and Muller 1958.
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - random.f64()));
    libm::exp(sigma * radius * libm::cos(std::f64::consts::TAU * random.f64()))
}
