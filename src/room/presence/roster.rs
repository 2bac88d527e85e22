//! Presence as JSON clients see it: by user, however many sockets and whatever protocols they have. Someone who drops and comes
//! back within a moment has never been away. Changes are gathered and told together. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::ids::{RoomName, UserId};
use crate::protocol::json::limits::STATE_BYTES_MAX;
use crate::protocol::json::{ServerMessage, UserPresence, well_formed};
use crate::wire::Frame;

/// A user of the room.
#[derive(Debug)]
struct RosterEntry {
    name: Arc<str>,
    /// Sockets in the room on this server.
    sockets: usize,
    /// And on others. None anywhere: a return is waited for.
    elsewhere: Vec<(Uuid, usize)>,
    /// What they show of themselves: the newest JSON of any of their sockets.
    state: Option<Arc<RawValue>>,
    /// When the last socket dropped.
    gone: Option<Instant>,
    /// Whether JSON clients know of them: all, by a difference, or only some, who have come in since.
    is_told: bool,
    is_shown: bool,
}

impl RosterEntry {
    fn count(&self) -> usize {
        self.sockets + self.elsewhere.iter().map(|(_, sockets)| sockets).sum::<usize>()
    }
}

/// The users of one room.
#[derive(Debug)]
pub struct Roster {
    people: BTreeMap<UserId, RosterEntry>,
    /// Whose presence has changed since it was last told.
    changed: BTreeSet<UserId>,
    /// When the last socket of each user dropped whose return is waited for.
    waiting: BTreeSet<(Instant, UserId)>,
    /// Who left since then, of those that were told.
    left: BTreeSet<UserId>,
    /// Whether only the number was told last.
    was_capped: bool,
    grace: Duration,
    users_max: usize,
}

impl Roster {
    /// An empty roster: users who drop leave after `grace`; of more than `users_max` users only the number is told.
    pub fn new(grace: Duration, users_max: usize) -> Self {
        Self {
            people: BTreeMap::new(),
            changed: BTreeSet::new(),
            waiting: BTreeSet::new(),
            left: BTreeSet::new(),
            was_capped: false,
            grace,
            users_max,
        }
    }

    /// A socket of a user came in.
    pub fn enter(&mut self, user: &UserId, name: &Arc<str>) {
        self.arrive(user, name, |person| person.sockets += 1);
    }

    /// A user has so many sockets on another server; if none any more, for good, or they may come back.
    pub fn set_elsewhere(
        &mut self,
        server: Uuid,
        user: &UserId,
        name: &Arc<str>,
        sockets: usize,
        is_for_good: bool,
        now: Instant,
    ) {
        if sockets > 0 {
            let before = self.people.get(user).and_then(|person| person.elsewhere.iter().find(|(at, _)| *at == server));
            if before.is_some_and(|(_, before)| *before == sockets) {
                return self.rename_if_other(user, name);
            }
            return self.arrive(user, name, |person| {
                person.elsewhere.retain(|(at, _)| *at != server);
                person.elsewhere.push((server, sockets));
            });
        }
        let Some(person) = self.people.get_mut(user) else { return };
        if person.elsewhere.iter().any(|(at, _)| *at == server) {
            person.elsewhere.retain(|(at, _)| *at != server);
            self.depart(user, is_for_good, now);
        }
    }

    fn rename_if_other(&mut self, user: &UserId, name: &Arc<str>) {
        if self.people.get(user).is_some_and(|person| person.name != *name) {
            self.rename(user, name);
        }
    }

    fn arrive(&mut self, user: &UserId, name: &Arc<str>, count: impl FnOnce(&mut RosterEntry)) {
        let person = self.people.entry(user.clone()).or_insert_with(|| RosterEntry {
            name: name.clone(),
            sockets: 0,
            elsewhere: Vec::new(),
            state: None,
            gone: None,
            // Had they left within this turn, nobody has heard of it.
            is_told: self.left.remove(user),
            is_shown: false,
        });
        let was_here = person.count() > 0;
        count(person);
        let is_renamed = person.name != *name;
        person.name = name.clone();
        // A quick return is nothing to tell.
        let gone = person.gone.take();
        if let Some(gone) = gone {
            self.waiting.remove(&(gone, user.clone()));
        }
        if gone.is_none() || is_renamed || !was_here && !person.is_told {
            self.changed.insert(user.clone());
        }
    }

    /// A user's last socket dropped at `gone`, before this roster knew of them: their return is waited for.
    pub fn expect(&mut self, user: &UserId, name: &Arc<str>, gone: Instant, now: Instant) {
        if now.duration_since(gone) >= self.grace || self.people.contains_key(user) {
            return;
        }
        let is_told = self.left.remove(user);
        let (name, elsewhere, state) = (name.clone(), Vec::new(), None);
        let person = RosterEntry { name, sockets: 0, elsewhere, state, gone: Some(gone), is_told, is_shown: false };
        self.people.insert(user.clone(), person);
        self.waiting.insert((gone, user.clone()));
        // Who comes in is told of them, so the others are to know, too.
        self.changed.insert(user.clone());
    }

    /// Nobody has been told anything yet: whoever comes in is told of all of them.
    pub fn begin(&mut self) {
        self.changed.clear();
        for person in self.people.values_mut() {
            person.is_told = true;
        }
    }

    /// A user has another name.
    pub fn rename(&mut self, user: &UserId, name: &Arc<str>) {
        if let Some(person) = self.people.get_mut(user) {
            person.name = name.clone();
            self.changed.insert(user.clone());
        }
    }

    /// A socket of a user went; for good, or it may come back.
    pub fn leave(&mut self, user: &UserId, is_for_good: bool, now: Instant) {
        let Some(person) = self.people.get_mut(user) else { return };
        person.sockets = person.sockets.saturating_sub(1);
        self.depart(user, is_for_good, now);
    }

    fn depart(&mut self, user: &UserId, is_for_good: bool, now: Instant) {
        let Some(person) = self.people.get_mut(user) else { return };
        if person.count() > 0 {
            self.changed.insert(user.clone());
        } else if is_for_good || self.grace.is_zero() {
            self.remove(user);
        } else {
            person.gone = Some(now);
            self.waiting.insert((now, user.clone()));
        }
    }

    /// What a user shows of themselves: a JSON text, or nothing any more. One that is too long is not shown: an editor's may be eight
    /// times as long as a JSON client's, and whoever comes in is told all of them at once.
    pub fn set_state(&mut self, user: &UserId, state: Option<&Bytes>) {
        let Some(person) = self.people.get_mut(user) else { return };
        let text =
            state.filter(|state| state.len() <= STATE_BYTES_MAX).and_then(|state| std::str::from_utf8(state).ok());
        let text = text.map(well_formed);
        if person.state.as_ref().map(|state| state.get()) == text.as_deref() {
            return;
        }
        person.state = text.and_then(|text| RawValue::from_string(text.into_owned()).ok()).map(Arc::from);
        self.changed.insert(user.clone());
    }

    /// Removes those whose return was waited for in vain.
    pub fn expire(&mut self, now: Instant) {
        while let Some((gone, user)) = self.waiting.first().cloned()
            && now.duration_since(gone) >= self.grace
        {
            self.remove(&user);
        }
    }

    fn remove(&mut self, user: &UserId) {
        self.changed.remove(user);
        let Some(person) = self.people.remove(user) else { return };
        if let Some(gone) = person.gone {
            self.waiting.remove(&(gone, user.clone()));
        }
        if person.is_told || person.is_shown {
            self.left.insert(user.clone());
        }
    }

    /// When [`expire`](Self::expire) next has something to do.
    pub fn next_end(&self) -> Option<Instant> {
        self.waiting.first().map(|(gone, _)| *gone + self.grace)
    }

    /// Whether there is something to tell.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty() || !self.left.is_empty()
    }

    /// All users, as someone who joins is told; the list is empty where there are too many.
    pub fn all(&self) -> Vec<UserPresence> {
        match self.is_capped() {
            true => Vec::new(),
            false => self.people.iter().map(|(user, person)| roster_user(user, person)).collect(),
        }
    }

    /// The users who are connected, as far as they are told by name.
    pub fn members(&self) -> Vec<UserPresence> {
        let here = self.people.iter().filter(|(_, person)| person.count() > 0).take(self.users_max);
        here.map(|(user, person)| UserPresence {
            user: user.clone(),
            name: person.name.clone(),
            sockets: person.count(),
            state: None,
        })
        .collect()
    }

    /// The frame with all users, for someone who joins.
    pub fn state_frame(&mut self, room: &RoomName) -> Frame {
        for person in self.people.values_mut() {
            person.is_shown = true;
        }
        let (count, capped) = (self.people.len(), self.is_capped());
        ServerMessage::PresenceState { room, count, capped, users: self.all() }.frame()
    }

    /// The frame with what has changed, for all. `None`: nothing has.
    pub fn diff_frame(&mut self, room: &RoomName) -> Option<Frame> {
        if !self.has_changed() {
            return None;
        }
        let (count, capped) = (self.people.len(), self.is_capped());
        let (mut joins, mut updates) = (Vec::new(), Vec::new());
        for user in std::mem::take(&mut self.changed) {
            let Some(person) = self.people.get_mut(&user) else { continue };
            let list = if std::mem::replace(&mut person.is_told, true) { &mut updates } else { &mut joins };
            if !capped {
                list.push(roster_user(&user, person));
            }
        }
        let left = std::mem::take(&mut self.left);
        if std::mem::replace(&mut self.was_capped, capped) && !capped {
            // Nobody knows the users by name.
            return Some(self.state_frame(room));
        }
        let leaves = if capped { Vec::new() } else { left.into_iter().collect() };
        Some(ServerMessage::PresenceDiff { room, count, capped, joins, updates, leaves }.frame())
    }

    fn is_capped(&self) -> bool {
        self.people.len() > self.users_max
    }
}

fn roster_user(user: &UserId, person: &RosterEntry) -> UserPresence {
    UserPresence { user: user.clone(), name: person.name.clone(), sockets: person.count(), state: person.state.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    struct Told(Roster);

    impl Told {
        fn new(users_max: usize) -> Self {
            Self(Roster::new(GRACE, users_max))
        }

        fn enter(&mut self, user: &str) {
            self.0.enter(&UserId::new(user), &user.to_uppercase().into());
        }

        fn leave(&mut self, user: &str, now: Instant) {
            self.0.leave(&UserId::new(user), false, now);
        }

        /// Names of who joined, changed and left.
        fn diff(&mut self) -> Option<[String; 3]> {
            let frame = self.0.diff_frame(&RoomName::parse("r").unwrap())?;
            let diff: Value = serde_json::from_slice(frame.payload()).unwrap();
            let names = |field: &str| {
                let users = diff[field].as_array().unwrap().iter();
                users
                    .map(|user| user["user"].as_str().or(user.as_str()).unwrap().to_owned())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            Some([names("joins"), names("updates"), names("leaves")])
        }
    }

    fn expect(joins: &str, updates: &str, leaves: &str) -> Option<[String; 3]> {
        Some([joins, updates, leaves].map(str::to_owned))
    }

    #[test]
    fn a_user_joins_with_the_first_socket_and_leaves_some_time_after_the_last() {
        let (mut told, now) = (Told::new(9), Instant::now());
        told.enter("ada");
        assert_eq!(told.diff(), expect("ada", "", ""));
        assert_eq!(told.diff(), None);
        told.enter("ada");
        assert_eq!(told.diff(), expect("", "ada", ""));
        told.leave("ada", now);
        assert_eq!(told.diff(), expect("", "ada", ""));
        told.leave("ada", now);
        assert_eq!(told.diff(), None);
        told.0.expire(now + GRACE - Duration::from_millis(1));
        assert_eq!(told.diff(), None);
        told.0.expire(now + GRACE);
        assert_eq!(told.diff(), expect("", "", "ada"));
        assert_eq!(told.0.next_end(), None);
    }

    #[test]
    fn a_return_within_the_grace_is_nothing_to_tell() {
        let (mut told, now) = (Told::new(9), Instant::now());
        told.enter("ada");
        told.diff();
        told.leave("ada", now);
        told.enter("ada");
        told.0.expire(now + GRACE * 2);
        assert_eq!(told.diff(), None);
    }

    #[test]
    fn a_user_is_called_as_their_newest_socket_is_also_after_a_return() {
        let (mut told, now, ada) = (Told::new(9), Instant::now(), UserId::new("ada"));
        told.enter("ada");
        told.diff();
        told.leave("ada", now);
        told.0.enter(&ada, &"Ada II".into());
        assert_eq!(told.diff(), expect("", "ada", ""));
        told.0.enter(&ada, &"Ada III".into());
        assert_eq!(serde_json::to_value(told.0.all()).unwrap()[0]["name"], "Ada III");
    }

    #[test]
    fn who_leaves_for_good_is_gone_at_once_and_may_come_back() {
        let mut told = Told::new(9);
        told.enter("ada");
        told.diff();
        told.0.leave(&UserId::new("ada"), true, Instant::now());
        told.enter("ada");
        assert_eq!(told.diff(), expect("", "ada", ""));
        told.0.leave(&UserId::new("ada"), true, Instant::now());
        assert_eq!(told.diff(), expect("", "", "ada"));
    }

    #[test]
    fn who_comes_and_goes_between_two_differences_has_left_for_whom_they_were_shown_to() {
        let (mut told, room) = (Told::new(9), RoomName::parse("r").unwrap());
        told.enter("ada");
        told.0.state_frame(&room);
        told.0.leave(&UserId::new("ada"), true, Instant::now());
        assert_eq!(told.diff(), expect("", "", "ada"));
        told.enter("bob");
        told.0.leave(&UserId::new("bob"), true, Instant::now());
        assert_eq!(told.diff(), None, "nobody has seen him");
    }

    #[test]
    fn who_dropped_elsewhere_is_here_until_their_time_is_over() {
        let (mut told, now, ada) = (Told::new(9), Instant::now(), UserId::new("ada"));
        told.0.expect(&ada, &"ADA".into(), now, now + GRACE);
        assert_eq!(told.diff(), None, "it was over before");
        told.0.expect(&ada, &"ADA".into(), now, now + GRACE / 2);
        assert_eq!(told.diff(), expect("ada", "", ""));
        assert_eq!((told.0.members().len(), told.0.all().len()), (0, 1));
        told.enter("ada");
        told.0.expect(&ada, &"ADA".into(), now, now + GRACE / 2);
        told.0.expire(now + GRACE);
        assert_eq!(told.diff(), None, "they are back");
        told.leave("ada", now);
        told.0.expect(&ada, &"ADA".into(), now + GRACE / 2, now + GRACE / 2);
        told.0.expire(now + GRACE);
        assert_eq!(told.diff(), expect("", "", "ada"), "what is known here counts");
    }

    #[test]
    fn a_state_is_an_update_and_comes_with_the_join() {
        let mut told = Told::new(9);
        told.enter("ada");
        told.0.set_state(&UserId::new("ada"), Some(&Bytes::from_static(b"{\"cursor\":1}")));
        let all = serde_json::to_value(told.0.all()).unwrap();
        assert_eq!(all, json!([{"user": "ada", "name": "ADA", "sockets": 1, "state": {"cursor": 1}}]));
        assert_eq!(told.diff(), expect("ada", "", ""));
        told.0.set_state(&UserId::new("ada"), None);
        assert_eq!(told.diff(), expect("", "ada", ""));
    }

    #[test]
    fn trap_29_who_is_on_two_servers_is_here_until_both_have_lost_them() {
        let (mut told, now, ada) = (Told::new(9), Instant::now(), UserId::new("ada"));
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let elsewhere = |told: &mut Told, server, sockets| {
            told.0.set_elsewhere(server, &ada, &"ADA".into(), sockets, false, now);
            (told.diff(), told.0.members().first().map_or(0, |user| user.sockets))
        };
        assert_eq!(elsewhere(&mut told, a, 2), (expect("ada", "", ""), 2));
        assert_eq!(elsewhere(&mut told, a, 2), (None, 2));
        assert_eq!(elsewhere(&mut told, b, 1), (expect("", "ada", ""), 3));
        told.enter("ada");
        assert_eq!(told.diff(), expect("", "ada", ""));
        assert_eq!(elsewhere(&mut told, a, 0), (expect("", "ada", ""), 2));
        told.leave("ada", now);
        told.diff();
        assert_eq!(elsewhere(&mut told, b, 0), (None, 0));
        // Back on another server within the grace: never away.
        assert_eq!(elsewhere(&mut told, a, 1), (None, 1));
        assert_eq!(elsewhere(&mut told, a, 0), (None, 0));
        assert_eq!(elsewhere(&mut told, a, 0), (None, 0), "and told twice that they are gone");
        told.0.expire(now + GRACE);
        assert_eq!(told.diff(), expect("", "", "ada"));
    }

    #[test]
    fn of_too_many_users_only_the_number_is_told() {
        let mut told = Told::new(1);
        told.enter("ada");
        told.enter("bob");
        assert_eq!(told.diff(), expect("", "", ""));
        assert_eq!(told.0.all().len(), 0);
        told.0.leave(&UserId::new("bob"), true, Instant::now());
        let frame = told.0.diff_frame(&RoomName::parse("r").unwrap()).unwrap();
        let state: Value = serde_json::from_slice(frame.payload()).unwrap();
        assert_eq!((&state["type"], &state["users"][0]["user"]), (&json!("presence.state"), &json!("ada")));
    }
}
