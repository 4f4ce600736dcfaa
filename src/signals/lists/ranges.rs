//! Address prefixes of both families, as sorted ranges.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::ladder::Ladder;
use super::pile::Pile;

/// A set of prefixes. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is the
/// IPv4 address, in entries as in questions: which of the two a socket shows
/// depends on how it was opened.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Prefixes {
    pub(super) fn add(&mut self, entry: &str) -> Option<()> {
        match parse(entry)? {
            IpNet::V4(net) => {
                self.v4.added.push((net.network().to_bits(), net.broadcast().to_bits()));
            }
            IpNet::V6(net) => {
                self.v6.added.push((net.network().to_bits(), net.broadcast().to_bits()));
            }
        }
        Some(())
    }

    /// So many more may come, in the shares of those that came already.
    pub(super) fn expect(&mut self, more: usize) {
        let (v4, all) = (self.v4.added.len(), self.added().max(1));
        let of_v4 = more * v4 / all;
        self.v4.added.expect(of_v4);
        self.v6.added.expect(more - of_v4);
    }

    /// How many were added, some of them perhaps twice.
    pub(super) fn added(&self) -> usize {
        self.v4.added.len() + self.v6.added.len()
    }

    /// Makes it ready to be asked. Says how many different prefixes there are.
    pub(super) fn finish(&mut self) -> usize {
        self.v4.finish() + self.v6.finish()
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.v4.contains(ip.to_bits()),
            IpAddr::V6(ip) => self.v6.contains(ip.to_bits()),
        }
    }
}

/// Ranges of addresses, from the first to the last of each.
#[derive(Debug)]
struct Ranges<K> {
    /// Until they are finished.
    added: Pile<(K, K)>,
    /// Sorted, and apart from one another.
    ranges: Vec<(K, K)>,
    ladder: Ladder<K>,
}

impl<K> Default for Ranges<K> {
    fn default() -> Self {
        Ranges { added: Pile::default(), ranges: Vec::new(), ladder: Ladder::default() }
    }
}

impl<K: Copy + Ord + Into<u128>> Ranges<K> {
    fn finish(&mut self) -> usize {
        self.ranges = self.added.take();
        self.ranges.sort_unstable();
        self.ranges.dedup();
        let different = self.ranges.len();
        // What lies in another or follows on it becomes one with it.
        self.ranges.dedup_by(|next, last| {
            let joins = next.0.into() <= last.1.into().saturating_add(1);
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
        // Else it would be there twice for nothing.
        if self.ranges.len() < self.ranges.capacity() / 2 {
            self.ranges.shrink_to_fit();
        }
        self.ladder = Ladder::over(&self.ranges, |range| range.0);
        different
    }

    fn contains(&self, ip: K) -> bool {
        self.ladder.find(&self.ranges, |range| range.0, ip).is_some_and(|range| ip <= range.1)
    }
}

/// An address or a prefix, canonical.
pub(in crate::signals) fn parse(entry: &str) -> Option<IpNet> {
    if let Ok(ip) = entry.parse::<IpAddr>() {
        return Some(IpNet::from(ip.to_canonical()));
    }
    let net = entry.parse::<IpNet>().ok()?.trunc();
    let IpNet::V6(v6) = net else { return Some(net) };
    let mapped = Ipv6Net::new(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96).ok()?;
    if !mapped.contains(&v6) {
        return Some(net);
    }
    let ip = v6.network().to_ipv4_mapped()?;
    Some(IpNet::V4(Ipv4Net::new(ip, v6.prefix_len().checked_sub(96)?).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::{Ipv4Net, Ipv6Net};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Prefixes, parse};

    fn net() -> impl Strategy<Value = String> {
        // Close together, so that they lie in and beside one another.
        prop_oneof![
            (0..2048_u32, 20..=32_u8)
                .prop_map(|(ip, length)| Ipv4Net::new((0x0a00_0000 | ip).into(), length).unwrap())
                .prop_map(|net| net.to_string()),
            (0..2048_u128, 116..=128_u8)
                .prop_map(|(ip, length)| Ipv6Net::new((1 << 125 | ip).into(), length).unwrap())
                .prop_map(|net| net.to_string()),
            Just("255.255.255.0/24".to_owned()),
            Just("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn an_address_is_in_where_any_prefix_has_it(nets in vec(net(), 0..200)) {
            let mut prefixes = Prefixes::default();
            for net in &nets {
                prefixes.add(net).unwrap();
            }
            prefixes.finish();
            let nets: Vec<_> = nets.iter().map(|net| parse(net).unwrap()).collect();
            let v4 = (0..2100_u32).map(|ip| IpAddr::from((0x0a00_0000 | ip).to_be_bytes()));
            let v6 = (0..2100_u128).map(|ip| IpAddr::from((1_u128 << 125 | ip).to_be_bytes()));
            let edges = ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];
            for ip in v4.chain(v6).chain(edges.map(|ip| ip.parse().unwrap())) {
                let listed = nets.iter().any(|net| net.contains(&ip));
                prop_assert_eq!(prefixes.contains(ip), listed, "{}", ip);
            }
        }
    }
}
