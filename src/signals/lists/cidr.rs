//! Address prefixes of both families.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixSet;

/// A set of prefixes. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is the
/// IPv4 address, in entries as in questions: which of the two a socket shows
/// depends on how it was opened.
#[derive(Debug, Default)]
pub(in crate::signals) struct Prefixes {
    v4: PrefixSet<Ipv4Net>,
    v6: PrefixSet<Ipv6Net>,
}

impl Prefixes {
    pub(super) fn add(&mut self, entry: &str) -> Option<()> {
        match parse(entry)? {
            IpNet::V4(net) => self.v4.insert(net),
            IpNet::V6(net) => self.v6.insert(net),
        };
        Some(())
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.v4.is_covered(&Ipv4Net::from(ip)),
            IpAddr::V6(ip) => self.v6.is_covered(&Ipv6Net::from(ip)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
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
