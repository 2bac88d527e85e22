//! How many rooms a user may open in which nobody is: each takes memory for a while, also where nothing is ever written.

use std::time::{Duration, Instant};

use super::rates::Buckets;
use crate::ids::{RoomName, UserId};
use crate::metrics;
use crate::rate::Rate;
use crate::room::Directory;

/// The openings of each user.
#[derive(Debug)]
pub struct RoomOpenings {
    rate: Rate,
    users: Buckets<UserId>,
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
        Self { rate: Rate { per_second: burst / 60.0, burst }, users: Buckets::default() }
    }

    /// Whether `user` may open a room now, which counts unless the room is live.
    pub fn take(
        &self,
        user: &UserId,
        room: &RoomName,
        directory: &Directory,
        now: Instant,
    ) -> Result<(), TooManyRooms> {
        if directory.peek(room).is_some() {
            return Ok(());
        }
        self.users.take(user, 1, self.rate, now).map_err(|wait| {
            metrics::ROOMS_REFUSED.inc();
            TooManyRooms { wait }
        })
    }
}
