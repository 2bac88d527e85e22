//! The states of those who are connected to other servers. Each server says what its own clients announce, and nothing that it was told
//! itself; so whose a state is decides who may change and remove it.

use std::collections::HashSet;
use std::time::Instant;

use uuid::Uuid;

use super::{AwarenessStates, State, accept, hold};
use crate::budget::Payer;
use crate::ids::{MemberId, UserId};
use crate::protocol::awareness::Entry;

/// No member of this server has this id.
const NOBODY: MemberId = MemberId(u64::MAX);
/// Most states of other servers.
const STATES_MAX: usize = 10_000;

/// An entry, whose it is, and whether a server made it for a user who has no editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    pub entry: Entry,
    pub user: UserId,
    pub is_placeholder: bool,
}

impl State {
    fn announced(&self) -> Announced {
        let (entry, user) = (self.entry.clone(), self.user.clone());
        Announced { entry, user, is_placeholder: self.is_placeholder }
    }
}

impl AwarenessStates {
    /// Takes what a server says of its clients; what to show to all editors here.
    pub fn take_elsewhere(&mut self, server: Uuid, states: Vec<Announced>, now: Instant) -> Vec<Entry> {
        states.into_iter().filter_map(|announced| self.take_one(server, announced, now)).collect()
    }

    fn take_one(&mut self, server: Uuid, announced: Announced, now: Instant) -> Option<Entry> {
        let Announced { entry, user, is_placeholder } = announced;
        let client = entry.client;
        let Some(state) = self.states.get_mut(&client) else {
            let json = entry.state.as_ref()?;
            // What is said of a client before it left may come behind that it left.
            let is_old = self.departed.get(client).is_some_and(|departed| entry.clock <= departed.clock);
            if is_old || self.states.len() >= STATES_MAX {
                return None;
            }
            let json = accept(json).ok()?;
            let mut held = self.budget.hold_for(Payer::of(&user), 0);
            hold(&mut held, json.len()).ok()?;
            let entry = Entry { state: Some(json), ..entry };
            self.departed.forget(client);
            let (member, server, heard) = (NOBODY, Some(server), entry.clock);
            let (told, renewed) = (None, now);
            let state =
                State { entry: entry.clone(), heard, member, server, user, renewed, held, told, is_placeholder };
            self.states.insert(client, state);
            return Some(entry);
        };
        let is_theirs = state.server == Some(server);
        let Some(json) = &entry.state else {
            // Of a client that came over meanwhile the server that it left has nothing to say.
            let clock = state.entry.clock.max(entry.clock);
            return is_theirs.then(|| {
                self.states.remove(&client);
                self.departed.remember(client, clock, now);
                Entry { client, clock, state: None }
            });
        };
        if state.user != user || entry.clock <= state.heard {
            return None;
        }
        let json = accept(json).ok()?;
        hold(&mut state.held, json.len()).ok()?;
        let clock = entry.clock.max(state.entry.clock + 1);
        (state.heard, state.member, state.server, state.renewed) = (entry.clock, NOBODY, Some(server), now);
        state.is_placeholder = is_placeholder;
        state.entry = Entry { client, clock, state: Some(json) };
        Some(state.entry.clone())
    }

    /// A client that was connected to another server has come over: peers there may hear that it left, so it goes on beyond that.
    pub(super) fn come_over(&mut self, client: u64, user: &UserId, now: Instant) {
        let is_elsewhere = |state: &&State| state.server.is_some() && state.user == *user;
        let Some(clock) = self.states.get(&client).filter(is_elsewhere).map(|state| state.entry.clock) else { return };
        self.states.remove(&client);
        self.departed.remember(client, clock + 1, now);
    }

    /// Removes the states of a server's clients, but for some; the removals to show to all editors here.
    pub fn leave_elsewhere(&mut self, server: Uuid, but: &HashSet<u64>, now: Instant) -> Vec<Entry> {
        let is_gone = |(client, state): &(&u64, &State)| state.server == Some(server) && !but.contains(client);
        let gone: Vec<u64> = self.states.iter().filter(is_gone).map(|(client, _)| *client).collect();
        gone.into_iter().filter_map(|client| self.remove(client, now)).collect()
    }

    /// The states of this server's own clients.
    pub fn own(&self) -> impl Iterator<Item = Announced> {
        self.states.values().filter(|state| state.server.is_none()).map(State::announced)
    }

    /// An entry that is news as other servers are told; of one that has gone nobody asks whose it was.
    pub fn as_announced(&self, entry: &Entry) -> Announced {
        let gone = || Announced { entry: entry.clone(), user: UserId::new(""), is_placeholder: false };
        let state = self.states.get(&entry.client).filter(|_| entry.state.is_some());
        state.map_or_else(gone, |state| Announced { entry: entry.clone(), ..state.announced() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    fn entry(clock: u64, state: Option<&'static str>) -> Entry {
        Entry { client: 7, clock, state: state.map(|state| Bytes::from_static(state.as_bytes())) }
    }

    struct Table(AwarenessStates, Instant);

    impl Table {
        fn new() -> Self {
            // Long ago, so that nobody is taken to be back from before a restart.
            let now = Instant::now();
            Self(AwarenessStates::new(1 << 20, now), now + Duration::from_secs(600))
        }

        fn says(&mut self, server: Uuid, clock: u64, state: Option<&'static str>) -> Vec<(u64, bool)> {
            let news = self.0.take_elsewhere(
                server,
                vec![Announced { entry: entry(clock, state), user: UserId::new("ada"), is_placeholder: false }],
                self.1,
            );
            news.into_iter().map(|entry| (entry.clock, entry.state.is_some())).collect()
        }

        fn own(&mut self, clock: u64) -> Vec<(u64, bool)> {
            let entries = vec![entry(clock, Some("{}"))];
            let change = self.0.take(MemberId(1), &UserId::new("ada"), Some(7), entries, self.1).unwrap();
            change.news.into_iter().map(|entry| (entry.clock, entry.state.is_some())).collect()
        }
    }

    #[test]
    fn what_another_server_says_is_shown_once_and_nothing_old() {
        let mut table = Table::new();
        assert_eq!(table.says(A, 3, Some("{}")), [(3, true)]);
        assert_eq!(table.says(A, 3, Some("{}")), []);
        assert_eq!(table.says(A, 2, Some("{}")), []);
        assert_eq!(table.says(A, 4, None), [(4, false)]);
        assert_eq!(table.says(A, 3, Some("{}")), [], "it comes behind the removal");
        assert_eq!(table.says(A, 5, Some("{}")), [(5, true)]);
        assert_eq!(table.says(A, 6, Some("no JSON")), []);
    }

    #[test]
    fn trap_24_what_a_client_sends_back_of_another_server_is_no_news() {
        let mut table = Table::new();
        table.says(A, 3, Some("{}"));
        for user in ["bob", "ada"] {
            let echo = vec![entry(3, Some("{}"))];
            let change = table.0.take(MemberId(1), &UserId::new(user), Some(9), echo, table.1).unwrap();
            assert_eq!(change.news, []);
        }
        assert_eq!(table.0.own().count(), 0, "and not this server's to tell");
    }

    #[test]
    fn who_comes_over_from_another_server_is_not_removed_when_that_one_says_so() {
        let mut table = Table::new();
        table.says(A, 3, Some("{}"));
        assert_eq!(table.own(3), [(5, true)], "beyond the clock of the removal");
        assert_eq!(table.says(A, 4, None), []);
        assert_eq!(table.0.leave_elsewhere(A, &HashSet::new(), table.1), []);
        // And there it is another server's from then on.
        assert_eq!(table.says(B, 6, Some("{}")), [(6, true)]);
        assert_eq!(table.0.leave(MemberId(1), table.1), []);
        let gone = table.0.leave_elsewhere(B, &HashSet::new(), table.1);
        assert_eq!(gone.iter().map(|entry| (entry.clock, entry.state.is_none())).collect::<Vec<_>>(), [(7, true)]);
        assert_eq!(table.says(B, 6, Some("{}")), [], "late frames revive nobody");
    }

    #[test]
    fn a_state_that_no_server_renews_is_forgotten_as_peers_do() {
        let mut table = Table::new();
        table.says(A, 3, Some("{}"));
        table.0.sweep(table.1 + Duration::from_secs(31));
        assert_eq!(table.0.entries().len(), 0);
    }
}
