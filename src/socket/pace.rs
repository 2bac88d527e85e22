//! Slows down who connects to the same place in a tight loop: y-websocket 3.0 and older come back at once after every close,
//! whatever its code (PROTOCOL.md, "Close codes").
//!
//! What counts are connections that ended soon after they began, and denied ones. Many people at one address, with one token even,
//! stay: they are no loop, however many they are.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many connections in a row are not slowed down: tabs, reloads, a restart of the server.
const FREE: u32 = 20;
/// One more is free each time this passes.
const EARNED_EVERY: Duration = Duration::from_millis(500);
/// Longest wait.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// A connection that lasts longer than this is no part of a loop.
const BRIEF: Duration = WAIT_MAX;
/// How many are remembered. When full, those who have earned everything back are forgotten, then all.
const KEPT_MAX: usize = 16_384;

/// Who connects, and where to, as a hash: what a client sent takes no memory here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Visitor(u64);

/// How many connections a visitor has made beyond what was earned back.
#[derive(Debug)]
struct Spent {
    count: u32,
    at: Instant,
}

impl Spent {
    /// What is left of it at `now`.
    fn left(&self, now: Instant) -> u32 {
        let earned = now.saturating_duration_since(self.at).as_millis() / EARNED_EVERY.as_millis();
        self.count.saturating_sub(u32::try_from(earned).unwrap_or(u32::MAX))
    }
}

/// Remembers visitors for a while.
#[derive(Debug, Default)]
pub struct ReconnectPace {
    hasher: RandomState,
    spent: Mutex<HashMap<Visitor, Spent>>,
}

impl ReconnectPace {
    /// A visitor at `network`, the address as counted by [`super::Gate`], with `token` if that holds, to `place`.
    pub fn visitor(&self, network: IpAddr, token: Option<&str>, place: &str) -> Visitor {
        Visitor(self.hasher.hash_one((network, token, place)))
    }

    /// A connection that will be denied; how long that is to take.
    pub fn deny(&self, visitor: Visitor, now: Instant) -> Duration {
        self.spend(visitor, now);
        self.wait(visitor, now)
    }

    /// A connection that is let in after [`Visit::wait`]. It counts if it ends soon after that.
    pub fn enter(self: &Arc<Self>, visitor: Visitor, now: Instant) -> Visit {
        let wait = self.wait(visitor, now);
        Visit { pace: self.clone(), visitor, wait, brief_until: now + wait + BRIEF }
    }

    fn wait(&self, visitor: Visitor, now: Instant) -> Duration {
        let all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.get(&visitor).map_or(0, |spent| spent.left(now));
        (EARNED_EVERY * left.saturating_sub(FREE).min(1000)).min(WAIT_MAX)
    }

    fn spend(&self, visitor: Visitor, now: Instant) {
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_MAX {
            all.retain(|_, spent| spent.left(now) > 0);
            if all.len() >= KEPT_MAX {
                all.clear();
            }
        }
        let spent = all.entry(visitor).or_insert(Spent { count: 0, at: now });
        *spent = Spent { count: spent.left(now).saturating_add(1), at: now };
    }
}

/// One connection of a visitor, as long as this lives.
#[derive(Debug)]
pub struct Visit {
    pace: Arc<ReconnectPace>,
    visitor: Visitor,
    wait: Duration,
    brief_until: Instant,
}

impl Visit {
    /// How long the connection must wait before it is let in.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    fn end(&self, now: Instant) {
        if now < self.brief_until {
            self.pace.spend(self.visitor, now);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.end(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_tight_loop_waits_longer_and_longer_up_to_a_bound() {
        let (pace, now) = (ReconnectPace::default(), Instant::now());
        let visitor = pace.visitor(ADDRESS, None, "a");
        let waits: Vec<Duration> = (0..60).map(|_| pace.deny(visitor, now)).collect();
        assert_eq!(waits[..FREE as usize], [Duration::ZERO; FREE as usize]);
        assert_eq!(waits[FREE as usize..][..3], [EARNED_EVERY, EARNED_EVERY * 2, EARNED_EVERY * 3]);
        assert_eq!(waits[59], WAIT_MAX);
    }

    #[test]
    fn who_differs_in_address_token_or_place_is_another_visitor() {
        let (pace, now) = (ReconnectPace::default(), Instant::now());
        let looping = pace.visitor(ADDRESS, Some("token"), "a");
        for _ in 0..60 {
            pace.deny(looping, now);
        }
        let elsewhere = "10.0.0.2".parse().unwrap();
        let others = [
            (elsewhere, Some("token"), "a"),
            (ADDRESS, Some("other"), "a"),
            (ADDRESS, None, "a"),
            (ADDRESS, Some("token"), "b"),
        ];
        for (address, token, place) in others {
            let other = pace.visitor(address, token, place);
            assert_eq!(pace.deny(other, now), Duration::ZERO, "{address} {token:?} {place}");
        }
        assert!(pace.deny(pace.visitor(ADDRESS, Some("token"), "a"), now) > Duration::ZERO);
    }

    #[test]
    fn patience_is_earned_back() {
        let (pace, now) = (ReconnectPace::default(), Instant::now());
        let visitor = pace.visitor(ADDRESS, None, "a");
        for _ in 0..=FREE {
            pace.deny(visitor, now);
        }
        assert_eq!(pace.deny(visitor, now + EARNED_EVERY * FREE), Duration::ZERO);
    }

    #[test]
    fn those_who_stay_wait_for_nothing_and_those_who_come_and_go_do() {
        let (pace, now) = (Arc::new(ReconnectPace::default()), Instant::now());
        let visitor = pace.visitor(ADDRESS, Some("guest"), "a");
        let staying: Vec<Visit> = (0..200).map(|_| pace.enter(visitor, now)).collect();
        assert!(staying.iter().all(|visit| visit.wait() == Duration::ZERO));
        // They go home after a while.
        let later = now + BRIEF;
        staying.iter().for_each(|visit| visit.end(later));
        assert_eq!(pace.enter(visitor, later).wait(), Duration::ZERO);
        // Coming and going at once.
        let brief: Vec<Visit> = (0..FREE + 2).map(|_| pace.enter(visitor, later)).collect();
        brief.iter().for_each(|visit| visit.end(later));
        assert_eq!(pace.enter(visitor, later).wait(), EARNED_EVERY * 2);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (pace, now) = (ReconnectPace::default(), Instant::now());
        for i in 0..=KEPT_MAX {
            pace.deny(pace.visitor(ADDRESS, None, &i.to_string()), now);
        }
        assert!(pace.spent.lock().unwrap().len() <= KEPT_MAX);
    }
}
