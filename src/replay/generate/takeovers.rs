//! Takeovers: people with habits, and attackers who have their credentials.
//!
//! A person has one or two devices, lives in a country, works at some hours, now and
//! then travels, buys a new device or works at night, and makes transfers of a usual
//! size. An attacker has a person's credentials and comes
//!
//! - `naive`: with a device of their own, from anywhere, at any hour;
//! - `country`: with a device of their own, from the person's country;
//! - `device`: with the person's device id and country (a stolen session), at any hour,
//!   for larger transfers.
//!
//! These are the attackers of Freeman et al. (NDSS 2016), who know more and more.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value as Json, json};

use super::super::world::PlaceLine;
use super::{DAY, Events, HOUR, START, Scenario};

/// Countries with the degrees of a city: the second byte of an address says which.
const COUNTRIES: [(&str, f64, f64); 12] = [
    ("DE", 52.5, 13.4),
    ("FR", 48.9, 2.4),
    ("US", 40.7, -74.0),
    ("GB", 51.5, -0.1),
    ("ES", 40.4, -3.7),
    ("IT", 41.9, 12.5),
    ("PL", 52.2, 21.0),
    ("NL", 52.4, 4.9),
    ("SE", 59.3, 18.1),
    ("BR", -23.6, -46.6),
    ("IN", 28.6, 77.2),
    ("JP", 35.7, 139.7),
];

/// Where the addresses of made-up traffic are, by network.
pub fn places() -> BTreeMap<String, PlaceLine> {
    let place = |(n, (country, lat, lon)): (usize, &(&str, f64, f64))| {
        let place = PlaceLine {
            country: Some((*country).to_owned()),
            lat: Some(*lat),
            lon: Some(*lon),
            radius_km: Some(50.0),
        };
        (format!("10.{n}.0.0/16"), place)
    };
    COUNTRIES.iter().enumerate().map(place).collect()
}

#[derive(Debug)]
struct Person {
    id: String,
    country: usize,
    devices: Vec<String>,
    /// Hours of the day, UTC.
    from: i64,
    hours: i64,
    amount: f64,
    visits: f64,
}

/// Everybody, and what is still to come.
#[derive(Debug)]
pub(super) struct World {
    people: Vec<Person>,
    attacks: Vec<Attack>,
}

impl World {
    pub(super) fn new(scenario: &Scenario, random: &mut Rng) -> Self {
        let people = (0..scenario.users).map(|n| Person::new(n, random)).collect();
        World { people, attacks: attacks(scenario, random) }
    }

    pub(super) fn day(&mut self, day: i64, random: &mut Rng, events: &mut Events) {
        for person in &mut self.people {
            person.day(day, random, events);
        }
        let people = &self.people;
        self.attacks.retain(|attack| {
            if attack.day != day {
                return true;
            }
            if let Some(person) = people.get(attack.user) {
                attack.write(person, random, events);
            }
            false
        });
    }
}

impl Person {
    fn new(n: u32, random: &mut Rng) -> Self {
        let devices = 1 + random.usize(..2);
        Person {
            id: format!("user-{n:06}"),
            country: random.usize(..COUNTRIES.len()),
            devices: (0..devices).map(|d| format!("device-{n:06}-{d}")).collect(),
            from: random.i64(5..14),
            hours: random.i64(6..11),
            // From tens to thousands, most of them small.
            amount: 20.0 * libm::exp(random.f64() * 5.0),
            visits: 0.5 + 3.0 * random.f64(),
        }
    }

    fn day(&mut self, day: i64, random: &mut Rng, events: &mut Events) {
        if random.f64() < 0.003 {
            let n = self.devices.len();
            self.devices.push(format!("{}-new-{n}", self.id));
        }
        let away = random.f64() < 0.01;
        let country = if away { random.usize(..COUNTRIES.len()) } else { self.country };
        let working = day % 7 < 5 || random.f64() < 0.3;
        let visits = if working { libm::round(self.visits * 2.0 * random.f64()) as i64 } else { 0 };
        for _ in 0..visits {
            let night = random.f64() < 0.02;
            let hour =
                if night { random.i64(0..24) } else { self.from + random.i64(0..self.hours) };
            let at = START + day * DAY + hour % 24 * HOUR + random.i64(0..HOUR);
            // The newest device is used the most.
            let back = if random.f64() < 0.8 { 1 } else { 1 + random.usize(..self.devices.len()) };
            let device = self.devices.len().checked_sub(back).and_then(|d| self.devices.get(d));
            let device = device.map_or("device", String::as_str);
            let amount = self.amount * libm::exp((random.f64() - 0.5) * 1.2);
            self.visit(at, country, device, amount, &json!(false), random, events);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a line has so many parts")]
    fn visit(
        &self,
        at: i64,
        country: usize,
        device: &str,
        amount: f64,
        truth: &Json,
        random: &mut Rng,
        events: &mut Events,
    ) {
        let amount = libm::round(amount * 100.0) / 100.0;
        // 10.0.0.0/8, a second byte for each country.
        let address = format!("10.{country}.{}.{}", random.u8(..), random.u8(1..255));
        let request = json!({
            "subject": {"type": "user", "id": self.id},
            "action": {"name": "transfer"},
            "resource": {"type": "account", "id": self.id},
            "context": {
                "amount": amount,
                "entities": {"device": device, "address": address},
            },
        });
        let own = *truth == json!(false);
        events.push(at, json!({"at": at, "request": request, "proves": own, "truth": truth}));
        if own {
            events.report(at + 1, &self.id, &json!({"transfer_amount": amount}));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knows {
    Credentials,
    Country,
    Device,
}

#[derive(Debug)]
struct Attack {
    name: String,
    knows: Knows,
    user: usize,
    day: i64,
}

/// None in the first half: people have to be known first.
fn attacks(scenario: &Scenario, random: &mut Rng) -> Vec<Attack> {
    let kinds =
        [("naive", Knows::Credentials), ("country", Knows::Country), ("device", Knows::Device)];
    let days = i64::from(scenario.days.max(2));
    let mut attacks = Vec::new();
    for (name, knows) in kinds {
        for n in 0..scenario.attacks {
            let user = random.usize(..scenario.users.max(1) as usize);
            let day = random.i64(days / 2..days);
            attacks.push(Attack { name: format!("{name}-{n}"), knows, user, day });
        }
    }
    attacks
}

impl Attack {
    fn write(&self, person: &Person, random: &mut Rng, events: &mut Events) {
        let began = START + self.day * DAY + random.i64(0..20 * HOUR);
        let country = match self.knows {
            Knows::Credentials => random.usize(..COUNTRIES.len()),
            _ => person.country,
        };
        let own = format!("attacker-{}", self.name);
        let device = match (self.knows, person.devices.last()) {
            (Knows::Device, Some(device)) => device.clone(),
            _ => own,
        };
        for n in 0..3 + random.i64(0..5) {
            let at = began + n * 120_000 + random.i64(0..60_000);
            let amount = person.amount * (3.0 + 10.0 * random.f64());
            person.visit(at, country, &device, amount, &json!(self.name), random, events);
        }
    }
}
