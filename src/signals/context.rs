//! What a request comes from and with, and how much that is unlike the entity: the
//! likelihood ratio of D. Freeman, S. Jain, M. Duermuth, B. Biggio, G. Giacinto, "Who Are
//! You? A Statistical Approach to Measuring User Authenticity" (NDSS 2016).
//!
//! There are two **features**, the address and the user agent, each on **levels** from
//! the finest to the coarsest. Whatever is said of a value on a finer level is smoothed
//! with the coarser ones. `docs/learning.md` has the formula.

use super::agent::{Agent, cut};
use super::cache::Cache;
use super::learned::{Item, share_of_prior};
use crate::model::{ContextFrom, SlotId, Value, View};

/// Address (/64 of IPv6), network (its operator's number, else its /24 or /48), country;
/// user agent, browser with its version, operating system, kind of device.
pub const LEVELS: usize = 7;
/// The first levels are those of the address.
pub const ADDRESS_LEVELS: usize = 3;

/// How much each level says; all together 1 a feature.
const SHARES: [f64; LEVELS] = [0.6, 0.3, 0.1, 0.5, 0.25, 0.2, 0.05];
/// How likely it is, however much is known of somebody, that he comes with what anybody
/// may come with.
const ANYTHING: f64 = 0.02;
/// A context this many times as likely for anybody as for the entity has a rarity of ½.
const EVEN: f64 = 10.0;

/// What features are hashed as: the same text on two levels is two values.
mod feature {
    pub(super) const ADDRESS: u8 = 0;
    pub(super) const OPERATOR: u8 = 1;
    pub(super) const NETWORK: u8 = 2;
    pub(super) const COUNTRY: u8 = 3;
    pub(super) const AGENT: u8 = 4;
    pub(super) const BROWSER: u8 = 5;
    pub(super) const OS: u8 = 6;
    pub(super) const DEVICE: u8 = 7;
}

/// What a request comes from and with: a hash a level under a key that nobody outside has,
/// 0 where it isn't known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenContext(pub [u32; LEVELS]);

impl SeenContext {
    /// What the view of a request says.
    pub fn of(view: &View<'_>, from: &ContextFrom, cache: &Cache) -> Self {
        let mut levels = [0; LEVELS];
        let [address, network, country, agent, browser, os, device] = &mut levels;
        let hash = |feature, of: &[u8]| cache.feature_hash(feature, of);
        let ip = match view.read(from.address).value {
            Value::Address(ip) => Some(ip),
            _ => None,
        };
        if let Some(ip) = ip {
            let (own, around) = match ip.to_canonical() {
                std::net::IpAddr::V4(ip) => {
                    let [a, b, c, d] = ip.octets();
                    (hash(feature::ADDRESS, &[a, b, c, d]), hash(feature::NETWORK, &[a, b, c]))
                }
                // The lower half changes by itself (RFC 8981).
                std::net::IpAddr::V6(ip) => {
                    let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                    let own = hash(feature::ADDRESS, &[a, b, c, d, e, f, g, h]);
                    (own, hash(feature::NETWORK, &[a, b, c, d, e, f]))
                }
            };
            *address = own;
            *network = match view.read(from.asn).value {
                Value::Number(asn) => hash(feature::OPERATOR, &asn.to_bits().to_le_bytes()),
                _ => around,
            };
            if let Value::Text(code) = view.read(from.country).value {
                *country = hash(feature::COUNTRY, code.as_bytes());
            }
        }
        let text = |slot: SlotId| match view.read(slot).value {
            Value::Text(text) => Some(text),
            _ => None,
        };
        let said = text(from.user_agent).or_else(|| from.otherwise.and_then(text));
        if ip.is_none() && said.is_none() {
            return SeenContext::default();
        }
        // None is one as well: who leaves it out doesn't get around what is known.
        let said = cut(said.unwrap_or_default());
        let parsed = Agent::parse(said);
        *agent = hash(feature::AGENT, said.as_bytes());
        let mut named = [0; 40];
        let mut used = 0;
        let version = parsed.major.to_le_bytes();
        for (to, from) in named.iter_mut().zip(parsed.browser.bytes().chain(version)) {
            *to = from;
            used += 1;
        }
        *browser = hash(feature::BROWSER, named.get(..used).unwrap_or_default());
        *os = hash(feature::OS, &[parsed.os as u8]);
        *device = hash(feature::DEVICE, &[parsed.device as u8]);
        SeenContext(levels)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|hash| *hash == 0)
    }
}

/// The levels of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    Address,
    Agent,
}

impl Feature {
    pub const ALL: [Feature; 2] = [Feature::Address, Feature::Agent];

    /// Its levels, the finest first.
    pub fn levels(self) -> std::ops::Range<usize> {
        match self {
            Feature::Address => 0..ADDRESS_LEVELS,
            Feature::Agent => ADDRESS_LEVELS..LEVELS,
        }
    }
}

/// How unlike the entity a context is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rarity {
    /// In [0, 1].
    pub risk: f64,
    /// In [0, 1]: 0 of somebody unseen.
    pub confidence: f64,
}

/// Holds a context against what is known of an entity; `None` where nothing is known of
/// the context.
pub fn rarity(known: Option<Item<'_>>, context: &SeenContext) -> Option<Rarity> {
    let (mut ratio, mut least) = (1.0, f64::INFINITY);
    for feature in Feature::ALL {
        let levels = || {
            let all = context.0.iter().zip(SHARES).enumerate();
            all.skip(feature.levels().start).take(feature.levels().len())
        };
        let Some((finest, (1.., _))) = levels().next() else { continue };
        least = least.min(known.map_or(0.0, |known| known.seen(finest)));
        let (mut likeness, mut all) = (0.0, 0.0);
        for (level, (hash, share)) in levels().filter(|(_, (hash, _))| **hash != 0) {
            let of_prior = share_of_prior(known.map_or(0.0, |known| known.seen(level)));
            let lift = known.and_then(|known| known.lift(*hash)).unwrap_or(0.0);
            likeness += share * (of_prior + (1.0 - of_prior) * lift);
            all += share;
        }
        ratio /= ANYTHING + (1.0 - ANYTHING) * likeness / all;
    }
    let confidence = least / (least + super::learned::SURE);
    least.is_finite().then_some(Rarity { risk: ratio / (ratio + EVEN), confidence })
}
