//! How much may be read of clients: by socket, user and address, counted in messages of Yjs clients, and bytes of everybody, of which so
//! many are as much as a message. Who sends more is not refused at first but read more slowly, so that its own kernel holds it back; of
//! requests, whose bodies come whole, the answer waits. Pure but for the buckets that are shared.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::rates::SharedRates;
use crate::ids::UserId;
use crate::rate::{Bucket, weight};

/// Longest time without reading. What is owed beyond is owed next time.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Requests come side by side, however long each waits. While more than this is owed they are refused.
const OWED_MAX: Duration = Duration::from_secs(10);

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
        Self { address, bucket: Bucket::new(shared.inflow().socket, now), was_slowed: false }
    }

    /// Counts what was read, and says whether to wait before more is.
    pub fn spend(&mut self, user: Option<&UserId>, weight: f64, shared: &SharedRates, now: Instant) -> Option<Slowed> {
        let rate = shared.inflow().socket;
        self.bucket.spend(weight, rate, now);
        let wait = self.bucket.wait(rate, now).max(shared.spend(user, self.address, weight, now))?.min(WAIT_MAX);
        Some(Slowed { wait, is_first: !std::mem::replace(&mut self.was_slowed, true) })
    }
}

/// Counts the body of a request by `user` at `address`, as it counts, and says how long its answer is to wait.
///
/// # Errors
/// Too much is owed; try again after this time.
pub fn spend_body(
    bytes: usize,
    user: Option<&UserId>,
    address: IpAddr,
    shared: &SharedRates,
    now: Instant,
) -> Result<Option<Duration>, Duration> {
    match shared.spend(user, address, 0.0, now) {
        Some(owed) if owed > OWED_MAX => Err(owed),
        _ => Ok(shared.spend(user, address, weight(0, bytes), now).map(|wait| wait.min(WAIT_MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::{Rate, UNIT_BYTES};
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

    #[test]
    fn rule_26_who_sends_too_much_by_requests_waits_for_answers_and_then_is_refused_for_a_while() {
        let (now, [ada, bob], bytes) = (Instant::now(), ["ada", "bob"].map(UserId::new), 50 * UNIT_BYTES);
        for shared in [shared(1.0, 10.0, 1e6), shared(1.0, 1e6, 10.0)] {
            let send = |user, address: &str, now| spend_body(bytes, Some(user), address.parse().unwrap(), &shared, now);
            assert_eq!(send(&ada, "10.0.0.1", now), Ok(None));
            // Of ten seconds' worth it is half, then all, and then each makes it five more that are owed.
            assert!(send(&ada, "10.0.0.1", now).unwrap().unwrap() < WAIT_MAX);
            for _ in 0..3 {
                assert_eq!(send(&ada, "10.0.0.1", now), Ok(Some(WAIT_MAX)));
            }
            let wait = Duration::from_secs(15);
            assert_eq!(send(&ada, "10.0.0.1", now), Err(wait));
            assert_eq!(send(&ada, "10.0.0.1", now), Err(wait), "what is refused is not counted");
            assert_eq!(send(&bob, "10.0.0.2", now), Ok(None));
            assert_eq!(send(&ada, "10.0.0.1", now + wait - OWED_MAX), Ok(Some(WAIT_MAX)));
        }
    }
}
