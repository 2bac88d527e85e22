//! Whose edit it is.

use crate::ids::{MemberId, UserId};
use crate::protocol::EditKind;

/// Where an edit comes from. Nothing in the way of an edit needs a live member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditOrigin {
    /// A member, who is in when the edit comes.
    Member(MemberId),
    /// The server itself, on behalf of a user.
    Server {
        /// Who is its author.
        user: UserId,
    },
}

impl EditOrigin {
    /// The member who is not sent its own edit.
    pub fn sender(&self) -> Option<MemberId> {
        match self {
            Self::Member(id) => Some(*id),
            Self::Server { .. } => None,
        }
    }
}

/// Whether somebody else than a user has announced a Yjs client in the room, as presence has it.
pub type AnnouncedByAnother<'a> = &'a dyn Fn(u64, &UserId) -> bool;

/// How an edit comes.
pub struct Source<'a> {
    /// Where from.
    pub origin: EditOrigin,
    /// As what.
    pub kind: EditKind,
    /// Whose the Yjs clients are of which the room has nothing yet.
    pub announced: AnnouncedByAnother<'a>,
}
