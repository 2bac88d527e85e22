//! How much a client may say: a bucket for its socket, and buckets that it shares with the other sockets of its user and of its
//! address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ids::UserId;
use crate::rate::{Bucket, Rate};

/// A client that is refused so often in a row is closed.
const REFUSALS_MAX: u32 = 100;
/// Buckets that are kept before full ones are thrown away.
const SWEEP_AT: usize = 1024;

/// The rates of one server.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Of one socket.
    pub socket: Rate,
    /// Of all sockets of a user.
    pub user: Rate,
    /// Of all sockets of an address.
    pub address: Rate,
}

/// Buckets by user, address or whatever else shares one.
#[derive(Debug)]
pub struct Buckets<K>(Mutex<HashMap<K, Bucket>>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Takes `count` from a bucket; or says when to try again.
    pub fn take(&self, key: &K, count: usize, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.with(key, rate, now, |bucket| bucket.take_many(count, rate, now))
    }

    /// Spends of a bucket, and says for how long nothing is left then.
    pub fn spend(&self, key: &K, amount: f64, rate: Rate, now: Instant) -> Option<Duration> {
        self.with(key, rate, now, |bucket| {
            bucket.spend(amount, rate, now);
            bucket.wait(rate, now)
        })
    }

    fn with<R>(&self, key: &K, rate: Rate, now: Instant, act: impl FnOnce(&mut Bucket) -> R) -> R {
        // Nothing panics while it is locked.
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(key) {
            return act(bucket);
        }
        // A full bucket is as good as none, so the map holds only those who said something of late.
        if buckets.len() >= SWEEP_AT && buckets.len() == buckets.capacity() {
            buckets.retain(|_, bucket| !bucket.is_full(rate, now));
        }
        act(buckets.entry(key.clone()).or_insert_with(|| Bucket::new(rate, now)))
    }
}

/// The buckets that sockets share.
#[derive(Debug, Default)]
pub struct SharedBuckets {
    /// By user.
    pub users: Buckets<UserId>,
    /// By address, as it counts.
    pub addresses: Buckets<IpAddr>,
}

/// What clients may say and send, and what is left of that.
#[derive(Debug)]
pub struct SharedRates {
    json: Rates,
    json_buckets: SharedBuckets,
    inflow: Rates,
    inflow_buckets: SharedBuckets,
    /// Entries of rooms that users copied with their history.
    copied: Buckets<UserId>,
}

impl SharedRates {
    /// All full: for what JSON clients say, and for what is read of everybody (see [`Inflow`](super::inflow::Inflow)).
    pub fn new(json: Rates, inflow: Rates) -> Self {
        let (json_buckets, inflow_buckets) = (SharedBuckets::default(), SharedBuckets::default());
        Self { json, json_buckets, inflow, inflow_buckets, copied: Buckets::default() }
    }

    /// Takes messages that come without a socket; or says when to try again.
    pub fn take(&self, user: &UserId, address: IpAddr, messages: usize, now: Instant) -> Result<(), Duration> {
        self.json_buckets.addresses.take(&address, messages, self.json.address, now)?;
        self.json_buckets.users.take(user, messages, self.json.user, now)
    }

    /// Whether a user may copy a room with its history; or says when to try again.
    pub fn may_copy(&self, user: &UserId, now: Instant) -> Result<(), Duration> {
        self.copied.spend(user, 0.0, self.json.user, now).map_or(Ok(()), Err)
    }

    /// A user has copied so many entries: they cost what as many messages do, of a bucket of their own, for they come at once, and how many
    /// there are is known late.
    pub fn copied(&self, user: &UserId, entries: usize, now: Instant) {
        self.copied.spend(user, entries as f64, self.json.user, now);
    }

    /// What may be read of everybody.
    pub fn inflow(&self) -> &Rates {
        &self.inflow
    }

    /// Counts what was read of somebody, and says for how long nothing more should be.
    pub fn spend(&self, user: Option<&UserId>, address: IpAddr, weight: f64, now: Instant) -> Option<Duration> {
        let (rates, SharedBuckets { users, addresses }) = (&self.inflow, &self.inflow_buckets);
        let of_user = user.and_then(|user| users.spend(user, weight, rates.user, now));
        let of_address = addresses.spend(&address, weight, rates.address, now);
        of_user.max(of_address)
    }
}

/// Whether a message may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// It may.
    No,
    /// It may not; try again after this time.
    Refused(Duration),
    /// It may not, and the client does not listen.
    Abuse,
}

/// The limits of one client.
#[derive(Debug)]
pub struct RateLimits {
    address: IpAddr,
    bucket: Bucket,
    refusals: u32,
}

impl RateLimits {
    /// For a client at `address`, as it counts (see [`crate::socket::network`]).
    pub fn new(address: IpAddr, shared: &SharedRates, now: Instant) -> Self {
        Self { address, bucket: Bucket::new(shared.json.socket, now), refusals: 0 }
    }

    /// Takes a message, of `user` if it is known whose.
    pub fn take(&mut self, user: Option<&UserId>, shared: &SharedRates, now: Instant) -> Limited {
        let (rates, buckets) = (&shared.json, &shared.json_buckets);
        let own = self.bucket.take(rates.socket, now);
        let taken = own
            .and_then(|()| buckets.addresses.take(&self.address, 1, rates.address, now))
            .and_then(|()| user.map_or(Ok(()), |user| buckets.users.take(user, 1, rates.user, now)));
        match taken {
            Ok(()) => {
                self.refusals = 0;
                Limited::No
            }
            Err(wait) => {
                self.refusals += 1;
                if self.refusals > REFUSALS_MAX { Limited::Abuse } else { Limited::Refused(wait) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(burst: f64) -> Rate {
        Rate { per_second: 1.0, burst }
    }

    fn shared(socket: f64, user: f64, address: f64) -> SharedRates {
        let rates = Rates { socket: rate(socket), user: rate(user), address: rate(address) };
        SharedRates::new(rates, rates)
    }

    fn passed(limits: &mut RateLimits, user: &str, shared: &SharedRates, now: Instant) -> usize {
        let user = UserId::new(user);
        (0..50).filter(|_| limits.take(Some(&user), shared, now) == Limited::No).count()
    }

    #[test]
    fn a_socket_a_user_and_an_address_have_a_limit_each() {
        let (now, address) = (Instant::now(), "10.0.0.1".parse().unwrap());
        for (shared, expected) in [(shared(5.0, 9.0, 9.0), 5), (shared(9.0, 5.0, 9.0), 5), (shared(9.0, 9.0, 5.0), 5)] {
            assert_eq!(passed(&mut RateLimits::new(address, &shared, now), "ada", &shared, now), expected);
        }
        let shared = shared(5.0, 8.0, 100.0);
        let mut first = RateLimits::new(address, &shared, now);
        let mut second = RateLimits::new(address, &shared, now);
        assert_eq!(passed(&mut first, "ada", &shared, now) + passed(&mut second, "ada", &shared, now), 8);
    }

    #[test]
    fn who_has_copied_much_waits_as_long_as_for_messages_and_goes_on_with_these() {
        let (now, shared, [ada, bob]) = (Instant::now(), shared(5.0, 5.0, 5.0), ["ada", "bob"].map(UserId::new));
        assert_eq!(shared.may_copy(&ada, now), Ok(()));
        shared.copied(&ada, 4, now);
        assert_eq!(shared.may_copy(&ada, now), Ok(()));
        shared.copied(&ada, 100, now);
        assert_eq!(shared.may_copy(&ada, now), Err(Duration::from_secs(99)));
        assert_eq!(shared.may_copy(&ada, now + Duration::from_secs(98)), Err(Duration::from_secs(1)));
        assert_eq!(shared.may_copy(&ada, now + Duration::from_secs(100)), Ok(()));
        assert_eq!(
            (shared.may_copy(&bob, now), shared.take(&ada, "10.0.0.1".parse().unwrap(), 5, now)),
            (Ok(()), Ok(()))
        );
    }

    #[test]
    fn who_goes_on_after_many_refusals_does_not_listen() {
        let (now, shared) = (Instant::now(), shared(1.0, 9.0, 9.0));
        let mut limits = RateLimits::new("10.0.0.1".parse().unwrap(), &shared, now);
        assert_eq!(limits.take(None, &shared, now), Limited::No);
        for _ in 0..REFUSALS_MAX {
            assert!(matches!(limits.take(None, &shared, now), Limited::Refused(_)));
        }
        assert_eq!(limits.take(None, &shared, now), Limited::Abuse);
        assert_eq!(limits.take(None, &shared, now + Duration::from_secs(2)), Limited::No);
    }
}
