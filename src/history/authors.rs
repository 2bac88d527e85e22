//! Whose something is: the user of a Yjs client, and who sent it, where that is somebody else.

use std::collections::HashMap;

use super::index::Edit;
use crate::document::IdRange;
use crate::ids::UserId;

/// Who brought which Yjs client first.
#[derive(Debug, Default, Clone)]
pub struct Authors(HashMap<u64, UserId>);

/// Whose something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// The user whose Yjs client it is; of a client that never came itself, who sent it.
    pub by: UserId,
    /// Who sent it, where that is somebody else.
    pub via: Option<UserId>,
}

impl Authors {
    /// Takes the bindings of a room.
    pub fn new(clients: Vec<(u64, UserId)>) -> Self {
        Self(clients.into_iter().collect())
    }

    /// The bindings.
    pub fn into_clients(self) -> impl Iterator<Item = (u64, UserId)> {
        self.0.into_iter()
    }

    /// Who wrote a range that an edit inserted.
    pub(super) fn of_inserted<'a>(&'a self, range: &IdRange, edit: &Edit<'a>) -> (&'a UserId, Option<&'a UserId>) {
        let sender = edit.via.unwrap_or(edit.author);
        let by = self.0.get(&range.client).unwrap_or(sender);
        (by, Some(sender).filter(|sender| *sender != by))
    }
}
