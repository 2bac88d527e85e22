//! Counts connections, in all, by address and by user, and refuses those past the limits. A permit is given back when it is dropped,
//! on whatever path a connection ends, so the counts cannot drift.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::UserId;
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
    /// The user has all they may have.
    #[error("you have as many connections as one user may have, try again later")]
    User,
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
        self.take(peer).inspect_err(|_| metrics::SOCKETS_REFUSED.inc())
    }

    fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, GateFull> {
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

/// The connections of each user, who may come from many addresses. A connection counts once its token says whose it is.
#[derive(Debug)]
pub struct UserGate {
    by_user: Mutex<HashMap<UserId, usize>>,
    by_user_max: usize,
}

impl UserGate {
    /// A gate that lets in `by_user_max` connections of one user.
    pub fn new(by_user_max: usize) -> Arc<Self> {
        Arc::new(Self { by_user: Mutex::default(), by_user_max })
    }

    fn by_user(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection of `user` in.
    pub fn enter(self: &Arc<Self>, user: &UserId) -> Result<UserPermit, GateFull> {
        let mut by_user = self.by_user();
        let of_user = by_user.get(user).copied().unwrap_or(0);
        if of_user >= self.by_user_max {
            metrics::SOCKETS_REFUSED.inc();
            return Err(GateFull::User);
        }
        by_user.insert(user.clone(), of_user + 1);
        Ok(UserPermit { gate: self.clone(), user: user.clone() })
    }
}

/// One connection's place among those of its user.
#[derive(Debug)]
pub struct UserPermit {
    gate: Arc<UserGate>,
    user: UserId,
}

impl Drop for UserPermit {
    fn drop(&mut self) {
        let mut by_user = self.gate.by_user();
        if let Some(of_user) = by_user.get_mut(&self.user) {
            *of_user -= 1;
            if *of_user == 0 {
                by_user.remove(&self.user);
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
    fn rule_6_a_user_has_so_many_connections_and_nothing_is_kept_of_who_has_none() {
        let (gate, ada, bob) = (UserGate::new(2), UserId::new("ada"), UserId::new("bob"));
        let first = gate.enter(&ada).unwrap();
        let second = gate.enter(&ada).unwrap();
        assert_eq!(gate.enter(&ada).unwrap_err(), GateFull::User);
        let other = gate.enter(&bob).unwrap();
        drop(first);
        let third = gate.enter(&ada).unwrap();
        assert_eq!(gate.enter(&ada).unwrap_err(), GateFull::User);
        drop((second, third, other));
        assert!(gate.by_user().is_empty());
    }

    #[test]
    fn rule_7_ipv6_counts_by_its_64_and_mapped_ipv4_as_ipv4() {
        let same = |left: &str, right: &str| network(left.parse().unwrap()) == network(right.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
    }
}
