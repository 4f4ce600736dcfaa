//! Made-up people: applicants for credit, most of them real, and rings that make people
//! up to borrow in their names and vanish.
//!
//! Real people live in households of one to five, of which one in a hundred is a
//! residence with up to 30 rooms; families share a phone or a device now and then. They
//! apply once, or compare a few offers, and use their account afterwards. Rings are
//!
//! - `crude`: a dozen people from one flat, two phones and three devices within days,
//!   who borrow at once. Half of the rings come back weeks later;
//! - `patient`: people made over two months, with a phone each, some to a flat as in a
//!   household, who behave for weeks before they borrow all at once;
//! - `blended`: people at addresses of real households with mailboxes like everybody's,
//!   two to a device, who borrow like one who compares offers.

use fastrand::Rng;
use serde_json::{Value as Json, json};

use super::{DAY, Events, HOUR, START, Scenario, between, chance, spread};

/// Mailboxes that everybody has.
const PROVIDERS: u32 = 12;
/// Addresses through which mobile phones, and whoever hides, come in.
const MOBILE: u32 = 40;
const PROXIES: u32 = 300;

#[derive(Clone, Debug)]
struct Applicant {
    id: String,
    truth: Json,
    joins: i64,
    address: String,
    phone: String,
    domain: String,
    /// The number that a state gives its citizens.
    number: String,
    device: String,
    /// The network at home; nothing for who comes through proxies.
    home: Option<u32>,
    name_match: f64,
    address_match: f64,
    /// How old the credit file is (days).
    file_age: f64,
    amount: f64,
    /// Days after joining on which they apply.
    applies: Vec<i64>,
    /// Visits a day, and for how many days.
    visits: f64,
    stays: i64,
    /// On which day after joining somebody finds out, and what.
    label: Option<(i64, bool)>,
}

/// All applicants, by the day on which they join.
#[derive(Debug)]
pub(super) struct World {
    coming: Vec<Applicant>,
    here: Vec<Applicant>,
    days: i64,
}

impl World {
    pub(super) fn new(scenario: &Scenario, random: &mut Rng) -> Self {
        let days = i64::from(scenario.days);
        let mut coming = Vec::new();
        let mut households = 0;
        while coming.len() < scenario.users as usize {
            household(households, scenario.users, days, random, &mut coming);
            households += 1;
        }
        coming.truncate(scenario.users as usize);
        for n in 0..scenario.attacks {
            crude(n, days, random, &mut coming);
            patient(n, days, random, &mut coming);
            blended(n, days, households, random, &mut coming);
        }
        coming.sort_by_key(|applicant| std::cmp::Reverse(applicant.joins));
        World { coming, here: Vec::new(), days }
    }

    pub(super) fn day(&mut self, day: i64, random: &mut Rng, events: &mut Events) {
        while self.coming.last().is_some_and(|next| next.joins <= day) {
            let Some(next) = self.coming.pop() else { break };
            next.join(day, random, events);
            self.here.push(next);
        }
        self.here.retain(|applicant| day < applicant.joins + applicant.stays && day < self.days);
        for applicant in &self.here {
            applicant.day(day, random, events);
        }
    }
}

/// Real people at one address.
fn household(n: u32, users: u32, days: i64, random: &mut Rng, to: &mut Vec<Applicant>) {
    let size = match random.u32(..100) {
        0 => 8 + random.usize(..23),
        roll => 1 + [30, 60, 75, 90].iter().filter(|share| roll > **share).count(),
    };
    let residence = size > 5;
    // Now and then all come at once: a campaign, an offer for families.
    let together = chance(random, 0.15).then(|| random.i64(0..days));
    for member in 0..size {
        let id = format!("user-{n:06}-{member}");
        let of_family = |random: &mut Rng, share| !residence && member > 0 && chance(random, share);
        let phone = if of_family(random, 0.35) { 0 } else { member };
        let device = if of_family(random, 0.25) { 0 } else { member };
        let domain = match random.u32(..100) {
            // Employers with a few dozen applicants each, and domains of one's own.
            0..10 => format!("firm-{}.example", random.u32(..users / 50 + 1)),
            10 => format!("{id}.example"),
            _ => format!("mail-{}.example", random.u32(..PROVIDERS)),
        };
        // Who came to the country lately, married, or moved: little fits, though all is true.
        let unsettled = chance(random, 0.07);
        let compares = chance(random, 0.15);
        let applies = if compares {
            (0..2 + random.i64(0..4)).map(|_| random.i64(0..14)).collect()
        } else {
            vec![0]
        };
        let wrongly = chance(random, 0.0015);
        to.push(Applicant {
            truth: json!(false),
            joins: match together {
                Some(day) => day + random.i64(0..3),
                None => random.i64(0..days),
            },
            address: format!("street-{n}"),
            phone: format!("phone-{n}-{phone}"),
            domain,
            number: format!("number-{id}"),
            device: format!("device-{n}-{device}"),
            home: (!chance(random, 0.05)).then_some(n),
            name_match: 1.0 - between(random, 0.0, if unsettled { 0.7 } else { 0.12 }),
            address_match: 1.0 - between(random, 0.0, if unsettled { 0.9 } else { 0.2 }),
            file_age: if unsettled {
                between(random, 1.0, 200.0)
            } else {
                between(random, 100.0, 8000.0)
            },
            amount: 1500.0 * spread(random, 0.9),
            applies,
            visits: between(random, 0.1, 0.7),
            stays: 30 + random.i64(0..120),
            label: (wrongly || chance(random, 0.08)).then(|| (20 + random.i64(0..40), wrongly)),
            id,
        });
    }
}

/// A person that a ring made up, before the ring's own ways.
fn invented(ring: &str, n: usize, joins: i64, random: &mut Rng) -> Applicant {
    let id = format!("{ring}-{n}");
    Applicant {
        truth: json!(ring),
        joins,
        address: format!("flat-{ring}"),
        phone: format!("phone-{id}"),
        domain: format!("mail-{}.example", random.u32(..PROVIDERS)),
        // Most numbers are made up as well; some are used twice.
        number: format!("number-{ring}-{}", if chance(random, 0.1) { n / 2 } else { n + 1000 }),
        device: format!("device-{ring}"),
        home: None,
        name_match: 1.0 - between(random, 0.0, 0.5),
        address_match: 1.0 - between(random, 0.0, 0.6),
        file_age: between(random, 1.0, 250.0),
        amount: 2500.0 * spread(random, 0.8),
        applies: Vec::new(),
        visits: 0.2,
        stays: 7,
        label: None,
        id,
    }
}

/// No ring is found out early, and four in ten people of one never are.
fn found_out(last: i64, random: &mut Rng) -> Option<(i64, bool)> {
    chance(random, 0.6).then(|| (last + 20 + random.i64(0..40), true))
}

/// A day in the second half on which a ring begins that takes so long.
fn begins(days: i64, takes: i64, random: &mut Rng) -> i64 {
    let first = days / 2;
    first + random.i64(0..(days - takes - first).max(1))
}

fn crude(ring: u32, days: i64, random: &mut Rng, to: &mut Vec<Applicant>) {
    let ring = format!("crude-{ring}");
    let began = begins(days, 20, random);
    let returns = chance(random, 0.5);
    for n in 0..8 + random.usize(..9) {
        let later = if returns && n > 6 { 40 + random.i64(0..20) } else { 0 };
        let mut person = invented(&ring, n, began + later + random.i64(0..8), random);
        person.phone = format!("phone-{ring}-{}", random.u32(..2));
        person.device = format!("device-{ring}-{}", random.u32(..3));
        if chance(random, 0.7) {
            person.domain = format!("{ring}.example");
        }
        person.applies = (0..3 + random.i64(0..4)).map(|_| random.i64(0..3)).collect();
        person.label = found_out(3, random);
        to.push(person);
    }
    // Somebody real lives there afterwards.
    if let Some(mut tenant) = to.iter().find(|known| known.truth == json!(false)).cloned() {
        tenant.id = format!("tenant-{ring}");
        tenant.joins = began + 30 + random.i64(0..30);
        tenant.address = format!("flat-{ring}");
        for (own, name) in [(&mut tenant.phone, "phone"), (&mut tenant.device, "device")] {
            *own = format!("{name}-tenant-{ring}");
        }
        tenant.number = format!("number-tenant-{ring}");
        tenant.label = None;
        to.push(tenant);
    }
}

fn patient(ring: u32, days: i64, random: &mut Rng, to: &mut Vec<Applicant>) {
    let ring = format!("patient-{ring}");
    let began = begins(days, 60, random);
    for n in 0..6 + random.usize(..7) {
        let mut person = invented(&ring, n, began + random.i64(0..60), random);
        person.address = format!("flat-{ring}-{}", n / 3);
        person.device = format!("device-{ring}-{}", n / 3);
        person.name_match = 1.0 - between(random, 0.0, 0.35);
        let rest = 15 + random.i64(0..20);
        person.applies = vec![0];
        person.applies.extend((0..3 + random.i64(0..4)).map(|_| rest + random.i64(0..5)));
        person.visits = 0.4;
        person.stays = rest + 6;
        person.label = found_out(rest + 5, random);
        to.push(person);
    }
}

fn blended(ring: u32, days: i64, households: u32, random: &mut Rng, to: &mut Vec<Applicant>) {
    let ring = format!("blended-{ring}");
    let began = begins(days, 40, random);
    for n in 0..4 + random.usize(..5) {
        let mut person = invented(&ring, n, began + random.i64(0..40), random);
        person.address = format!("street-{}", random.u32(..households.max(1)));
        person.device = format!("device-{ring}-{}", n / 2);
        if chance(random, 0.3) {
            person.phone = format!("phone-{ring}");
        }
        person.name_match = 1.0 - between(random, 0.0, 0.25);
        person.address_match = 1.0 - between(random, 0.0, 0.3);
        person.file_age = between(random, 30.0, 1500.0);
        person.applies = (0..2 + random.i64(0..3)).map(|_| random.i64(0..20)).collect();
        person.visits = 0.3;
        person.stays = 25;
        person.label = found_out(20, random);
        to.push(person);
    }
}

impl Applicant {
    /// Gives a name and all that belongs to it, and asks for the first credit.
    fn join(&self, day: i64, random: &mut Rng, events: &mut Events) {
        let at = START + day * DAY + 6 * HOUR + random.i64(0..HOUR);
        let opened = at - (self.file_age * DAY as f64) as i64;
        let opened = jiff::Timestamp::from_millisecond(opened).unwrap_or_default().to_string();
        let share = |x: f64| libm::round(x.clamp(0.0, 1.0) * 100.0) / 100.0;
        let signals = json!({
            "address_key": self.address,
            "phone_key": self.phone,
            "id_number_key": self.number,
            "name_match": share(self.name_match),
            "address_match": share(self.address_match),
            "credit_file_opened_at": opened,
        });
        events.report(at, &self.id, &signals);
        if let Some((after, fraud)) = self.label {
            let last = self.applies.iter().max().copied().unwrap_or_default();
            events.label(at + after * DAY, &self.id, fraud, at + (last + 1) * DAY);
        }
    }

    fn day(&self, day: i64, random: &mut Rng, events: &mut Events) {
        for _ in self.applies.iter().filter(|after| self.joins + **after == day) {
            self.asks(day, Some(self.amount * spread(random, 0.3)), random, events);
        }
        if chance(random, self.visits) {
            self.asks(day, None, random, events);
        }
    }

    fn asks(&self, day: i64, amount: Option<f64>, random: &mut Rng, events: &mut Events) {
        let at = START + day * DAY + 7 * HOUR + random.i64(0..15 * HOUR);
        let mobile = chance(random, 0.3);
        let address = match self.home {
            _ if mobile => format!("10.200.0.{}", 1 + random.u32(..MOBILE)),
            Some(home) => format!("10.{}.{}.{}", home >> 16, home >> 8 & 255, home & 255),
            None => format!("10.201.{}.{}", random.u32(..PROXIES) / 250, 1 + random.u32(..250)),
        };
        let user = json!({"type": "user", "id": self.id});
        let entities = json!({"device": self.device, "address": address, "domain": self.domain});
        let account = json!({"type": "account", "id": self.id});
        let real = self.truth == json!(false);
        let event = match amount.map(libm::round) {
            // A visit harms nobody: what counts is whether credit is given.
            None => json!({
                "at": at,
                "request": {
                    "subject": user,
                    "action": {"name": "visit"},
                    "resource": account,
                    "context": {"entities": entities},
                },
                "proves": real,
            }),
            Some(amount) => json!({
                "at": at,
                "request": {
                    "subject": user,
                    "action": {"name": "apply"},
                    "resource": account,
                    "context": {"amount": amount, "entities": entities},
                },
                "proves": real,
                "truth": self.truth,
                "then": [{"entity": user, "signals": {"credit_application": amount}}],
            }),
        };
        events.push(at, event);
    }
}
