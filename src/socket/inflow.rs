//! How much editors may send: by socket, user and address, counted in messages, of which a long one is several. Who sends more is not
//! refused but read more slowly, so that its own kernel holds it back. Pure but for the buckets that sockets share.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::rates::{SharedBuckets, SharedRates};
use crate::ids::UserId;
use crate::rate::Bucket;

/// A message counts once more for each so many bytes.
const UNIT_BYTES: usize = 16 * 1024;
/// Longest time without reading. What is owed beyond is owed next time.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What `messages` with `bytes` together count.
pub fn weight(messages: usize, bytes: usize) -> f64 {
    messages as f64 + bytes as f64 / UNIT_BYTES as f64
}

/// What one socket sends.
#[derive(Debug)]
pub struct Inflow {
    address: IpAddr,
    bucket: Bucket,
    was_slowed: bool,
}

/// A socket is not to be read for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slowed {
    /// For how long.
    pub wait: Duration,
    /// Whether this is the first time.
    pub is_first: bool,
}

impl Inflow {
    /// Of a client at `address`, as it counts.
    pub fn new(address: IpAddr, shared: &SharedRates, now: Instant) -> Self {
        Self { address, bucket: Bucket::new(shared.editors().socket, now), was_slowed: false }
    }

    /// Counts what was read, and says whether to wait before more is.
    pub fn spend(&mut self, user: Option<&UserId>, weight: f64, shared: &SharedRates, now: Instant) -> Option<Slowed> {
        let rates = shared.editors();
        self.bucket.spend(weight, rates.socket, now);
        let SharedBuckets { users, addresses } = shared.editor_buckets();
        let of_user = user.and_then(|user| users.spend(user, weight, rates.user, now));
        let of_address = addresses.spend(&self.address, weight, rates.address, now);
        let waits = [self.bucket.wait(rates.socket, now), of_user, of_address];
        let wait = waits.into_iter().flatten().max()?.min(WAIT_MAX);
        Some(Slowed { wait, is_first: !std::mem::replace(&mut self.was_slowed, true) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;
    use crate::socket::rates::Rates;

    fn shared(socket: f64, user: f64, address: f64) -> SharedRates {
        let rate = |per_second: f64| Rate { per_second, burst: 10.0 * per_second };
        let rates = Rates { socket: rate(socket), user: rate(user), address: rate(address) };
        SharedRates::new(rates, rates)
    }

    #[test]
    fn rule_26_who_sends_more_than_a_burst_is_read_at_the_rate_by_socket_user_and_address() {
        let (now, ada) = (Instant::now(), UserId::new("ada"));
        for shared in [shared(10.0, 1e6, 1e6), shared(1e6, 10.0, 1e6), shared(1e6, 1e6, 10.0)] {
            let mut inflow = Inflow::new("10.0.0.1".parse().unwrap(), &shared, now);
            assert_eq!(inflow.spend(Some(&ada), 99.0, &shared, now), None);
            let slowed = inflow.spend(Some(&ada), 6.0, &shared, now).unwrap();
            assert!(
                slowed.is_first && slowed.wait > Duration::from_millis(490) && slowed.wait < Duration::from_millis(510)
            );
            assert_eq!(inflow.spend(Some(&ada), 1.0, &shared, now + Duration::from_secs(1)), None);
            let slowed = inflow.spend(Some(&ada), 1e3, &shared, now + Duration::from_secs(1)).unwrap();
            assert_eq!((slowed.wait, slowed.is_first), (WAIT_MAX, false));
        }
    }

    #[test]
    fn rule_26_another_user_elsewhere_is_not_slowed_for_it() {
        let (now, shared) = (Instant::now(), shared(10.0, 10.0, 10.0));
        let mut mallory = Inflow::new("10.0.0.1".parse().unwrap(), &shared, now);
        assert!(mallory.spend(Some(&UserId::new("mallory")), 1e6, &shared, now).is_some());
        let mut ada = Inflow::new("10.0.0.2".parse().unwrap(), &shared, now);
        assert_eq!(ada.spend(Some(&UserId::new("ada")), weight(2, 3 * UNIT_BYTES), &shared, now), None);
    }
}
