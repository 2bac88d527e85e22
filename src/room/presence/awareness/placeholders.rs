//! The states that stand in for users who have JSON sockets only, so that editors see them. The server owns these: it alone changes,
//! renews and removes them.

use std::time::Instant;

use bytes::Bytes;

use super::AwarenessStates;
use super::table::State;
use crate::budget::Payer;
use crate::ids::{MemberId, UserId};
use crate::protocol::awareness::Entry;

impl AwarenessStates {
    /// Keeps, changes or removes the state that stands in for a user without an editor: `member` and JSON text of it, or `None`
    /// if there should be none. A user who has announced a state needs none. What to show to all editors.
    pub fn set_placeholder(
        &mut self,
        user: &UserId,
        wanted: Option<(MemberId, Bytes)>,
        new_client: impl FnOnce() -> u32,
        now: Instant,
    ) -> Vec<Entry> {
        let has_own = self.states.of_user(user).next().is_some();
        let wanted = wanted.filter(|_| !has_own);
        match (self.states.placeholder_of(user), wanted) {
            (None, None) => Vec::new(),
            (None, Some((member, json))) => {
                let entry = Entry { client: u64::from(new_client()), clock: 1, state: Some(json) };
                if self.states.get(entry.client).is_some() {
                    // One in four billion, and the next change tries again.
                    return Vec::new();
                }
                let bytes = entry.state.as_ref().map_or(0, Bytes::len);
                let held = self.budget.hold_for(Payer::of(user), bytes);
                let (user, server, is_placeholder, told, former) = (user.clone(), None, true, None, None);
                let state = State {
                    entry: entry.clone(),
                    heard: 1,
                    member,
                    server,
                    user,
                    former,
                    typist: None,
                    renewed: now,
                    held,
                    told,
                    is_placeholder,
                };
                self.states.insert(state);
                vec![entry]
            }
            (Some(client), None) => self.remove(client, now).into_iter().collect(),
            (Some(client), Some((member, json))) => {
                self.states.give(client, member);
                let Some(state) = self.states.get_mut(client) else { return Vec::new() };
                if state.entry.state.as_ref() == Some(&json) {
                    return Vec::new();
                }
                state.entry.clock += 1;
                state.held.set(json.len());
                state.entry.state = Some(json);
                state.renewed = now;
                vec![state.entry.clone()]
            }
        }
    }

    /// Whether any state of this server stands in for someone.
    pub fn has_placeholders(&self) -> bool {
        self.states.has_placeholders()
    }

    /// Renews the states that stand in for users without an editor, before peers drop them.
    pub(super) fn renew_placeholders(&mut self, now: Instant) -> Vec<Entry> {
        let placeholders = self.states.all_mut().filter(|state| state.is_placeholder && state.server.is_none());
        let renewed = placeholders.map(|state| {
            state.entry.clock += 1;
            state.renewed = now;
            state.entry.clone()
        });
        renewed.collect()
    }
}
