//! Counts connections, in all and by address, and refuses those past the limits. A permit is given back when it is dropped, on
//! whatever path a connection ends, so the counts cannot drift.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics;

/// Why a connection is refused for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GateFull {
    /// The server has all it may have.
    #[error("the server has as many connections as it may have, try again later")]
    Server,
    /// The address has all it may have.
    #[error("too many connections from this address, try again later")]
    Address,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The counts of one server.
#[derive(Debug)]
pub struct Gate {
    counts: Mutex<Counts>,
    all_max: usize,
    by_address_max: usize,
}

impl Gate {
    /// A gate that lets in `all_max` connections, `by_address_max` of one address.
    pub fn new(all_max: usize, by_address_max: usize) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), all_max, by_address_max })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection from `peer` in.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, GateFull> {
        let address = network(peer);
        let mut counts = self.counts();
        if counts.all >= self.all_max {
            return Err(GateFull::Server);
        }
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.by_address_max {
            return Err(GateFull::Address);
        }
        counts.by_address.insert(address, of_address + 1);
        counts.all += 1;
        metrics::SOCKETS.inc();
        metrics::SOCKETS_OPENED.inc();
        Ok(Permit { gate: self.clone(), address })
    }

    /// How many connections of an address are in, as it counts.
    pub fn count_of(&self, address: IpAddr) -> usize {
        self.counts().by_address.get(&address).copied().unwrap_or(0)
    }

    /// How many connections are in.
    pub fn count(&self) -> usize {
        self.counts().all
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Permit {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        counts.all -= 1;
        metrics::SOCKETS.dec();
        metrics::SOCKETS_CLOSED.inc();
        if let Some(of_address) = counts.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: of IPv6 the /64, which one customer has whole.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_6_counts_hold_the_limits_and_come_back_with_the_permits() {
        let gate = Gate::new(3, 2);
        let a: IpAddr = "10.0.0.1".parse().unwrap();
        let b: IpAddr = "2001:db8::1".parse().unwrap();
        let first = gate.enter(a).unwrap();
        let _second = gate.enter(a).unwrap();
        assert_eq!(gate.enter(a).unwrap_err(), GateFull::Address);
        let _third = gate.enter(b).unwrap();
        assert_eq!(gate.enter(b).unwrap_err(), GateFull::Server);
        drop(first);
        assert_eq!(gate.count(), 2);
        gate.enter(a).unwrap();
        assert_eq!(gate.count(), 2);
    }

    #[test]
    fn rule_7_ipv6_counts_by_its_64_and_mapped_ipv4_as_ipv4() {
        let same = |left: &str, right: &str| network(left.parse().unwrap()) == network(right.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
    }
}
