//! The states of a room by client, and which of them each member and each user has: who comes, goes or changes costs the same in a room of
//! ten and of ten thousand.

use std::collections::hash_map::{Values, ValuesMut};
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use uuid::Uuid;

use crate::budget::HeldBytes;
use crate::ids::{MemberId, UserId};
use crate::protocol::awareness::Entry;
#[cfg(test)]
use crate::room::testing::look_at;

/// No member of this server has this id.
pub(super) const NOBODY: MemberId = MemberId(u64::MAX);

/// An announced state.
#[derive(Debug)]
pub(super) struct State {
    pub entry: Entry,
    /// The clock that its owner sent last; lower than the entry's where that was raised.
    pub heard: u64,
    pub member: MemberId,
    /// The server that its owner is connected to, if it is another one; then `member` is nobody.
    pub server: Option<Uuid>,
    pub user: UserId,
    /// Another user, who had the client before and has left. It is theirs when they are back.
    pub former: Option<UserId>,
    /// Who announced the client first as their own: not as one of others, whose states clients pass on.
    pub typist: Option<UserId>,
    pub renewed: Instant,
    /// What the state takes of the room's.
    pub held: HeldBytes,
    /// When the owner was sent the raised clock last.
    pub told: Option<Instant>,
    /// Whether the server announced it, for a user who has no editor.
    pub is_placeholder: bool,
}

/// The states. Whose one is changes by [`give`](Self::give) and [`give_away`](Self::give_away) alone.
#[derive(Debug, Default)]
pub(super) struct StateTable {
    by_client: HashMap<u64, State>,
    /// Of members of this server.
    by_member: BTreeSet<(MemberId, u64)>,
    /// Those that users have announced.
    by_user: BTreeSet<(UserId, u64)>,
    /// Those of this server that stand in for someone.
    placeholders: HashMap<UserId, u64>,
}

impl StateTable {
    /// A client's state.
    pub fn get(&self, client: u64) -> Option<&State> {
        self.by_client.get(&client)
    }

    /// As [`get`](Self::get), to change it.
    pub fn get_mut(&mut self, client: u64) -> Option<&mut State> {
        self.by_client.get_mut(&client)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// All of them.
    pub fn all(&self) -> Values<'_, u64, State> {
        #[cfg(test)]
        look_at(self.by_client.len());
        self.by_client.values()
    }

    /// As [`all`](Self::all), to change them.
    pub fn all_mut(&mut self) -> ValuesMut<'_, u64, State> {
        #[cfg(test)]
        look_at(self.by_client.len());
        self.by_client.values_mut()
    }

    /// The clients of a member of this server.
    pub fn of_member(&self, member: MemberId) -> impl Iterator<Item = u64> {
        self.by_member.range((member, 0)..=(member, u64::MAX)).map(|(_, client)| *client)
    }

    /// What a user has announced, on whichever server.
    pub fn of_user(&self, user: &UserId) -> impl Iterator<Item = &State> {
        let clients = self.by_user.range((user.clone(), 0)..=(user.clone(), u64::MAX));
        clients.filter_map(|(_, client)| self.by_client.get(client))
    }

    /// The client that stands in for a user, as this server has it.
    pub fn placeholder_of(&self, user: &UserId) -> Option<u64> {
        self.placeholders.get(user).copied()
    }

    /// Whether any state of this server stands in for someone.
    pub fn has_placeholders(&self) -> bool {
        !self.placeholders.is_empty()
    }

    /// Adds the state of a client that has none.
    pub fn insert(&mut self, state: State) {
        let client = state.entry.client;
        if state.server.is_none() {
            self.by_member.insert((state.member, client));
        }
        if !state.is_placeholder {
            self.by_user.insert((state.user.clone(), client));
        } else if state.server.is_none() {
            self.placeholders.insert(state.user.clone(), client);
        }
        self.by_client.insert(client, state);
    }

    /// Removes a client's state.
    pub fn remove(&mut self, client: u64) -> Option<State> {
        let state = self.by_client.remove(&client)?;
        self.by_member.remove(&(state.member, client));
        if !state.is_placeholder {
            self.by_user.remove(&(state.user.clone(), client));
        } else if state.server.is_none() {
            self.placeholders.remove(&state.user);
        }
        Some(state)
    }

    /// A client's state is this member's from now on.
    pub fn give(&mut self, client: u64, member: MemberId) {
        if self.get(client).is_some_and(|state| state.member != member)
            && let Some(state) = self.remove(client)
        {
            self.insert(State { member, server: None, ..state });
        }
    }

    /// A client's state is another server's from now on, which tells whether it stands in for someone.
    pub fn give_away(&mut self, client: u64, server: Uuid, is_placeholder: bool) {
        let is_known = |state: &State| state.server == Some(server) && state.is_placeholder == is_placeholder;
        if self.get(client).is_some_and(|state| !is_known(state))
            && let Some(state) = self.remove(client)
        {
            self.insert(State { member: NOBODY, server: Some(server), is_placeholder, ..state });
        }
    }
}
