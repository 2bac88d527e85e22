//! The awareness states of a room: which are news, whose they are, and what to say when their owner goes. Pure but for the time
//! that callers hand in.
//!
//! Every y-websocket client sends every remote state back (PROTOCOL.md, "Presence amplification"), so most entries are dropped by
//! their clock, before anything is parsed. A state belongs to the user who brought it; nobody else can change or remove it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::ids::{SocketId, UserId};
use crate::protocol::awareness::Entry;

/// Clients renew a state every 15 s, and drop one that was not renewed for this long.
const RENEWED_WITHIN: Duration = Duration::from_secs(30);
/// Most states that one socket may have; an editor has one.
const STATES_PER_SOCKET_MAX: usize = 32;
/// How many of those who left are remembered.
const DEPARTED_MAX: usize = 4096;

/// An announced state.
#[derive(Debug)]
struct State {
    entry: Entry,
    socket: SocketId,
    user: UserId,
    renewed: Instant,
}

/// Why awareness entries are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// Other clients would fail on it.
    #[error("an awareness state must be JSON")]
    NotJson,
    /// More than [`STATES_PER_SOCKET_MAX`].
    #[error("one connection may announce at most {STATES_PER_SOCKET_MAX} awareness states")]
    TooMany,
}

/// What a message changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// To show to all others.
    pub news: Vec<Entry>,
    /// To answer to the sender: the removal of its own state, which makes it raise its clock and announce itself again.
    pub reply: Vec<Entry>,
}

/// The awareness states of one room.
#[derive(Debug, Default)]
pub struct Presence {
    states: HashMap<u64, State>,
    /// Clients that left, with the clock of their removal, which peers remember too; oldest first.
    departed: HashMap<u64, u64>,
    departed_order: VecDeque<u64>,
}

impl Presence {
    /// Takes entries that `socket` of `user` sent; `own_client` is the client that it announced first.
    pub fn take(
        &mut self,
        socket: SocketId,
        user: &UserId,
        own_client: Option<u64>,
        entries: Vec<Entry>,
        now: Instant,
    ) -> Result<Change, PresenceError> {
        let mut change = Change::default();
        for entry in entries {
            let is_own = own_client == Some(entry.client);
            match self.states.get_mut(&entry.client) {
                Some(state) if state.user != *user => {}
                Some(state) => match &entry.state {
                    None if entry.clock >= state.entry.clock => {
                        self.states.remove(&entry.client);
                        self.remember(entry.client, entry.clock);
                        change.news.push(entry);
                    }
                    Some(json) if entry.clock > state.entry.clock => {
                        check(json)?;
                        if is_own {
                            state.socket = socket;
                        }
                        state.renewed = now;
                        state.entry = entry.clone();
                        change.news.push(entry);
                    }
                    // The same client came back while its old socket had not ended: that one's end must not remove the state.
                    Some(_) if is_own && entry.clock == state.entry.clock => state.socket = socket,
                    _ => {}
                },
                None => {
                    let Some(json) = &entry.state else { continue };
                    match self.departed.get(&entry.client) {
                        Some(&clock) if entry.clock <= clock => {
                            if is_own {
                                change.reply.push(Entry {
                                    clock,
                                    state: None,
                                    ..entry
                                });
                            }
                        }
                        _ => {
                            check(json)?;
                            self.count(socket)?;
                            self.forget(entry.client);
                            let state = State {
                                entry: entry.clone(),
                                socket,
                                user: user.clone(),
                                renewed: now,
                            };
                            self.states.insert(entry.client, state);
                            change.news.push(entry);
                        }
                    }
                }
            }
        }
        Ok(change)
    }

    /// Removes what `socket` announced; the removals to show to all others, with raised clocks so that they count.
    pub fn leave(&mut self, socket: SocketId) -> Vec<Entry> {
        let gone: Vec<u64> = self
            .states
            .iter()
            .filter(|(_, state)| state.socket == socket)
            .map(|(client, _)| *client)
            .collect();
        let mut removals = Vec::with_capacity(gone.len());
        for client in gone {
            if let Some(state) = self.states.remove(&client) {
                let clock = state.entry.clock + 1;
                self.remember(client, clock);
                removals.push(Entry {
                    client,
                    clock,
                    state: None,
                });
            }
        }
        removals
    }

    /// Forgets states that their owners no longer renew; peers drop them by themselves.
    pub fn expire(&mut self, now: Instant) {
        let is_old = |state: &State| now.duration_since(state.renewed) > RENEWED_WITHIN;
        let old: Vec<u64> = self
            .states
            .iter()
            .filter(|(_, state)| is_old(state))
            .map(|(client, _)| *client)
            .collect();
        for client in old {
            if let Some(state) = self.states.remove(&client) {
                self.remember(client, state.entry.clock);
            }
        }
    }

    /// All known states.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.states.values().map(|state| &state.entry)
    }

    /// Whether nobody announced anything.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    fn count(&self, socket: SocketId) -> Result<(), PresenceError> {
        let own = self.states.values().filter(|state| state.socket == socket).count();
        if own >= STATES_PER_SOCKET_MAX {
            Err(PresenceError::TooMany)
        } else {
            Ok(())
        }
    }

    fn remember(&mut self, client: u64, clock: u64) {
        if self.departed.insert(client, clock).is_none() {
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
    serde_json::from_slice::<IgnoredAny>(json)
        .map(|_| ())
        .map_err(|_| PresenceError::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SocketId = SocketId(1);
    const B: SocketId = SocketId(2);

    fn entry(client: u64, clock: u64, state: Option<&'static str>) -> Entry {
        Entry {
            client,
            clock,
            state: state.map(|text| Bytes::from_static(text.as_bytes())),
        }
    }

    struct Table(Presence);

    impl Table {
        fn take(&mut self, socket: SocketId, user: &str, own: u64, entry: Entry) -> Change {
            self.0
                .take(socket, &UserId::new(user), Some(own), vec![entry], Instant::now())
                .unwrap()
        }
    }

    fn table() -> Table {
        Table(Presence::default())
    }

    fn news(entry: Entry) -> Change {
        Change {
            news: vec![entry],
            reply: vec![],
        }
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
        assert!(table.0.is_empty());
    }

    #[test]
    fn a_client_that_returns_with_its_old_clock_is_told_to_raise_it() {
        let mut table = table();
        table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        assert_eq!(table.0.leave(A), [entry(1, 6, None)]);
        // Sent back late by a peer: no news, and no answer for the peer.
        assert_eq!(table.take(B, "bob", 2, entry(1, 5, Some("{}"))), Change::default());
        let reply = Change {
            news: vec![],
            reply: vec![entry(1, 6, None)],
        };
        assert_eq!(table.take(B, "ada", 1, entry(1, 5, Some("{}"))), reply);
        assert_eq!(
            table.take(B, "ada", 1, entry(1, 7, Some("{}"))),
            news(entry(1, 7, Some("{}")))
        );
    }

    #[test]
    fn the_end_of_a_socket_leaves_a_state_that_a_newer_socket_took_over() {
        let mut table = table();
        table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        assert_eq!(table.take(B, "ada", 1, entry(1, 5, Some("{}"))), Change::default());
        assert_eq!(table.0.leave(A), []);
        assert_eq!(table.0.leave(B), [entry(1, 6, None)]);
    }

    #[test]
    fn a_second_window_of_the_same_user_does_not_take_over_by_sending_back() {
        let mut table = table();
        table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        table.take(B, "ada", 2, entry(2, 1, Some("{}")));
        table.take(B, "ada", 2, entry(1, 5, Some("{}")));
        assert_eq!(table.0.leave(B), [entry(2, 2, None)]);
        assert_eq!(table.0.leave(A), [entry(1, 6, None)]);
    }

    #[test]
    fn what_is_not_json_and_one_state_too_many_are_refused() {
        let mut table = table();
        let refused = table.0.take(
            A,
            &UserId::new("ada"),
            None,
            vec![entry(1, 1, Some("{"))],
            Instant::now(),
        );
        assert_eq!(refused, Err(PresenceError::NotJson));
        let states = |n: usize| (0..n as u64).map(|client| entry(client, 1, Some("{}"))).collect();
        let ada = UserId::new("ada");
        assert!(
            table
                .0
                .take(A, &ada, None, states(STATES_PER_SOCKET_MAX), Instant::now())
                .is_ok()
        );
        let one_more = vec![entry(99, 1, Some("{}"))];
        assert_eq!(
            table.0.take(A, &ada, None, one_more, Instant::now()),
            Err(PresenceError::TooMany)
        );
    }

    #[test]
    fn a_state_that_is_not_renewed_is_forgotten_and_returns_with_a_raised_clock_only() {
        let mut table = table();
        let start = Instant::now();
        table.take(A, "ada", 1, entry(1, 5, Some("{}")));
        table.0.expire(start + RENEWED_WITHIN);
        assert!(!table.0.is_empty());
        table
            .0
            .expire(Instant::now() + RENEWED_WITHIN + Duration::from_millis(1));
        assert!(table.0.is_empty());
        assert_eq!(table.take(B, "bob", 2, entry(1, 5, Some("{}"))), Change::default());
        assert_eq!(
            table.take(A, "ada", 1, entry(1, 6, Some("{}"))),
            news(entry(1, 6, Some("{}")))
        );
    }

    #[test]
    fn only_so_many_departed_are_remembered() {
        let mut presence = Presence::default();
        for client in 0..=DEPARTED_MAX as u64 {
            presence.remember(client, 1);
        }
        assert_eq!(presence.departed.len(), DEPARTED_MAX);
        assert!(!presence.departed.contains_key(&0));
    }
}
