//! Connections: how many in all, and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Load;
use crate::api::transport::Peer;

#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl Seats {
    pub(super) fn taken(&self) -> usize {
        self.0.lock().all
    }
}

/// A connection's place. Dropped, it is free again.
#[derive(Debug)]
pub(in crate::api) struct Seat {
    load: Arc<Load>,
    /// Nothing where the peer is on this machine: a proxy has as many as it likes.
    peer: Option<IpAddr>,
}

impl Load {
    /// A place for a connection, unless there is none.
    pub(in crate::api) fn seat(self: &Arc<Self>, peer: &Peer) -> Option<Seat> {
        let refused = &self.metrics.refused_connections;
        let from = peer.address.filter(|_| !peer.is_local()).map(source);
        let mut taken = self.seats.0.lock();
        if taken.all >= self.limits.max_connections {
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
        taken.all += 1;
        Some(Seat { load: Arc::clone(self), peer: from })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.load.seats.0.lock();
        taken.all = taken.all.saturating_sub(1);
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
