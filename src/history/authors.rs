//! Whose something is: the user of a Yjs client, and who sent it, where that is somebody else.

use std::borrow::Cow;
use std::collections::HashMap;

use super::index::Edit;
use crate::document::IdRange;
use crate::ids::{Seq, UserId};

/// Text that an edit writes after an erasure has deleted the same is taken for moved if it has so many characters: fewer may be typed by chance.
const ERASED_CHARACTERS_MIN: usize = 4;

/// Who brought which Yjs client first.
#[derive(Debug, Default, Clone)]
pub struct Authors {
    clients: HashMap<u64, UserId>,
    /// What an erasure has deleted, and behind which entry: later edits that write the same may have moved it.
    erased: Option<(Seq, Vec<IdRange>)>,
}

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
        Self { clients: clients.into_iter().collect(), erased: None }
    }

    /// The same, where an erasure has deleted some units behind an entry. Who moves them without having seen that writes them anew, and of
    /// what that edit deletes nothing is stored, since it is deleted already.
    pub fn with_erased(self, head: Seq, deleted: Vec<IdRange>) -> Self {
        Self { erased: Some((head, deleted)), ..self }
    }

    /// What an edit may have moved, and how many characters of it are the least that count.
    pub(super) fn moved_by<'a>(&self, edit: &Edit<'a>) -> (Cow<'a, [IdRange]>, usize) {
        match &self.erased {
            Some((head, erased)) if edit.seq > *head && !edit.inserted.is_empty() => {
                (Cow::Owned(edit.deleted.iter().chain(erased).copied().collect()), ERASED_CHARACTERS_MIN)
            }
            _ => (Cow::Borrowed(edit.deleted), 1),
        }
    }

    /// The bindings.
    pub fn into_clients(self) -> impl Iterator<Item = (u64, UserId)> {
        self.clients.into_iter()
    }

    /// Who wrote a range that an edit inserted.
    pub(super) fn of_inserted<'a>(&'a self, range: &IdRange, edit: &Edit<'a>) -> (&'a UserId, Option<&'a UserId>) {
        let sender = edit.via.unwrap_or(edit.author);
        let by = self.clients.get(&range.client).unwrap_or(sender);
        (by, Some(sender).filter(|sender| *sender != by))
    }
}
