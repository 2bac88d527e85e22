//! Whose edit it is.

use crate::ids::{MemberId, UserId};

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
