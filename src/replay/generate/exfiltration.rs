//! Exfiltration: employees who download what their work needs, and insiders who take
//! along what they can before they resign.
//!
//! An employee belongs to a team, has systems to work with, hours, and a usual size and
//! number of downloads. All these are innocent, and look like something else: nights on
//! call, deployments, a new computer that is filled, the end of a quarter, a move to
//! another team, contractors who begin with everything at once, and a hand-over before
//! somebody leaves. Insiders have all rights of their own, can prove who they are, and
//! do their work meanwhile. They take
//!
//! - `sudden`: many days' worth within one to three days, half of it at night and half
//!   of it of systems that they never worked with;
//! - `slow`: a little more each day for five weeks, mostly at work, a quarter of it of
//!   other systems;
//! - `night`: their own systems only, in six to twelve nights.

use fastrand::Rng;
use serde_json::{Value as Json, json};

use super::{DAY, Events, HOUR, START, Scenario, between, chance, spread};

/// So many people work in a team, with so many systems of its own.
const TEAM: u32 = 12;
const TEAM_SYSTEMS: u32 = 9;
/// Systems that everybody may use.
const COMMON: u32 = 12;

/// What people do: name, downloads a day, their usual size (bytes), its spread, and
/// whether they are on call and deploy.
const ROLES: [(&str, f64, f64, f64, bool); 5] = [
    ("engineering", 9.0, 8e6, 1.2, true),
    ("operations", 8.0, 5e6, 1.2, true),
    ("finance", 7.0, 2e6, 0.9, false),
    ("sales", 5.0, 1e6, 0.8, false),
    ("support", 11.0, 5e5, 0.7, false),
];

#[derive(Debug)]
struct Employee {
    id: String,
    team: u32,
    systems: Vec<String>,
    /// When the working day begins (hours, UTC), and how long it is.
    from: i64,
    hours: i64,
    rate: f64,
    size: f64,
    sigma: f64,
    on_call: bool,
    accounts: bool,
    /// The days on which they are there.
    joins: i64,
    leaves: i64,
    contractor: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Sudden,
    Slow,
    Night,
}

#[derive(Debug)]
struct Insider {
    name: String,
    way: Way,
    employee: usize,
    from: i64,
    days: i64,
}

/// Everybody, and what some of them are up to.
#[derive(Debug)]
pub(super) struct World {
    staff: Vec<Employee>,
    insiders: Vec<Insider>,
    teams: u32,
}

/// One download.
struct Download<'d> {
    at: i64,
    system: &'d str,
    bytes: f64,
    truth: &'d Json,
}

impl World {
    pub(super) fn new(scenario: &Scenario, random: &mut Rng) -> Self {
        let days = i64::from(scenario.days);
        let teams = scenario.users.div_ceil(TEAM).max(1);
        let mut staff: Vec<Employee> =
            (0..scenario.users).map(|n| Employee::new(n, days, random)).collect();
        let mut insiders = Vec::new();
        for n in 0..scenario.attacks {
            for (name, way) in [("sudden", Way::Sudden), ("slow", Way::Slow), ("night", Way::Night)]
            {
                let takes = match way {
                    Way::Sudden => 1 + random.i64(0..3),
                    Way::Slow => 35,
                    Way::Night => 6 + random.i64(0..7),
                };
                let half = days / 2;
                let from = half + random.i64(0..(days - half - takes).max(1));
                let employee = random.usize(..staff.len().max(1));
                let Some(person) = staff.get_mut(employee) else { continue };
                // One at a time, and nobody whom others hardly know.
                if person.contractor || person.leaves < days || person.joins + 30 > from {
                    continue;
                }
                // They resign when they have it all, and are gone two weeks later.
                person.leaves = from + takes + 14;
                let name = format!("{name}-{n}");
                insiders.push(Insider { name, way, employee, from, days: takes });
            }
        }
        World { staff, insiders, teams }
    }

    pub(super) fn day(&mut self, day: i64, random: &mut Rng, events: &mut Events) {
        let teams = self.teams;
        for employee in &mut self.staff {
            if (employee.joins..employee.leaves).contains(&day) {
                employee.day(day, teams, random, events);
            }
        }
        for insider in &self.insiders {
            let Some(employee) = self.staff.get(insider.employee) else { continue };
            if (insider.from..insider.from + insider.days).contains(&day) {
                insider.day(employee, day, teams, random, events);
            }
            // Six in ten are found out, weeks later.
            if day == insider.from + insider.days && chance(random, 0.6) {
                let last = START + day * DAY;
                events.label(last + (10 + random.i64(0..30)) * DAY, &employee.id, true, last);
            }
        }
    }
}

impl Employee {
    fn new(n: u32, days: i64, random: &mut Rng) -> Self {
        let team = n / TEAM;
        let (_, rate, size, sigma, on_call) =
            ROLES.get(team as usize % ROLES.len()).copied().unwrap_or(("", 1.0, 1.0, 1.0, false));
        let contractor = chance(random, 0.06);
        let (mut joins, mut leaves) = (0, i64::MAX);
        if contractor {
            joins = random.i64(0..days);
            leaves = joins + 30 + random.i64(0..60);
        } else if chance(random, 0.15) {
            joins = random.i64(0..days);
        }
        if !contractor && chance(random, 0.06) {
            leaves = joins + 20 + random.i64(0..days);
        }
        let mut employee = Employee {
            id: format!("user-{n:05}"),
            team,
            systems: Vec::new(),
            from: if contractor { 5 + random.i64(0..12) } else { 6 + random.i64(0..4) },
            hours: 8 + random.i64(0..3),
            rate: rate * spread(random, 0.3),
            size: size * spread(random, 0.5),
            sigma,
            on_call,
            accounts: team as usize % ROLES.len() == 2,
            joins,
            leaves,
            contractor,
        };
        employee.join_team(team, random);
        employee
    }

    fn join_team(&mut self, team: u32, random: &mut Rng) {
        self.team = team;
        let mut systems: Vec<String> = (0..TEAM_SYSTEMS).map(|s| of_team(team, s)).collect();
        random.shuffle(&mut systems);
        systems.truncate(4 + random.usize(..4));
        systems.extend((0..3).map(|_| common(random)));
        self.systems = systems;
    }

    /// Mostly the first ones.
    fn own_system<'s>(&'s self, random: &mut Rng) -> &'s str {
        let at = self.systems.len() as f64 * random.f64() * random.f64();
        self.systems.get(at as usize).map_or("", String::as_str)
    }

    /// A system of one's team that one may never have worked with.
    fn any_of_team(&self, random: &mut Rng) -> String {
        of_team(self.team, random.u32(..TEAM_SYSTEMS))
    }

    fn bytes(&self, random: &mut Rng) -> f64 {
        self.size * spread(random, self.sigma)
    }

    fn day(&mut self, day: i64, teams: u32, random: &mut Rng, events: &mut Events) {
        let innocent = json!(false);
        let midnight = START + day * DAY;
        let weekend = day % 7 >= 5;
        if chance(random, 0.0008) {
            self.join_team(random.u32(..teams), random);
        }
        // On call for a week in eight: some nights are short.
        let called = self.on_call && (day / 7 + i64::from(self.team)) % 8 == 0;
        if called && chance(random, 0.12) {
            let at = midnight + random.i64(0..24) * HOUR;
            for n in 0..3 + random.i64(0..8) {
                let system = self.any_of_team(random);
                let (at, bytes) = (at + n * 240_000, 3.0 * self.bytes(random));
                self.download(&Download { at, system: &system, bytes, truth: &innocent }, events);
            }
        }
        let there = if weekend { 0.05 } else { 0.93 };
        if !chance(random, there) {
            return;
        }
        // The end of a quarter is busy for those who keep accounts.
        let busy = self.accounts && (80..90).contains(&(day % 91));
        // Contractors fetch everything first, and who leaves hands over last.
        let fetching = self.contractor && day < self.joins + 3;
        let handing_over = (self.leaves - 4..self.leaves).contains(&day);
        let factor = if fetching {
            4.0
        } else if busy || handing_over {
            2.5
        } else {
            1.0
        };
        let count = libm::round(self.rate * factor * between(random, 0.4, 1.6)) as i64;
        for _ in 0..count {
            let late = chance(random, 0.03);
            let hour = if late { random.i64(0..24) } else { self.from + random.i64(0..self.hours) };
            let at = midnight + hour % 24 * HOUR + random.i64(0..HOUR);
            let other = chance(random, 0.015).then(|| common(random));
            let system = other.as_deref().unwrap_or_else(|| self.own_system(random));
            let bytes = self.bytes(random);
            self.download(&Download { at, system, bytes, truth: &innocent }, events);
        }
        // Deployments, in the evening; and new computers.
        let deploys = self.on_call && chance(random, 0.03);
        let replaced = chance(random, 0.002);
        let (began, more, larger) = match (deploys, replaced) {
            (_, true) => (self.from, 40 + random.i64(0..40), 2.0),
            (true, _) => (19 + random.i64(0..3), 4 + random.i64(0..8), 5.0),
            _ => return,
        };
        for n in 0..more {
            let at = midnight + began % 24 * HOUR + n * 100_000;
            let (system, bytes) = (self.own_system(random), larger * self.bytes(random));
            self.download(&Download { at, system, bytes, truth: &innocent }, events);
        }
    }

    fn download(&self, download: &Download<'_>, events: &mut Events) {
        let Download { at, system, bytes, truth } = download;
        let bytes = libm::round(*bytes);
        let entity = json!({"type": "user", "id": self.id});
        let request = json!({
            "subject": entity,
            "action": {"name": "download"},
            "resource": {"type": "repository", "id": system},
            "context": {"bytes": bytes, "entities": {"device": format!("laptop-{}", self.id)}},
        });
        let then = json!([{
            "entity": entity,
            "signals": {"download_bytes": bytes, "system": system},
        }]);
        let event =
            json!({"at": at, "request": request, "proves": true, "truth": truth, "then": then});
        events.push(*at, event);
    }
}

impl Insider {
    fn day(&self, own: &Employee, day: i64, teams: u32, random: &mut Rng, events: &mut Events) {
        let truth = json!(self.name);
        let midnight = START + day * DAY;
        let usual = own.rate.max(2.0);
        let since = (day - self.from) as f64 / self.days as f64;
        let (count, elsewhere, at_night, larger) = match self.way {
            Way::Sudden => (usual * between(random, 3.0, 9.0), 0.5, 0.5, 2.5),
            Way::Slow => (usual * between(random, 0.2, 0.4 + 1.4 * since), 0.25, 0.1, 1.3),
            Way::Night => (usual * between(random, 0.7, 2.0), 0.0, 1.0, 2.0),
        };
        let weekend = day % 7 >= 5;
        if self.way == Way::Slow && weekend {
            return;
        }
        let night = (own.from + own.hours + 2 + random.i64(0..8)) % 24;
        for n in 0..libm::round(count).max(1.0) as i64 {
            let at = if chance(random, at_night) {
                midnight + night * HOUR + n * 60_000 + random.i64(0..30_000)
            } else {
                midnight + (own.from + random.i64(0..own.hours)) % 24 * HOUR + random.i64(0..HOUR)
            };
            let other = chance(random, elsewhere).then(|| {
                let team = if chance(random, 0.5) { own.team } else { random.u32(..teams) };
                of_team(team, random.u32(..TEAM_SYSTEMS))
            });
            let system = other.as_deref().unwrap_or_else(|| own.own_system(random));
            let bytes = larger * own.bytes(random);
            own.download(&Download { at, system, bytes, truth: &truth }, events);
        }
    }
}

fn of_team(team: u32, system: u32) -> String {
    format!("team-{team}-{system}")
}

fn common(random: &mut Rng) -> String {
    format!("common-{}", random.u32(..COMMON))
}
