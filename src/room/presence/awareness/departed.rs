//! The clients that left a room, each with the clock of its removal. The ones that left first are forgotten first.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use uuid::Uuid;

use crate::ids::UserId;

/// How many are remembered.
const DEPARTED_MAX: usize = 4096;

/// A client that left.
#[derive(Debug)]
pub(super) struct Departed {
    /// The clock of its removal, which peers remember too.
    pub clock: u64,
    pub at: Instant,
    /// The server that it left, if that is another one.
    pub server: Option<Uuid>,
    /// Who announced it first.
    pub owner: UserId,
    /// Who announced it first as their own.
    pub typist: Option<UserId>,
}

impl Departed {
    /// Whose the client stays while `user` has it.
    pub fn former_to(self, user: &UserId) -> Option<UserId> {
        (self.owner != *user).then_some(self.owner)
    }
}

/// The clients that left and have not come back.
#[derive(Debug, Default)]
pub(super) struct DepartedClients {
    by_client: HashMap<u64, Departed>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl DepartedClients {
    pub fn get(&self, client: u64) -> Option<&Departed> {
        self.by_client.get(&client)
    }

    /// `client` left, and its removal has this clock.
    pub fn remember(&mut self, client: u64, departed: Departed) {
        if self.by_client.insert(client, departed).is_none() {
            self.order.push_back(client);
        }
        if self.order.len() > DEPARTED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_client.remove(&oldest);
        }
    }

    /// `client` has come back, or somebody goes on with it.
    pub fn take(&mut self, client: u64) -> Option<Departed> {
        let departed = self.by_client.remove(&client)?;
        self.order.retain(|known| *known != client);
        Some(departed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_remembered() {
        let mut departed = DepartedClients::default();
        for client in 0..=DEPARTED_MAX as u64 {
            let owner = UserId::new("ada");
            departed.remember(client, Departed { clock: 1, at: Instant::now(), server: None, owner, typist: None });
        }
        assert_eq!((departed.by_client.len(), departed.order.len()), (DEPARTED_MAX, DEPARTED_MAX));
        assert!(departed.get(0).is_none() && departed.get(1).is_some());
    }
}
