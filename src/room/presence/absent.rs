//! Who has dropped and may come back: they count as present for a while, also for whoever comes in meanwhile, here or on another server.
//! Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::bus::AbsentUser;
use crate::ids::UserId;

/// Most that are remembered. Of others it is not known elsewhere that they may come back.
const ABSENT_MAX: usize = 10_000;

/// The users of a room who have no socket in it and may come back.
#[derive(Debug, Default)]
pub struct Absent {
    users: HashMap<UserId, AbsentOne>,
}

#[derive(Debug)]
struct AbsentOne {
    name: Arc<str>,
    /// When the last socket dropped.
    gone: Instant,
    /// The other server on which it was, if it was on another, and that is known.
    at: Option<Uuid>,
}

impl Absent {
    /// A user's last socket dropped at `gone`; on the other server `at`, if it was on another and that is known.
    pub fn add(&mut self, user: &UserId, name: &Arc<str>, gone: Instant, at: Option<Uuid>) {
        if self.users.len() < ABSENT_MAX || self.users.contains_key(user) {
            self.users.insert(user.clone(), AbsentOne { name: name.clone(), gone, at });
        }
    }

    /// A user is back, or has left for good.
    pub fn remove(&mut self, user: &UserId) {
        self.users.remove(user);
    }

    /// Forgets those who have been gone for `grace`.
    pub fn expire(&mut self, grace: Duration, now: Instant) {
        self.users.retain(|_, one| now.duration_since(one.gone) < grace);
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&UserId, &Arc<str>, Instant)> {
        self.users.iter().map(|(user, one)| (user, &one.name, one.gone))
    }

    /// As another server is told, or all others: not of those whose last socket was there, of whom it knew before this one. To it they
    /// may have left long ago, if it could not tell so.
    pub fn told(&self, to: Option<Uuid>, now: Instant) -> Vec<AbsentUser> {
        let told = |(user, AbsentOne { name, gone, .. }): (&UserId, &AbsentOne)| {
            // Of one who is about to drop the time has not come.
            let gone_ms = told_ms(now.duration_since(*gone)) - told_ms(gone.duration_since(now));
            AbsentUser { user: user.clone(), name: name.to_string(), gone_ms }
        };
        self.users.iter().filter(|(_, one)| to.is_none() || one.at != to).map(told).collect()
    }
}

fn told_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_dropped_is_remembered_until_they_are_back_or_too_long_gone() {
        let (mut absent, start, grace) = (Absent::default(), Instant::now(), Duration::from_secs(10));
        for (user, seconds) in [("ada", 0), ("bob", 4), ("carl", 5)] {
            absent.add(&UserId::new(user), &"A".into(), start + Duration::from_secs(seconds), None);
        }
        absent.remove(&UserId::new("carl"));
        absent.expire(grace, start + grace);
        let told = absent.told(None, start + grace);
        assert_eq!(told, [AbsentUser { user: UserId::new("bob"), name: "A".to_owned(), gone_ms: 6_000 }]);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (mut absent, now) = (Absent::default(), Instant::now());
        for number in 0..=ABSENT_MAX {
            absent.add(&UserId::new(number.to_string()), &"A".into(), now, None);
        }
        absent.add(&UserId::new("0"), &"B".into(), now, None);
        assert_eq!(absent.all().count(), ABSENT_MAX);
        assert!(absent.all().any(|(user, name, _)| user.as_str() == "0" && **name == *"B"));
    }
}
