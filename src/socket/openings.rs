//! How many rooms a user may open in which nobody is: each takes memory for a while, also where nothing is ever written. And how fast:
//! each is work for its thread, and many at once would hold up others there.

use std::time::{Duration, Instant};

use super::rates::Buckets;
use crate::ids::{RoomName, UserId};
use crate::metrics;
use crate::rate::Rate;
use crate::room::Directory;

/// So many a user opens at once, and then so many a second; who opens more is read more slowly.
const PACE: Rate = Rate { per_second: 200.0, burst: 32.0 };

/// The openings of each user.
#[derive(Debug)]
pub struct RoomOpenings {
    rate: Rate,
    users: Buckets<UserId>,
    pace: Buckets<UserId>,
}

/// A user has opened too many rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("you have opened many rooms, wait a little")]
pub struct TooManyRooms {
    /// When the next one may be opened.
    pub wait: Duration,
}

impl RoomOpenings {
    /// Each user may open `per_minute`.
    pub fn new(per_minute: usize) -> Self {
        let burst = per_minute as f64;
        Self { rate: Rate { per_second: burst / 60.0, burst }, users: Buckets::default(), pace: Buckets::default() }
    }

    /// Whether `user` may open a room now, which counts unless the room is live; and how long nothing more is to be heard of its connection
    /// then.
    pub fn take(
        &self,
        user: &UserId,
        room: &RoomName,
        directory: &Directory,
        now: Instant,
    ) -> Result<Option<Duration>, TooManyRooms> {
        if directory.peek(room).is_some() {
            return Ok(None);
        }
        self.take_new(user, now).inspect_err(|_| metrics::ROOMS_REFUSED.inc())
    }

    fn take_new(&self, user: &UserId, now: Instant) -> Result<Option<Duration>, TooManyRooms> {
        self.users.take(user, 1, self.rate, now).map_err(|wait| TooManyRooms { wait })?;
        Ok(self.pace.spend(user, 1.0, PACE, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_41_who_opens_many_rooms_at_once_is_heard_more_slowly_before_being_refused() {
        let (openings, ada, bob) = (RoomOpenings::new(1_200), UserId::new("ada"), UserId::new("bob"));
        let mut now = Instant::now();
        let mut heard_at_once = 0;
        for _ in 0..1_200 {
            match openings.take_new(&ada, now).unwrap() {
                None => heard_at_once += 1,
                // That long nothing of hers is heard.
                Some(wait) => now += wait,
            }
        }
        assert!(heard_at_once < 40, "{heard_at_once}");
        let refused = (0..200).filter(|_| openings.take_new(&ada, now).is_err());
        assert!(refused.count() > 0);
        assert_eq!(openings.take_new(&bob, now), Ok(None), "others are not slowed for it");
    }
}
