//! Slows down who connects to the same place in a tight loop: y-websocket 3.0 and older come back at once after every close,
//! whatever its code (PROTOCOL.md, "Close codes").

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ids::UserId;

/// So many connections in a row are not slowed down: tabs, reloads, a restart of the server.
const FREE: u32 = 20;
/// One more is free each time this passes.
const EARNED_EVERY: Duration = Duration::from_millis(500);
/// Longest wait.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How many are remembered. When full, those who have earned everything back are forgotten, then all.
const KEPT_MAX: usize = 16_384;

/// Who connects, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Visitor {
    /// The address, as counted by [`crate::socket::Gate`].
    pub network: IpAddr,
    /// The user, once known.
    pub user: Option<UserId>,
    /// The path.
    pub place: String,
}

/// How many connections a visitor has made beyond what was earned back.
#[derive(Debug)]
struct Spent {
    count: u32,
    at: Instant,
}

/// Remembers visitors for a while.
#[derive(Debug, Default)]
pub struct Pace {
    spent: Mutex<HashMap<Visitor, Spent>>,
}

impl Pace {
    /// How long this connection must wait.
    pub fn wait(&self, visitor: Visitor, now: Instant) -> Duration {
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_MAX {
            all.retain(|_, spent| now.duration_since(spent.at) < EARNED_EVERY * FREE);
            if all.len() >= KEPT_MAX {
                all.clear();
            }
        }
        let spent = all.entry(visitor).or_insert(Spent { count: 0, at: now });
        let earned = now.duration_since(spent.at).as_millis() / EARNED_EVERY.as_millis();
        spent.count = spent.count.saturating_sub(u32::try_from(earned).unwrap_or(u32::MAX)).saturating_add(1);
        spent.at = now;
        (EARNED_EVERY * spent.count.saturating_sub(FREE).min(1000)).min(WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(place: &str) -> Visitor {
        Visitor { network: "10.0.0.1".parse().unwrap(), user: None, place: place.into() }
    }

    #[test]
    fn a_tight_loop_waits_longer_and_longer_up_to_a_bound() {
        let (pace, now) = (Pace::default(), Instant::now());
        let waits: Vec<Duration> = (0..60).map(|_| pace.wait(visitor("a"), now)).collect();
        assert_eq!(waits[..FREE as usize], [Duration::ZERO; FREE as usize]);
        assert_eq!(waits[FREE as usize..][..3], [EARNED_EVERY, EARNED_EVERY * 2, EARNED_EVERY * 3]);
        assert_eq!(waits[59], WAIT_MAX);
        assert_eq!(pace.wait(visitor("b"), now), Duration::ZERO);
    }

    #[test]
    fn patience_is_earned_back() {
        let (pace, now) = (Pace::default(), Instant::now());
        for _ in 0..=FREE {
            pace.wait(visitor("a"), now);
        }
        assert_eq!(pace.wait(visitor("a"), now + EARNED_EVERY * FREE), Duration::ZERO);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (pace, now) = (Pace::default(), Instant::now());
        for i in 0..=KEPT_MAX {
            pace.wait(visitor(&i.to_string()), now);
        }
        assert!(pace.spent.lock().unwrap().len() <= KEPT_MAX);
    }
}
