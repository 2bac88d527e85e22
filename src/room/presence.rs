//! The awareness states of a room: which are news, whose they are, and what to say when their owner goes. Pure but for the time
//! that callers hand in.
//!
//! Every y-websocket client sends every remote state back (PROTOCOL.md, "Presence amplification"), so most entries are dropped by
//! their clock, before anything is parsed. A state belongs to the user who brought it; nobody else can change or remove it.
//!
//! Peers remember the clock of a state beyond its removal and ignore the same clock when it comes again. So the state of whoever
//! may be back is told its own removal, which makes y-protocols raise the clock. Most clients then announce the state anew at once.
//! Hocuspocus providers from 4.0 on do not, so the server shows it with a raised clock by itself.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::ids::{MemberId, UserId};
use crate::protocol::Dialect;
use crate::protocol::awareness::Entry;

/// Clients renew a state every 15 s, and drop one that was not renewed for this long.
const RENEWED_WITHIN: Duration = Duration::from_secs(30);
/// Clients that were in a room before the server restarted come back to it within this time.
const RETURN_WITHIN: Duration = Duration::from_secs(60);
/// With more states than this, one that returns waits for the others' next renewal instead of having all announced anew.
const ANNOUNCE_MAX: usize = 64;
/// Longest state, in bytes. Every client sends every state back, readers too, so it must fit into a reader's message.
const STATE_BYTES_MAX: usize = 32 * 1024;
/// Most states that one member may have; an editor has one.
const STATES_PER_SOCKET_MAX: usize = 32;
/// How many of those who left are remembered.
const DEPARTED_MAX: usize = 4096;

/// An announced state.
#[derive(Debug)]
struct State {
    entry: Entry,
    /// The clock that its owner sent last; lower than the entry's where that was raised.
    heard: u64,
    member: MemberId,
    user: UserId,
    renewed: Instant,
    /// Whether the server announced it, for a user who has no editor.
    is_stand_in: bool,
}

/// Why awareness entries are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// Other clients would fail on it.
    #[error("an awareness state must be JSON")]
    NotJson,
    /// Longer than [`STATE_BYTES_MAX`].
    #[error("an awareness state has at most {STATE_BYTES_MAX} bytes")]
    TooLarge,
    /// More than [`STATES_PER_SOCKET_MAX`].
    #[error("one connection may announce at most {STATES_PER_SOCKET_MAX} awareness states")]
    TooMany,
}

/// What a message changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// To show to all others.
    pub news: Vec<Entry>,
    /// To show to the sender alone: what it has dropped while it was away.
    pub dropped: Vec<Entry>,
    /// Removals for the owners of states, each for its own member only: see the module's documentation.
    pub renew: Vec<(MemberId, Entry)>,
}

/// The awareness states of one room.
#[derive(Debug)]
pub struct Presence {
    states: HashMap<u64, State>,
    /// Clients that left; oldest first.
    departed: HashMap<u64, Departed>,
    departed_order: VecDeque<u64>,
    started: Instant,
}

/// A client that left.
#[derive(Debug, Clone, Copy)]
struct Departed {
    /// The clock of its removal, which peers remember too.
    clock: u64,
    at: Instant,
}

impl Presence {
    /// The empty table of a room that starts at `now`.
    pub fn new(now: Instant) -> Self {
        Self { states: HashMap::new(), departed: HashMap::new(), departed_order: VecDeque::new(), started: now }
    }

    /// Takes entries that `member` of `user` sent; `own_client` is the client that it announced first.
    pub fn take(
        &mut self,
        member: MemberId,
        user: &UserId,
        dialect: Dialect,
        own_client: Option<u64>,
        entries: Vec<Entry>,
        now: Instant,
    ) -> Result<Change, PresenceError> {
        let mut change = Change::default();
        for entry in entries {
            let is_own = own_client == Some(entry.client);
            let client = entry.client;
            let is_taken_over = self.states.get(&client).is_some_and(|state| is_own && state.member != member);
            match self.states.get_mut(&entry.client) {
                Some(state) if state.user != *user || state.is_stand_in => {}
                Some(state) => match &entry.state {
                    None if entry.clock >= if is_own { state.heard } else { state.entry.clock } => {
                        let entry = Entry { clock: entry.clock.max(state.entry.clock), ..entry };
                        self.states.remove(&entry.client);
                        self.remember(entry.client, entry.clock, now);
                        change.news.push(entry);
                    }
                    Some(json) if entry.clock > if is_own { state.heard } else { state.entry.clock } => {
                        check(json)?;
                        if is_own {
                            state.member = member;
                        }
                        state.renewed = now;
                        state.heard = entry.clock;
                        let raised = Entry { clock: entry.clock.max(state.entry.clock + 1), ..entry };
                        if raised.clock > state.heard {
                            // Sent before the owner was told to raise its clock.
                            change.renew.push((member, Entry { state: None, ..raised.clone() }));
                        }
                        state.entry = raised.clone();
                        change.news.push(raised);
                    }
                    // The same client came back while its old member had not ended: that one's end must not remove the state.
                    Some(_) if is_own && entry.clock == state.heard => state.member = member,
                    _ => {}
                },
                None => self.announced(member, user, is_own.then_some(dialect), entry, now, &mut change)?,
            }
            if is_taken_over && self.states.get(&client).is_some_and(|state| state.member == member) {
                // It dropped the others' states when it lost its connection, however fast it came back.
                self.raise_unheard(client, now, &mut change);
            }
        }
        Ok(change)
    }

    /// Takes an entry of a client that has no state; `own` is the dialect of its owner, if that sent it.
    fn announced(
        &mut self,
        member: MemberId,
        user: &UserId,
        own: Option<Dialect>,
        mut entry: Entry,
        now: Instant,
        change: &mut Change,
    ) -> Result<(), PresenceError> {
        let Some(json) = &entry.state else { return Ok(()) };
        let departed = self.departed.get(&entry.client).copied();
        let is_known = departed.is_some_and(|departed| entry.clock <= departed.clock);
        if is_known && own.is_none() {
            // A peer sends back what it has not yet heard to be gone.
            return Ok(());
        }
        if own.is_some()
            && let Some(departed) = departed
        {
            self.raise_unheard(entry.client, departed.at, change);
        }
        check(json)?;
        self.count(member)?;
        self.forget(entry.client);
        let heard = entry.clock;
        let may_be_back = is_known || (departed.is_none() && now.duration_since(self.started) < RETURN_WITHIN);
        if let Some(dialect) = own
            && may_be_back
        {
            if is_known || dialect == Dialect::Hocuspocus {
                entry.clock = departed.map_or(entry.clock, |departed| departed.clock.max(entry.clock)) + 1;
            }
            change.renew.push((member, Entry { state: None, ..entry.clone() }));
        }
        let state = State { entry: entry.clone(), heard, member, user: user.clone(), renewed: now, is_stand_in: false };
        self.states.insert(entry.client, state);
        change.news.push(entry);
        Ok(())
    }

    /// Raises the clocks of the states that have not changed since `client` left: it dropped them then, but remembers their clocks.
    fn raise_unheard(&mut self, client: u64, since: Instant, change: &mut Change) {
        if self.states.len() > ANNOUNCE_MAX {
            return;
        }
        for state in self.states.values_mut().filter(|state| state.entry.client != client && state.renewed <= since) {
            state.entry.clock += 1;
            change.dropped.push(state.entry.clone());
            if !state.is_stand_in {
                change.renew.push((state.member, Entry { state: None, ..state.entry.clone() }));
            }
        }
    }

    /// Keeps, changes or removes the state that stands in for a user without an editor: `member` and JSON text of it, or `None`
    /// if there should be none. A user who has announced a state needs none. What to show to all editors.
    pub fn stand_in(
        &mut self,
        user: &UserId,
        wanted: Option<(MemberId, Bytes)>,
        new_client: impl FnOnce() -> u32,
        now: Instant,
    ) -> Vec<Entry> {
        let has_own = self.states.values().any(|state| state.user == *user && !state.is_stand_in);
        let wanted = wanted.filter(|_| !has_own);
        let known = self.states.iter().find(|(_, state)| state.user == *user && state.is_stand_in);
        match (known.map(|(client, _)| *client), wanted) {
            (None, None) => Vec::new(),
            (None, Some((member, json))) => {
                let entry = Entry { client: u64::from(new_client()), clock: 1, state: Some(json) };
                if self.states.contains_key(&entry.client) {
                    // One in four billion, and the next change tries again.
                    return Vec::new();
                }
                let (user, is_stand_in) = (user.clone(), true);
                self.states.insert(
                    entry.client,
                    State { entry: entry.clone(), heard: 1, member, user, renewed: now, is_stand_in },
                );
                vec![entry]
            }
            (Some(client), None) => self.remove(client, now).into_iter().collect(),
            (Some(client), Some((member, json))) => {
                let Some(state) = self.states.get_mut(&client) else { return Vec::new() };
                state.member = member;
                if state.entry.state.as_ref() == Some(&json) {
                    return Vec::new();
                }
                state.entry.clock += 1;
                state.entry.state = Some(json);
                state.renewed = now;
                vec![state.entry.clone()]
            }
        }
    }

    /// Whether any state stands in for someone.
    pub fn has_stand_ins(&self) -> bool {
        self.states.values().any(|state| state.is_stand_in)
    }

    /// Renews the states that stand in for users without an editor, before peers drop them.
    pub fn renew_stand_ins(&mut self, now: Instant) -> Vec<Entry> {
        let stand_ins = self.states.values_mut().filter(|state| state.is_stand_in);
        let renewed = stand_ins.map(|state| {
            state.entry.clock += 1;
            state.renewed = now;
            state.entry.clone()
        });
        renewed.collect()
    }

    /// Whose states there are, but for those that stand in for someone.
    pub fn states(&self) -> impl Iterator<Item = (&UserId, &Bytes)> {
        let own = self.states.values().filter(|state| !state.is_stand_in);
        own.filter_map(|state| Some((&state.user, state.entry.state.as_ref()?)))
    }

    /// Removes what `member` announced; the removals to show to all others, with raised clocks so that they count.
    pub fn leave(&mut self, member: MemberId, now: Instant) -> Vec<Entry> {
        let gone: Vec<u64> =
            self.states.iter().filter(|(_, state)| state.member == member).map(|(client, _)| *client).collect();
        let mut removals = Vec::with_capacity(gone.len());
        for client in gone {
            removals.extend(self.remove(client, now));
        }
        removals
    }

    fn remove(&mut self, client: u64, now: Instant) -> Option<Entry> {
        let state = self.states.remove(&client)?;
        let clock = state.entry.clock + 1;
        self.remember(client, clock, now);
        Some(Entry { client, clock, state: None })
    }

    /// Forgets states that their owners no longer renew; peers drop them by themselves.
    pub fn expire(&mut self, now: Instant) {
        let is_old = |state: &State| now.duration_since(state.renewed) > RENEWED_WITHIN;
        let old: Vec<u64> = self.states.iter().filter(|(_, state)| is_old(state)).map(|(client, _)| *client).collect();
        for client in old {
            if let Some(state) = self.states.remove(&client) {
                self.remember(client, state.entry.clock, now);
            }
        }
    }

    /// All known states.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.states.values().map(|state| &state.entry)
    }

    fn count(&self, member: MemberId) -> Result<(), PresenceError> {
        let own = self.states.values().filter(|state| state.member == member).count();
        if own >= STATES_PER_SOCKET_MAX { Err(PresenceError::TooMany) } else { Ok(()) }
    }

    fn remember(&mut self, client: u64, clock: u64, now: Instant) {
        if self.departed.insert(client, Departed { clock, at: now }).is_none() {
            self.departed_order.push_back(client);
        }
        if self.departed_order.len() > DEPARTED_MAX
            && let Some(oldest) = self.departed_order.pop_front()
        {
            self.departed.remove(&oldest);
        }
    }

    fn forget(&mut self, client: u64) {
        if self.departed.remove(&client).is_some() {
            self.departed_order.retain(|known| *known != client);
        }
    }
}

fn check(json: &Bytes) -> Result<(), PresenceError> {
    if json.len() > STATE_BYTES_MAX {
        return Err(PresenceError::TooLarge);
    }
    serde_json::from_slice::<IgnoredAny>(json).map(|_| ()).map_err(|_| PresenceError::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberId = MemberId(1);
    const B: MemberId = MemberId(2);

    fn entry(client: u64, clock: u64, state: Option<&'static str>) -> Entry {
        Entry { client, clock, state: state.map(|text| Bytes::from_static(text.as_bytes())) }
    }

    struct Table(Presence, Dialect);

    impl Table {
        fn take_at(&mut self, now: Instant, member: MemberId, user: &str, own: u64, entry: Entry) -> Change {
            self.0.take(member, &UserId::new(user), self.1, Some(own), vec![entry], now).unwrap()
        }

        fn take(&mut self, member: MemberId, user: &str, own: u64, entry: Entry) -> Change {
            self.take_at(Instant::now(), member, user, own, entry)
        }

        fn leave(&mut self, member: MemberId) -> Vec<Entry> {
            self.0.leave(member, Instant::now())
        }
    }

    /// The table of a room that has been live for long.
    fn table() -> Table {
        Table(Presence::new(Instant::now() - RETURN_WITHIN), Dialect::Hocuspocus)
    }

    fn news(entry: Entry) -> Change {
        Change { news: vec![entry], ..Change::default() }
    }

    #[test]
    fn a_state_is_news_once_and_dropped_when_others_send_it_back() {
        let mut table = table();
        let state = entry(1, 1, Some("{}"));
        assert_eq!(table.take(A, "ada", 1, state.clone()), news(state.clone()));
        assert_eq!(table.take(B, "bob", 2, state), Change::default());
    }

    #[test]
    fn nobody_changes_or_removes_the_state_of_another_user() {
        let mut table = table();
        table.take(A, "ada", 1, entry(1, 1, Some("{}")));
        assert_eq!(table.take(B, "bob", 1, entry(1, 9, Some("1"))), Change::default());
        assert_eq!(table.take(B, "bob", 1, entry(1, 9, None)), Change::default());
        assert_eq!(table.0.entries().collect::<Vec<_>>(), [&entry(1, 1, Some("{}"))]);
        assert_eq!(table.take(A, "ada", 1, entry(1, 1, None)), news(entry(1, 1, None)));
        assert_eq!(table.0.entries().len(), 0);
    }

    #[test]
    fn a_client_that_returns_with_its_old_clock_is_shown_with_a_raised_one_and_told_to_raise_it() {
        let mut table = table();
        table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        assert_eq!(table.leave(A), [entry(1, 6, None)]);
        // Sent back late by a peer: no news, and no answer for the peer.
        assert_eq!(table.take(B, "bob", 2, entry(1, 5, Some("{}"))), Change::default());
        let renew = vec![(B, entry(1, 7, None))];
        let raised = Change { renew, ..news(entry(1, 7, Some("{}"))) };
        assert_eq!(table.take(B, "ada", 1, entry(1, 5, Some("{}"))), raised);
        // So told, the client goes on with the clock after that.
        assert_eq!(table.take(B, "ada", 1, entry(1, 8, Some("{}"))), news(entry(1, 8, Some("{}"))));
    }

    #[test]
    fn one_that_returns_is_shown_with_raised_clocks_what_it_has_dropped() {
        let mut table = table();
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        table.take_at(start, A, "ada", 1, entry(1, 5, Some("{}")));
        table.take_at(start, B, "bob", 2, entry(2, 3, Some("{}")));
        table.0.leave(B, start);
        table.take_at(later, MemberId(3), "cleo", 3, entry(3, 1, Some("{}")));
        let change = table.take_at(later, B, "bob", 2, entry(2, 3, Some("{}")));
        // Cleo came after Bob had left, so Bob does not know her clock.
        assert_eq!(change.dropped, [entry(1, 6, Some("{}"))]);
        assert_eq!(change.renew, [(A, entry(1, 6, None)), (B, entry(2, 5, None))]);
    }

    #[test]
    fn after_a_restart_of_the_server_everybody_is_told_to_raise_the_clock() {
        let mut table = Table(Presence::new(Instant::now()), Dialect::Yjs);
        let change = table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        assert_eq!(change, Change { renew: vec![(A, entry(1, 5, None))], ..news(entry(1, 5, Some("{}"))) });
        assert_eq!(table.take(A, "ada", 1, entry(1, 6, Some("{}"))), news(entry(1, 6, Some("{}"))));
    }

    #[test]
    fn a_provider_that_would_not_announce_itself_anew_is_shown_with_a_raised_clock_and_loses_nothing() {
        let mut table = Table(Presence::new(Instant::now()), Dialect::Hocuspocus);
        let change = table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        assert_eq!(change, Change { renew: vec![(A, entry(1, 6, None))], ..news(entry(1, 6, Some("{}"))) });
        // Sent before it was told.
        let change = table.take(A, "ada", 1, entry(1, 6, Some("1")));
        assert_eq!(change, Change { renew: vec![(A, entry(1, 7, None))], ..news(entry(1, 7, Some("1"))) });
        assert_eq!(table.take(A, "ada", 1, entry(1, 6, Some("1"))), Change::default());
        assert_eq!(table.take(A, "ada", 1, entry(1, 9, Some("2"))), news(entry(1, 9, Some("2"))));
    }

    #[test]
    fn the_end_of_a_socket_leaves_a_state_that_a_newer_socket_took_over() {
        let mut table = table();
        table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        assert_eq!(table.take(B, "ada", 1, entry(1, 5, Some("{}"))), Change::default());
        assert_eq!(table.leave(A), []);
        assert_eq!(table.leave(B), [entry(1, 6, None)]);
    }

    #[test]
    fn a_second_window_of_the_same_user_does_not_take_over_by_sending_back() {
        let mut table = table();
        table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        table.take(B, "ada", 2, entry(2, 1, Some("{}")));
        table.take(B, "ada", 2, entry(1, 5, Some("{}")));
        assert_eq!(table.leave(B), [entry(2, 2, None)]);
        assert_eq!(table.leave(A), [entry(1, 6, None)]);
    }

    #[test]
    fn what_is_not_json_too_large_or_one_state_too_many_is_refused() {
        let mut table = table();
        let ada = UserId::new("ada");
        let mut take = |entries| table.0.take(A, &ada, Dialect::Yjs, None, entries, Instant::now());
        assert_eq!(take(vec![entry(1, 1, Some("{"))]), Err(PresenceError::NotJson));
        let text = |bytes: usize| Some(Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2))));
        let longest = Entry { state: text(STATE_BYTES_MAX), ..entry(0, 1, None) };
        assert!(take(vec![longest]).is_ok());
        let longer = Entry { state: text(STATE_BYTES_MAX + 1), ..entry(0, 2, None) };
        assert_eq!(take(vec![longer]), Err(PresenceError::TooLarge));
        let states = |n: usize| (0..n as u64).map(|client| entry(client, 1, Some("{}"))).collect();
        assert!(take(states(STATES_PER_SOCKET_MAX)).is_ok());
        assert_eq!(take(vec![entry(99, 1, Some("{}"))]), Err(PresenceError::TooMany));
    }

    #[test]
    fn a_state_that_is_not_renewed_is_forgotten_and_returns_with_a_raised_clock_only() {
        let mut table = table();
        let start = Instant::now();
        table.take_at(start, A, "ada", 1, entry(1, 5, Some("{}")));
        table.0.expire(start + RENEWED_WITHIN);
        assert_eq!(table.0.entries().len(), 1);
        table.0.expire(start + RENEWED_WITHIN + Duration::from_millis(1));
        assert_eq!(table.0.entries().len(), 0);
        assert_eq!(table.take(B, "bob", 2, entry(1, 5, Some("{}"))), Change::default());
        assert_eq!(table.take(A, "ada", 1, entry(1, 6, Some("{}"))).news, [entry(1, 6, Some("{}"))]);
    }

    #[test]
    fn only_so_many_departed_are_remembered() {
        let mut presence = table().0;
        for client in 0..=DEPARTED_MAX as u64 {
            presence.remember(client, 1, Instant::now());
        }
        assert_eq!(presence.departed.len(), DEPARTED_MAX);
        assert!(!presence.departed.contains_key(&0));
    }

    #[test]
    fn a_user_without_an_editor_is_stood_in_for_until_an_editor_comes() {
        let mut table = table();
        let (ada, now) = (UserId::new("ada"), Instant::now());
        let json = |text: &'static str| Some((B, Bytes::from_static(text.as_bytes())));
        let stand = |table: &mut Table, wanted| table.0.stand_in(&ada, wanted, || 9, now);
        assert_eq!(stand(&mut table, json("{}")), [entry(9, 1, Some("{}"))]);
        assert_eq!(stand(&mut table, json("{}")), []);
        assert_eq!(stand(&mut table, json("[]")), [entry(9, 2, Some("[]"))]);
        assert_eq!(table.0.renew_stand_ins(now), [entry(9, 3, Some("[]"))]);
        assert_eq!(table.take(A, "ada", 9, entry(9, 9, None)), Change::default(), "no client can remove it");
        table.take(A, "ada", 1, entry(1, 1, Some("{}")));
        assert_eq!(stand(&mut table, json("[]")), [entry(9, 4, None)]);
        assert_eq!(stand(&mut table, json("[]")), []);
        table.leave(A);
        assert_eq!(stand(&mut table, json("[]")).len(), 1);
        assert_eq!(stand(&mut table, None).len(), 1);
    }
}
