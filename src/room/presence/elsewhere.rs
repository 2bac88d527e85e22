//! Who is in the room on other servers, as those have told, and what this one has to tell them. Changes are gathered for a moment, and
//! only the newest of each client and user is told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::awareness::Announced;
use crate::bus::{Part, RoomState, SharedState, SharedUser};
use crate::ids::UserId;
use crate::protocol::awareness::Entry;

/// How long changes are gathered: each other server is told of a room eight times a second.
const GATHER: Duration = Duration::from_millis(120);
/// Typing that is not renewed ends.
const TYPING: Duration = Duration::from_secs(7);

/// What other servers have told.
#[derive(Debug, Default)]
pub struct Others {
    users: HashMap<Uuid, BTreeMap<UserId, SharedUser>>,
    /// Sockets of all of them.
    sockets: usize,
    typing: HashMap<(Uuid, UserId), (String, Instant)>,
    /// Parts of what servers tell, and how many each has told.
    parts: HashMap<Uuid, (usize, RoomState)>,
}

impl Others {
    /// A server tells a part of what is there; all of it, once the last part has come behind all others.
    pub fn gather(&mut self, server: Uuid, part: Part, state: RoomState) -> Option<RoomState> {
        let (told, whole) = self.parts.entry(server).or_default();
        if part.number == 1 {
            (*told, *whole) = (1, state);
        } else if part.number == *told + 1 {
            *told += 1;
            whole.extend(state);
        } else {
            // What is missing is told again, from the first part on.
            *told = 0;
        }
        let is_whole = *told == part.count;
        let is_over = is_whole || *told == 0;
        is_over.then(|| self.parts.remove(&server)).flatten().filter(|_| is_whole).map(|(_, whole)| whole)
    }

    /// A server tells of one of its users. Whether they were there before.
    pub fn take_user(&mut self, server: Uuid, user: &SharedUser) -> bool {
        let known = self.users.entry(server).or_default();
        let before = match user.sockets {
            0 => known.remove(&user.user),
            _ => known.insert(user.user.clone(), user.clone()),
        };
        self.sockets += user.sockets;
        self.sockets -= before.as_ref().map_or(0, |before| before.sockets);
        before.is_some()
    }

    /// How many sockets the users of other servers have.
    pub fn sockets(&self) -> usize {
        self.sockets
    }

    /// On how many other servers somebody is.
    pub fn servers(&self) -> usize {
        self.users.values().filter(|users| !users.is_empty()).count()
    }

    /// Whether a user is on another server.
    pub fn have(&self, user: &UserId) -> bool {
        self.users.values().any(|users| users.contains_key(user))
    }

    /// The users of a server that are not among these, as gone.
    pub fn missing(&self, server: Uuid, users: &[SharedUser]) -> Vec<SharedUser> {
        let there: HashSet<&UserId> = users.iter().map(|user| &user.user).collect();
        let known = self.users.get(&server).into_iter().flat_map(BTreeMap::values);
        known.filter(|user| !there.contains(&user.user)).map(|user| SharedUser { sockets: 0, ..user.clone() }).collect()
    }

    /// All users, with their servers.
    pub fn users(&self) -> impl Iterator<Item = (Uuid, &SharedUser)> {
        self.users.iter().flat_map(|(server, users)| users.values().map(move |user| (*server, user)))
    }

    /// What a user shows of themselves by JSON on another server.
    pub fn state(&self, user: &UserId) -> Option<&String> {
        self.users.values().find_map(|users| users.get(user)?.state.as_ref())
    }

    /// A user types there, or has stopped; whether that is news.
    pub fn take_typing(&mut self, server: Uuid, user: &UserId, name: &str, is_typing: bool, now: Instant) -> bool {
        let was_typing = self.is_typing(user);
        match is_typing {
            true => drop(self.typing.insert((server, user.clone()), (name.to_owned(), now + TYPING))),
            false => drop(self.typing.remove(&(server, user.clone()))),
        }
        was_typing != self.is_typing(user)
    }

    /// Whether a user types on another server.
    pub fn is_typing(&self, user: &UserId) -> bool {
        self.typing.keys().any(|(_, typist)| typist == user)
    }

    /// Who types on other servers, each with the name.
    pub fn typists(&self) -> BTreeMap<UserId, String> {
        self.typing.iter().map(|((_, user), (name, _))| (user.clone(), name.clone())).collect()
    }

    /// Ends the typing that nobody renewed, or all of one server; the users who type no more.
    pub fn end_typing(&mut self, server: Option<Uuid>, now: Instant) -> Vec<(UserId, String)> {
        let is_over = |at: Uuid, until: Instant| until <= now || server == Some(at);
        let over: Vec<_> = self
            .typing
            .iter()
            .filter(|((at, _), (_, until))| is_over(*at, *until))
            .map(|(key, _)| key.clone())
            .collect();
        let ended = over.into_iter().filter_map(|key| Some((key.1.clone(), self.typing.remove(&key)?.0)));
        let ended: Vec<_> = ended.collect();
        ended.into_iter().filter(|(user, _)| !self.is_typing(user)).collect()
    }

    /// When typing may next end.
    pub fn next_end(&self) -> Option<Instant> {
        self.typing.values().map(|(_, until)| *until).min()
    }

    /// Forgets a server.
    pub fn forget(&mut self, server: Uuid) {
        self.parts.remove(&server);
        let gone = self.users.remove(&server).unwrap_or_default();
        self.sockets -= gone.values().map(|user| user.sockets).sum::<usize>();
    }
}

/// What is to be told to other servers.
#[derive(Debug, Default)]
pub struct ToTell {
    states: HashMap<u64, SharedState>,
    /// Whether each has left for good.
    users: BTreeMap<UserId, bool>,
    typing: BTreeMap<UserId, (String, bool)>,
    due: Option<Instant>,
}

impl ToTell {
    /// A client's state has changed.
    pub fn add_states(&mut self, states: impl IntoIterator<Item = Announced>, now: Instant) {
        for state in states {
            self.states.insert(state.entry.client, shared_state(state));
            self.plan(now);
        }
    }

    /// A user has come, gone or changed.
    pub fn add_user(&mut self, user: &UserId, is_for_good: bool, now: Instant) {
        self.users.insert(user.clone(), is_for_good);
        self.plan(now);
    }

    /// A user types, goes on typing or has stopped.
    pub fn add_typing(&mut self, user: &UserId, name: &str, is_typing: bool, now: Instant) {
        self.typing.insert(user.clone(), (name.to_owned(), is_typing));
        self.plan(now);
    }

    fn plan(&mut self, now: Instant) {
        self.due.get_or_insert(now + GATHER);
    }

    /// When [`take`](Self::take) is to be called.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes out what is to be told; `look` tells how a user is now. Whether it may be lost: the next change repeats it.
    pub fn take(&mut self, look: impl Fn(&UserId) -> SharedUser) -> (RoomState, bool) {
        let Self { states, users, typing, .. } = std::mem::take(self);
        let may_be_lost = users.is_empty()
            && states.values().all(|state| state.state.is_some())
            && typing.values().all(|(_, is_typing)| *is_typing);
        let users = users.into_iter().map(|(user, is_for_good)| {
            let shared = look(&user);
            SharedUser { is_for_good: is_for_good && shared.sockets == 0, ..shared }
        });
        let typing = typing.into_iter().map(|(user, (name, is_typing))| (user, name, is_typing)).collect();
        (RoomState { users: users.collect(), states: states.into_values().collect(), typing }, may_be_lost)
    }
}

/// A state as other servers are told it.
pub fn shared_state(announced: Announced) -> SharedState {
    let Announced { entry: Entry { client, clock, state }, user, is_placeholder } = announced;
    let state = state.map(|state| String::from_utf8_lossy(&state).into_owned());
    SharedState { client, clock, user, state, is_placeholder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_in_parts_counts_once_it_is_complete_and_a_missing_part_begins_anew() {
        let (mut others, server) = (Others::default(), Uuid::from_u128(1));
        let typing = |user: &str| (UserId::new(user), user.to_owned(), true);
        let state = |user: &str| RoomState { typing: vec![typing(user)], ..RoomState::default() };
        let mut told = |number, count, user| others.gather(server, Part { number, count }, state(user));
        assert_eq!(told(1, 1, "a"), Some(state("a")));
        assert_eq!([told(1, 3, "a"), told(3, 3, "c"), told(2, 3, "b"), told(3, 3, "c")], [None, None, None, None]);
        assert_eq!([told(1, 3, "x"), told(2, 3, "y"), told(1, 3, "a"), told(2, 3, "b")], [None, None, None, None]);
        let whole = RoomState { typing: ["a", "b", "c"].map(typing).into(), ..RoomState::default() };
        assert_eq!(told(3, 3, "c"), Some(whole));
        assert!(others.parts.is_empty());
    }

    #[test]
    fn trap_23_however_often_clients_move_other_servers_are_told_a_few_times_a_second() {
        let (mut to_tell, start, mut told) = (ToTell::default(), Instant::now(), Vec::new());
        for ms in 0..1_000 {
            let now = start + Duration::from_millis(ms);
            // Six moves a millisecond: 300 clients, each 20 times a second.
            for move_ in 6 * ms..6 * ms + 6 {
                let entry = Entry { client: move_ % 300, clock: move_ / 300, state: Some("{}".into()) };
                to_tell.add_states([Announced { entry, user: UserId::new("a"), is_placeholder: false }], now);
            }
            if to_tell.due().is_some_and(|due| due <= now) {
                told.push(to_tell.take(|_| unreachable!("nobody has come or gone")));
            }
        }
        assert!((7..=8).contains(&told.len()), "{}", told.len());
        assert!(told.iter().all(|(state, may_be_lost)| *may_be_lost && state.states.len() == 300));
    }

    #[test]
    fn the_sockets_of_all_other_servers_are_counted_whoever_comes_changes_and_goes() {
        let (mut others, [one, other]) = (Others::default(), [1, 2].map(Uuid::from_u128));
        let user = |name: &str, sockets| SharedUser {
            user: UserId::new(name),
            name: name.to_owned(),
            sockets,
            state: None,
            is_for_good: false,
        };
        let mut counted = Vec::new();
        for (server, user) in
            [(one, user("a", 2)), (other, user("a", 1)), (one, user("a", 3)), (one, user("b", 1)), (one, user("b", 0))]
        {
            others.take_user(server, &user);
            counted.push(others.sockets());
        }
        others.forget(one);
        counted.push(others.sockets());
        assert_eq!(counted, [2, 3, 4, 5, 4, 1]);
    }
}
