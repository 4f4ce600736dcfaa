use proptest::prelude::*;

use super::support::{DAY, HOUR, House, at, house};
use crate::learn::contexts::ContextState;
use crate::learn::crowd::Crowd;
use crate::learn::words::Head;
use crate::model::Measured;
use crate::signals::{Rarity, SeenContext, rarity};

const HALF_LIFE: f64 = 30.0 * 86_400.0;
const CONTEXT: Measured = Measured::Context { half_life: HALF_LIFE };

/// What a login comes from and with: a number a level, 0 where it isn't known.
type Login = [u32; 7];

/// Numbers as hashes, each level's apart.
fn hashed(login: Login) -> SeenContext {
    let mut level = 0;
    SeenContext(login.map(|value| {
        level += 1;
        let spread = (value ^ level << 24).wrapping_mul(0x9e37_79b1);
        if value == 0 { 0 } else { (spread ^ spread >> 15).wrapping_mul(0x85eb_ca77).max(1) }
    }))
}

/// All logins, kept: (who, when, what counted of it).
#[derive(Default)]
struct Logins(Vec<(usize, i64, Login)>);

impl Logins {
    /// A feature counts unless the same one of the same user counted within the hour.
    fn add(&mut self, user: usize, millis: i64, login: Login) {
        let mut counted = login;
        for levels in [0..3, 3..7] {
            let finest = levels.start;
            let recent = self.0.iter().any(|(who, when, kept)| {
                *who == user && millis - when < HOUR && kept[finest] == login[finest]
            });
            if recent || login[finest] == 0 {
                counted[levels].fill(0);
            }
        }
        self.0.push((user, millis, counted));
    }

    /// The weighted number of logins on a level, of those that pass.
    fn count(&self, level: usize, now: i64, of: impl Fn(usize, u32) -> bool) -> f64 {
        let logins =
            self.0.iter().filter(|(user, _, login)| login[level] != 0 && of(*user, login[level]));
        logins.map(|(_, at, _)| ((at - now) as f64 / 1e3 / HALF_LIFE).exp2()).sum()
    }

    /// The published formula, from scratch: the product over features of p(x) / p(x | user).
    fn rarity(&self, user: usize, now: i64, login: Login) -> f64 {
        let shares = [0.6, 0.3, 0.1, 0.5, 0.25, 0.2, 0.05];
        let mut ratio = 1.0;
        for levels in [0..3, 3..7] {
            if login[levels.start] == 0 {
                continue;
            }
            // With p(x) as the unit; p(x | x on the level) is p(x) / p(x on the level).
            let (mut of_user, mut all) = (0.0, 0.0);
            for level in levels.filter(|level| login[*level] != 0) {
                let own = self.count(level, now, |who, _| who == user);
                let own_value = self.count(level, now, |who, it| who == user && it == login[level]);
                let value = self.count(level, now, |_, it| it == login[level]);
                let anybody = self.count(level, now, |_, _| true);
                let prior = (4.0 / (4.0 + own)).powi(2);
                let lift = if own_value > 0.0 { own_value / own / (value / anybody) } else { 0.0 };
                of_user += shares[level] * (prior + (1.0 - prior) * lift);
                all += shares[level];
            }
            ratio /= 0.02 + 0.98 * of_user / all;
        }
        ratio / (ratio + 10.0)
    }
}

/// Few values a level, the coarser ones told by the finer ones, as networks do.
fn login() -> impl Strategy<Value = Login> {
    let known = prop_oneof![9 => Just(true), 1 => Just(false)];
    (1u32..5, 1u32..4, known.clone(), known).prop_map(|(ip, agent, located, addressed)| {
        let address = if addressed { ip } else { 0 };
        let network = if addressed { ip.div_ceil(2) } else { 0 };
        let country = if addressed && located { 1 + ip / 4 } else { 0 };
        [address, network, country, agent, agent.div_ceil(2), 1 + agent / 3, 1]
    })
}

proptest! {
    #[test]
    fn rarity_is_the_likelihood_ratio_of_all_logins_kept(
        steps in prop::collection::vec((0usize..4, 0i64..30 * HOUR, login(), login()), 1..60),
    ) {
        let mut house = house(&[CONTEXT]);
        let (mut logins, mut now) = (Logins::default(), 0);
        for (user, after, login, asked) in steps {
            now += after / 1000 * 1000;
            let id = format!("u{user}");
            logins.add(user, now, login);
            house.came(&id, hashed(login), now);
            for asked in [asked, login] {
                let found = house.rarity_of(&id, 0, &hashed(asked)).unwrap();
                let expected = logins.rarity(user, now, asked);
                prop_assert!((found.risk - expected).abs() < 0.04, "{found:?}, not {expected}");
            }
        }
    }

    /// Before it is rounded for the record: to the last digits that counts have.
    #[test]
    fn lifts_are_exact_before_they_are_rounded(
        steps in prop::collection::vec((0usize..3, 0i64..30 * HOUR, login()), 1..60),
    ) {
        let (mut logins, mut now) = (Logins::default(), 0);
        let mut states = [(); 3].map(|()| ContextState::default());
        let mut crowd = Crowd::new(at(0));
        for (user, after, login) in steps {
            now += after / 1000 * 1000;
            logins.add(user, now, login);
            let state = &mut states[user];
            let counted = state.observe(&hashed(login), at(now), HALF_LIFE);
            prop_assert_eq!(counted, hashed(logins.0.last().unwrap().2));
            crowd.observe(&counted, at(now), HALF_LIFE);
            let lifts = state.lifts(&crowd, at(now), HALF_LIFE);
            for level in 0..7 {
                let own = logins.count(level, now, |who, _| who == user);
                prop_assert!((lifts.weights[level] - own).abs() < 1e-4 * own.max(1.0));
                let value = login[level];
                if value == 0 { continue; }
                let share = logins.count(level, now, |who, it| who == user && it == value) / own;
                let anybody = logins.count(level, now, |_, it| it == value)
                    / logins.count(level, now, |_, _| true);
                let hash = hashed(login).0[level];
                let found = lifts.values.iter().find(|(known, _)| *known == hash);
                // A place may come to be known within the hour, and not count.
                prop_assert_eq!(found.is_some(), share > 0.0);
                let Some((_, lift)) = found else { continue };
                prop_assert!((lift * anybody / share - 1.0).abs() < 1e-4, "{}", lift);
            }
            // What is kept is all there is.
            let mut words = Vec::new();
            state.write(&mut words);
            let head = Head { measure: 0, words: words.len() as u16, time: state.at };
            prop_assert_eq!(&ContextState::read(head, &words), state);
            let words = crowd.write();
            let head = Head { measure: 0, words: words.len() as u16, time: crowd.at };
            prop_assert_eq!(Crowd::read(head, &words).unwrap(), crowd.clone());
        }
    }
}

const HOME: Login = [100, 11, 1, 300, 40, 51, 61];

/// Three hundred users for two months: two countries with five networks each, five browsers
/// on three systems, an address and a user agent of everyone's own. The user of interest
/// comes from [`HOME`].
fn town() -> House {
    let mut house = house(&[CONTEXT]);
    for day in 0..60i64 {
        for user in 0..300u32 {
            let (network, browser) = (user * 7 % 10, user * 13 % 5);
            let login = [
                1000 + user,
                20 + network,
                1 + u32::from(network >= 6),
                2000 + user % 60,
                40 + browser,
                51 + browser % 3,
                61 + u32::from(browser == 4),
            ];
            house.came(
                &format!("other-{user}"),
                hashed(login),
                day * DAY + i64::from(user) * 60_000,
            );
        }
        house.came("u1", hashed([100, 21, 1, 2007, 42, 51, 61]), day * DAY + 9 * HOUR);
    }
    house
}

#[test]
fn the_more_of_a_context_is_unlike_the_user_the_riskier_it_is() {
    let house = town();
    let home = [100, 21, 1, 2007, 42, 51, 61];
    let with = |change: &[(usize, u32)]| {
        let mut login = home;
        for (level, value) in change {
            login[*level] = *value;
        }
        house.rarity_of("u1", 0, &hashed(login)).unwrap()
    };
    let new_address = with(&[(0, 9)]);
    let new_network = with(&[(0, 9), (1, 9)]);
    let new_country = with(&[(0, 9), (1, 9), (2, 9)]);
    let new_agent = with(&[(3, 9)]);
    let new_device = with(&[(3, 9), (4, 9), (5, 9), (6, 9)]);
    // Who has found out the country and the browser, and rents an address there.
    let targeted = with(&[(0, 9), (1, 9), (3, 9)]);
    // Who has found out nothing, but comes with the commonest of everything.
    let naive = with(&[(0, 9), (1, 28), (2, 2), (3, 2008), (4, 41), (5, 52), (6, 61)]);
    let all_new = with(&[(0, 9), (1, 9), (2, 9), (3, 9), (4, 9), (5, 9), (6, 9)]);
    let shown = [with(&[]), new_address, new_network, new_country, new_agent, new_device];
    println!("{:.4?}", shown.map(|r| r.risk));
    println!("{:.4?}", [targeted, naive, all_new].map(|r| r.risk));
    let is_ascending = |risks: &[Rarity]| {
        assert!(risks.windows(2).all(|pair| pair[0].risk < pair[1].risk), "{risks:?}");
    };
    is_ascending(&[with(&[]), new_address, new_network, new_country, all_new]);
    is_ascending(&[with(&[]), new_agent, new_device, all_new]);
    is_ascending(&[new_network, targeted, naive, all_new]);
    is_ascending(&[new_agent, targeted]);
    is_ascending(&[new_country, all_new]);
    assert!(with(&[]).risk < 0.001 && new_address.risk < 0.01, "as ever");
    assert!((0.05..0.5).contains(&new_country.risk), "travelling with the own device");
    assert!(targeted.risk > new_address.risk + 0.05);
    assert!(naive.risk > 0.8 && all_new.risk > 0.98);
    assert!(shown.iter().all(|rarity| rarity.confidence > 0.85));
}

#[test]
fn who_is_new_is_unknown_and_not_risky() {
    let mut house = town();
    let anybody = hashed(HOME);
    let unseen = rarity(None, &anybody).unwrap();
    assert_eq!((unseen.risk, unseen.confidence), (1.0 / 11.0, 0.0));
    let mut before = unseen;
    for n in 0..8 {
        house.came("new", hashed(HOME), 60 * DAY + n * DAY);
        let other = house.rarity_of("new", 0, &hashed([9; 7])).unwrap();
        let same = house.rarity_of("new", 0, &anybody).unwrap();
        assert!(other.risk > before.risk && other.confidence > before.confidence, "{other:?}");
        assert!(same.risk < 0.01, "{same:?}");
        before = other;
    }
    assert!(before.risk > 0.8, "{before:?}");
    assert_eq!(rarity(None, &SeenContext::default()), None, "nothing of it is known");
}

#[test]
fn a_context_counts_once_an_hour() {
    let mut house = town();
    let thief = hashed([9; 7]);
    let before = house.rarity_of("u1", 0, &thief).unwrap();
    house.came("u1", thief, 61 * DAY);
    let once = house.rarity_of("u1", 0, &thief).unwrap();
    for n in 0..500 {
        house.came("u1", thief, 61 * DAY + n * 7000);
    }
    assert_eq!(house.rarity_of("u1", 0, &thief), Some(once));
    assert!(once.risk < before.risk);
}

#[test]
fn a_crowd_that_grows_and_ages_stays_within_the_stated_error() {
    let mut crowd = Crowd::new(at(0));
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen = Vec::new();
    for n in 0..60_000i64 {
        // Addresses of their own, networks by the thousand, three countries.
        let (address, network) = (random.u32(1..50_000), random.u32(1..1000));
        let login = [address, network, 1 + network % 3, address % 5000 + 1, 1 + address % 30, 1, 1];
        let millis = n * 60_000;
        crowd.observe(&hashed(login), at(millis), HALF_LIFE);
        seen.push((millis, login));
    }
    let now = 60_000 * 60_000;
    let weight = |millis: i64| ((millis - now) as f64 / 1e3 / HALF_LIFE).exp2();
    let all: f64 = seen.iter().map(|(millis, _)| weight(*millis)).sum();
    let (mut asked, mut beyond) = (0, 0);
    for (_, login) in seen.iter().step_by(601) {
        for level in 0..7 {
            let of = seen.iter().filter(|(_, other)| other[level] == login[level]);
            let exact = of.map(|(millis, _)| weight(*millis)).sum::<f64>() / all;
            let hash = hashed(*login).0[level];
            let share = crowd.share(level, hash, (0.0, 0.0), at(now), HALF_LIFE);
            assert!(share > exact - 1e-9, "{share} is too small for {exact}");
            asked += 1;
            beyond += usize::from(share > exact + 7.0 * std::f64::consts::E / 4096.0);
        }
    }
    assert!(beyond * 50 <= asked, "{beyond} of {asked}");
    // A hundred years later all of that weighs nothing, and nothing is infinite.
    let later = at(36_500 * DAY);
    crowd.observe(&hashed(HOME), later, HALF_LIFE);
    let share = crowd.share(0, hashed(HOME).0[0], (1.0, 1.0), later, HALF_LIFE);
    assert!((share - 1.0).abs() < 1e-9, "{share}");
}
