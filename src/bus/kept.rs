//! Users of servers that have stopped, as those told: a room that begins here, or on a server that starts now, waits for them as the
//! room did in which they were. Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::room_state::AbsentUser;
use crate::ids::{RoomName, UserId};

/// Most users that are kept; of more than that nobody waits for the rest.
const USERS_MAX: usize = 20_000;

/// The users of servers that have stopped, by room.
#[derive(Debug)]
pub struct KeptUsers {
    rooms: HashMap<RoomName, BTreeMap<UserId, Kept>>,
    count: usize,
    /// How long users are waited for.
    grace: Duration,
}

#[derive(Debug)]
struct Kept {
    user: AbsentUser,
    /// When `user` was told.
    at: Instant,
}

impl Kept {
    /// The user as they are now; `None`: nobody waits any more.
    fn now(&self, grace: Duration, now: Instant) -> Option<AbsentUser> {
        let since = i64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(i64::MAX);
        let gone_ms = self.user.gone_ms.saturating_add(since);
        (i128::from(gone_ms) < grace.as_millis().cast_signed()).then(|| AbsentUser { gone_ms, ..self.user.clone() })
    }
}

impl KeptUsers {
    /// Nobody; users are waited for as long as `grace`.
    pub fn new(grace: Duration) -> Self {
        Self { rooms: HashMap::new(), count: 0, grace }
    }

    /// A server tells of users who may come back to a room; the newest word of each user counts.
    pub fn add(&mut self, room: &RoomName, users: &[AbsentUser], now: Instant) {
        if self.count + users.len() > USERS_MAX {
            self.expire(now);
        }
        for user in users {
            let known = self.rooms.get_mut(room).and_then(|users| users.get_mut(&user.user));
            let kept = Kept { user: user.clone(), at: now };
            if let Some(known) = known {
                *known = kept;
            } else if self.count < USERS_MAX {
                self.rooms.entry(room.clone()).or_default().insert(user.user.clone(), kept);
                self.count += 1;
            }
        }
    }

    /// A user has left a room for good.
    pub fn remove(&mut self, room: &RoomName, user: &UserId) {
        let Some(users) = self.rooms.get_mut(room) else { return };
        self.count -= usize::from(users.remove(user).is_some());
        if users.is_empty() {
            self.rooms.remove(room);
        }
    }

    /// Those of a room.
    pub fn of(&self, room: &RoomName, now: Instant) -> Vec<AbsentUser> {
        let kept = self.rooms.get(room).into_iter().flat_map(BTreeMap::values);
        kept.filter_map(|kept| kept.now(self.grace, now)).collect()
    }

    /// All of them, after those are forgotten for whom nobody waits any more.
    pub fn all(&mut self, now: Instant) -> Vec<(RoomName, Vec<AbsentUser>)> {
        self.expire(now);
        self.rooms.keys().map(|room| (room.clone(), self.of(room, now))).collect()
    }

    /// Forgets those for whom nobody waits any more.
    pub fn expire(&mut self, now: Instant) {
        let grace = self.grace;
        self.rooms.retain(|_, users| {
            users.retain(|_, kept| kept.now(grace, now).is_some());
            !users.is_empty()
        });
        self.count = self.rooms.values().map(BTreeMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn user(number: usize, gone_ms: i64) -> AbsentUser {
        AbsentUser { user: UserId::new(number.to_string()), name: "A".to_owned(), gone_ms }
    }

    #[test]
    fn who_was_on_a_server_that_stopped_is_waited_for_as_long_as_anybody_else() {
        let (mut kept, start) = (KeptUsers::new(GRACE), Instant::now());
        let (room, other) = (RoomName::parse("a").unwrap(), RoomName::parse("b").unwrap());
        kept.add(&room, &[user(1, -1_000), user(2, 4_000)], start);
        let later = start + Duration::from_secs(5);
        assert_eq!(kept.of(&room, later), [user(1, 4_000), user(2, 9_000)]);
        assert_eq!(kept.of(&other, later), []);
        assert_eq!(kept.all(start + Duration::from_secs(6)), [(room.clone(), vec![user(1, 5_000)])]);
        assert_eq!(kept.all(start + GRACE).len(), 1);
        assert_eq!(kept.all(start + GRACE + Duration::from_secs(1)), []);
        assert_eq!(kept.count, 0);
    }

    #[test]
    fn a_user_is_kept_once_in_a_room_as_told_last_and_not_once_they_have_left_for_good() {
        let (mut kept, start) = (KeptUsers::new(GRACE), Instant::now());
        let (room, other) = (RoomName::parse("a").unwrap(), RoomName::parse("b").unwrap());
        for gone_ms in [1_000, 2_000] {
            kept.add(&room, &[user(1, gone_ms), user(2, gone_ms)], start);
            kept.add(&other, &[user(1, gone_ms)], start);
        }
        assert_eq!(kept.of(&room, start), [user(1, 2_000), user(2, 2_000)]);
        assert_eq!((kept.of(&other, start), kept.count), (vec![user(1, 2_000)], 3));
        kept.remove(&room, &user(1, 0).user);
        kept.remove(&room, &user(3, 0).user);
        kept.remove(&other, &user(1, 0).user);
        assert_eq!((kept.all(start), kept.count), (vec![(room, vec![user(2, 2_000)])], 1));
        assert_eq!(kept.rooms.len(), 1);
    }

    #[test]
    fn only_so_many_are_kept_and_those_who_are_waited_for_no_more_make_room() {
        let (mut kept, start, room) = (KeptUsers::new(GRACE), Instant::now(), RoomName::parse("a").unwrap());
        let users: Vec<_> = (0..=USERS_MAX).map(|number| user(number, 0)).collect();
        kept.add(&room, &users, start);
        kept.add(&room, &users, start);
        assert_eq!(kept.of(&room, start).len(), USERS_MAX);
        kept.add(&room, &users[..1], start + GRACE);
        assert_eq!(kept.of(&room, start + GRACE), users[..1]);
    }
}
