//! Connections: how many in all, and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Load;
use crate::api::transport::{Peer, Speaks};

#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    grpc: usize,
    http: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl Seats {
    pub(super) fn taken(&self) -> usize {
        let taken = self.0.lock();
        taken.grpc + taken.http
    }
}

impl Taken {
    fn on(&mut self, listener: Speaks) -> &mut usize {
        match listener {
            Speaks::Grpc => &mut self.grpc,
            Speaks::Http => &mut self.http,
        }
    }
}

/// A connection's place. Dropped, it is free again.
#[derive(Debug)]
pub(in crate::api) struct Seat {
    load: Arc<Load>,
    listener: Speaks,
    /// Nothing where the peer is on this machine: a proxy has as many as it likes.
    peer: Option<IpAddr>,
}

impl Load {
    /// A place for a connection, unless there is none. One listener leaves some to the other: who
    /// crowds decisions doesn't keep probes out, nor the reverse.
    pub(in crate::api) fn seat(self: &Arc<Self>, listener: Speaks, peer: &Peer) -> Option<Seat> {
        let most = self.limits.max_connections;
        let most_here = (most - (most / 16).max(1)).max(1);
        let refused = &self.metrics.refused_connections;
        let from = peer.address.filter(|_| !peer.is_local()).map(source);
        let mut taken = self.seats.0.lock();
        if taken.grpc + taken.http >= most || *taken.on(listener) >= most_here {
            refused.all.add(1);
            return None;
        }
        if let Some(from) = from {
            let seats = taken.by_peer.entry(from).or_default();
            if *seats >= self.limits.max_connections_per_peer {
                refused.peer.add(1);
                return None;
            }
            *seats += 1;
        }
        *taken.on(listener) += 1;
        Some(Seat { load: Arc::clone(self), listener, peer: from })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.load.seats.0.lock();
        let here = taken.on(self.listener);
        *here = here.saturating_sub(1);
        let Some(peer) = self.peer else { return };
        if let Some(seats) = taken.by_peer.get_mut(&peer) {
            *seats = seats.saturating_sub(1);
            if *seats == 0 {
                taken.by_peer.remove(&peer);
            }
        }
    }
}

/// Whoever has one address of a /64 has all of it.
fn source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
