//! How many unknown tokens an address may show.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many within the window, and no more are looked at until it ends.
const LIMIT: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are remembered; the longest known makes room.
const MAX_ADDRESSES: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<IpAddr, Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    failures: u32,
}

impl Throttle {
    pub(super) fn is_limited(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let table = self.0.lock();
        let window = table.get(&source(address));
        window.is_some_and(|w| now.duration_since(w.since) < WINDOW && w.failures >= LIMIT)
    }

    pub(super) fn failed(&self, address: Option<IpAddr>, now: Instant) {
        let (mut table, source) = (self.0.lock(), source(address));
        let is_over = |window: &Window| now.duration_since(window.since) >= WINDOW;
        if !table.contains_key(&source) && table.len() >= MAX_ADDRESSES {
            table.retain(|_, window| !is_over(window));
            if table.len() >= MAX_ADDRESSES {
                let oldest = table.iter().min_by_key(|(_, window)| window.since);
                if let Some(oldest) = oldest.map(|(address, _)| *address) {
                    table.remove(&oldest);
                }
            }
        }
        let window = table.entry(source).or_insert(Window { since: now, failures: 0 });
        if is_over(window) {
            *window = Window { since: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
    }
}

/// One who has an IPv6 address has the /64 around it.
fn source(address: Option<IpAddr>) -> IpAddr {
    match address {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(IpAddr::V6(v6)) => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
        }
        Some(v4) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{LIMIT, MAX_ADDRESSES, Throttle, WINDOW};

    #[test]
    fn an_address_is_limited_for_a_window_and_others_are_not() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let at = |text: &str| Some(text.parse().unwrap());
        for _ in 0..LIMIT {
            assert!(!throttle.is_limited(at("2001:db8::1"), now));
            throttle.failed(at("2001:db8::1"), now);
        }
        assert!(throttle.is_limited(at("2001:db8::2"), now));
        assert!(!throttle.is_limited(at("2001:db8:0:1::1"), now));
        assert!(!throttle.is_limited(None, now));
        assert!(!throttle.is_limited(at("2001:db8::1"), now + WINDOW));
    }

    #[test]
    fn the_table_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..2 * MAX_ADDRESSES as u32 {
            throttle.failed(Some(std::net::Ipv4Addr::from_bits(n).into()), now);
        }
        assert_eq!(throttle.0.lock().len(), MAX_ADDRESSES);
    }
}
