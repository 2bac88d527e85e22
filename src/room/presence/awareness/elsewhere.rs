//! The states of those who are connected to other servers. Each server says what its own clients announce, and nothing that it was told
//! itself; so whose a state is decides who may change and remove it.

use std::collections::HashSet;
use std::time::Instant;

use uuid::Uuid;

use super::table::{NOBODY, State};
use super::{ANNOUNCE_MAX, AwarenessStates, Change, accept, hold};
use crate::budget::Payer;
use crate::ids::UserId;
use crate::protocol::awareness::Entry;

/// Most states of other servers.
const STATES_MAX: usize = 10_000;
/// How far clocks are raised for a client that comes back on another server: more often than that nobody has come back since to the
/// server that it left, which raised them by 1 each time and told nobody.
const RAISED_BY: u64 = 100;

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
    /// Takes what a server says of its clients. `news` is to show to all editors here; `dropped`, for the other servers, are states of
    /// this server's own clients with raised clocks: who comes back on another server has dropped them, but remembers their clocks.
    pub fn take_elsewhere(&mut self, server: Uuid, states: Vec<Announced>, now: Instant) -> Change {
        let mut change = Change::default();
        let mut since = None;
        for announced in states {
            let back = self.is_back_since(server, &announced, now);
            if let Some(entry) = self.take_one(server, announced, now) {
                since = since.max(back);
                change.news.push(entry);
            }
        }
        if let Some(since) = since {
            self.raise_own(since, &mut change);
        }
        change
    }

    /// When the client left, if it was here before, or on another server than the one that announces it.
    fn is_back_since(&self, server: Uuid, announced: &Announced, now: Instant) -> Option<Instant> {
        let client = announced.entry.client;
        match self.states.get(client) {
            Some(state) => (state.server != Some(server)).then_some(now),
            None => self.departed.get(client).map(|departed| departed.at),
        }
    }

    /// Raises the clocks of this server's own clients that have not changed since then.
    fn raise_own(&mut self, since: Instant, change: &mut Change) {
        if self.states.len() > ANNOUNCE_MAX {
            return;
        }
        for state in self.states.all_mut().filter(|state| state.server.is_none() && state.renewed <= since) {
            state.entry.clock += RAISED_BY;
            change.dropped.push(state.entry.clone());
            if !state.is_placeholder {
                change.renew.push((state.member, state.entry.clone()));
            }
        }
    }

    fn take_one(&mut self, server: Uuid, announced: Announced, now: Instant) -> Option<Entry> {
        let Announced { entry, user, .. } = &announced;
        let left = if entry.state.is_some() { self.give_back(entry.client, user, now) } else { None };
        self.take_theirs(server, announced, now).or(left)
    }

    fn take_theirs(&mut self, server: Uuid, announced: Announced, now: Instant) -> Option<Entry> {
        let Announced { entry, user, is_placeholder } = announced;
        let client = entry.client;
        let Some(state) = self.states.get_mut(client) else {
            let json = entry.state.as_ref()?;
            let departed = self.departed.get(client).filter(|departed| entry.clock <= departed.clock);
            // What a server says of a client before it left may come behind that it left.
            let is_old = departed.is_some_and(|departed| departed.server == Some(server));
            if is_old || self.states.len() >= STATES_MAX {
                return None;
            }
            let json = accept(json).ok()?;
            let mut held = self.budget.hold_for(Payer::of(&user), 0);
            hold(&mut held, json.len()).ok()?;
            // One that left another server is back, and its own does not know the clock of the removal.
            let clock = departed.map_or(entry.clock, |departed| departed.clock + 1);
            let departed = self.departed.take(client);
            let typist = departed.as_ref().and_then(|departed| departed.typist.clone());
            let former = departed.and_then(|departed| departed.former_to(&user));
            let (member, server, heard) = (NOBODY, Some(server), entry.clock);
            let entry = Entry { clock, state: Some(json), ..entry };
            let (told, renewed) = (None, now);
            let state = State {
                entry: entry.clone(),
                heard,
                member,
                server,
                user,
                former,
                typist,
                renewed,
                held,
                told,
                is_placeholder,
            };
            self.states.insert(state);
            return Some(entry);
        };
        let is_theirs = state.server == Some(server);
        let Some(json) = &entry.state else {
            // Of a client that came over meanwhile the server that it left has nothing to say.
            let clock = state.entry.clock.max(entry.clock);
            let departed = is_theirs.then(|| state.departed(clock, now))?;
            self.states.remove(client);
            self.departed.remember(client, departed);
            return Some(Entry { client, clock, state: None });
        };
        if state.user != user || entry.clock <= state.heard {
            return None;
        }
        let json = accept(json).ok()?;
        hold(&mut state.held, json.len()).ok()?;
        let clock = entry.clock.max(state.entry.clock + 1);
        (state.heard, state.renewed) = (entry.clock, now);
        let entry = Entry { client, clock, state: Some(json) };
        state.entry = entry.clone();
        self.states.give_away(client, server, is_placeholder);
        Some(entry)
    }

    /// A client that was connected to another server has come over: peers there may hear that it left, so it goes on beyond that.
    /// What to show if it shows nothing here.
    pub(super) fn come_over(&mut self, client: u64, user: &UserId, now: Instant) -> Option<Entry> {
        let is_elsewhere = |state: &&State| state.server.is_some() && state.user == *user;
        self.states.get(client).filter(is_elsewhere)?;
        self.remove(client, now)
    }

    /// Removes the states of a server's clients, but for some; the removals to show to all editors here.
    pub fn leave_elsewhere(&mut self, server: Uuid, but: &HashSet<u64>, now: Instant) -> Vec<Entry> {
        let is_gone = |state: &&State| state.server == Some(server) && !but.contains(&state.entry.client);
        let gone: Vec<u64> = self.states.all().filter(is_gone).map(|state| state.entry.client).collect();
        gone.into_iter().filter_map(|client| self.remove(client, now)).collect()
    }

    /// The states of this server's own clients.
    pub fn own(&self) -> impl Iterator<Item = Announced> {
        self.states.all().filter(|state| state.server.is_none()).map(State::announced)
    }

    /// An entry that is news as other servers are told; of one that has gone nobody asks whose it was.
    pub fn as_announced(&self, entry: &Entry) -> Announced {
        let gone = || Announced { entry: entry.clone(), user: UserId::new(""), is_placeholder: false };
        let state = self.states.get(entry.client).filter(|_| entry.state.is_some());
        state.map_or_else(gone, |state| Announced { entry: entry.clone(), ..state.announced() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::ids::MemberId;

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
            news.news.into_iter().map(|entry| (entry.clock, entry.state.is_some())).collect()
        }

        fn own(&mut self, clock: u64) -> Vec<(u64, bool)> {
            let entries = vec![entry(clock, Some("{}"))];
            let change = self.0.take(MemberId(1), &UserId::new("ada"), Some(7), entries, self.1);
            change.news.into_iter().map(|entry| (entry.clock, entry.state.is_some())).collect()
        }
    }

    #[test]
    fn rule_17_who_has_left_has_the_client_back_on_whichever_server() {
        let mut table = Table::new();
        let bob = UserId::new("bob");
        let steal =
            |table: &mut Table, clock| table.0.take(MemberId(2), &bob, Some(7), vec![entry(clock, Some("1"))], table.1);
        assert_eq!((table.says(A, 3, Some("{}")), table.says(A, 3, None)), (vec![(3, true)], vec![(3, false)]));
        assert_eq!(steal(&mut table, 8).news, [entry(8, Some("1"))]);
        assert_eq!(table.says(A, 4, Some("{}")), [(10, true)]);
        assert_eq!(steal(&mut table, 20), Change::default());
        // From one server to the other.
        assert_eq!(table.says(A, 4, None), [(10, false)]);
        let stolen = Announced { entry: entry(12, Some("1")), user: bob.clone(), is_placeholder: false };
        assert_eq!(table.0.take_elsewhere(B, vec![stolen], table.1).news, [entry(12, Some("1"))]);
        assert_eq!(table.own(5), [(14, true)]);
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
            let change = table.0.take(MemberId(1), &UserId::new(user), Some(9), echo, table.1);
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

    /// What is told to other servers, and sent to owners, when these clocks of client 7 come from a server.
    fn raised(table: &mut Table, server: Uuid, clock: u64) -> Vec<(u64, u64)> {
        let announced = Announced { entry: entry(clock, Some("{}")), user: UserId::new("ada"), is_placeholder: false };
        let Change { dropped, renew, .. } = table.0.take_elsewhere(server, vec![announced], table.1);
        assert_eq!(renew, dropped.iter().map(|entry| (MemberId(2), entry.clone())).collect::<Vec<_>>());
        dropped.into_iter().map(|entry| (entry.client, entry.clock)).collect()
    }

    #[test]
    fn who_comes_back_on_another_server_with_an_old_clock_is_shown() {
        let mut table = Table::new();
        table.says(A, 3, Some("{}"));
        assert_eq!(table.says(A, 4, None), [(4, false)]);
        assert_eq!(table.says(B, 4, Some("{}")), [(5, true)], "beyond the clock of the removal");
        assert_eq!(table.says(B, 5, Some("{}")), [(6, true)]);
        let mut table = Table::new();
        table.own(3);
        table.0.leave(MemberId(1), table.1);
        assert_eq!(table.says(B, 4, Some("{}")), [(5, true)], "and who was here");
    }

    #[test]
    fn who_comes_back_on_another_server_sees_those_here_who_have_not_changed() {
        let mut table = Table::new();
        let bob = vec![Entry { client: 9, ..entry(3, Some("{}")) }];
        table.0.take(MemberId(2), &UserId::new("bob"), Some(9), bob, table.1);
        assert_eq!(raised(&mut table, A, 3), [], "new here");
        assert_eq!(raised(&mut table, A, 4), [], "a change");
        assert_eq!(raised(&mut table, B, 5), [(9, 103)], "moved over");
        table.says(B, 6, None);
        assert_eq!(raised(&mut table, B, 7), [(9, 203)], "back");
        assert_eq!(raised(&mut table, B, 7), [], "twice");
    }

    #[test]
    fn a_state_that_no_server_renews_is_forgotten_as_peers_do() {
        let mut table = Table::new();
        table.says(A, 3, Some("{}"));
        table.0.sweep(table.1 + Duration::from_secs(31));
        assert_eq!(table.0.entries().len(), 0);
    }
}
