//! What a token allows in a room, and the one function that decides whether that suffices for an action.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What someone may do in a room; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Nothing; the room looks like one that does not exist.
    #[default]
    None,
    /// See everything in the room, and be seen in it.
    Read,
    /// Change the document, send messages and signals.
    Write,
    /// Decide about the room itself.
    Admin,
}

impl Access {
    /// Every access, ascending.
    pub const ALL: [Self; 4] = [Self::None, Self::Read, Self::Write, Self::Admin];

    /// The word on the wire and in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("access is one of none, read, write, admin")]
pub struct NotAnAccess;

impl FromStr for Access {
    type Err = NotAnAccess;

    fn from_str(text: &str) -> Result<Self, NotAnAccess> {
        Self::ALL.into_iter().find(|access| access.as_str() == text).ok_or(NotAnAccess)
    }
}

/// Something that a socket or a request wants to do in one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Find the room in a list.
    ListRoom,
    /// Become a member: receive what happens from now on.
    Join,
    /// Read the document as it is.
    ReadDocument,
    /// Read the timeline: who did what and when.
    ReadHistory,
    /// Read what the document was, what changed, and who wrote what.
    ReadPast,
    /// See who is in the room.
    ReadPresence,
    /// Show one's own presence: awareness, cursor, state. Readers are seen, too.
    ShowPresence,
    /// Send what is ephemeral and goes to all members: typing, ephemeral app events, binary signals.
    Signal,
    /// Change the document.
    Edit,
    /// Add a message or an app event to the timeline.
    Publish,
    /// Decide about the room: disconnect members, open it for writing again, delete it.
    Administer,
}

impl Action {
    /// Every action, for tests that leave no cell of the matrix out.
    pub const ALL: [Self; 11] = [
        Self::ListRoom,
        Self::Join,
        Self::ReadDocument,
        Self::ReadHistory,
        Self::ReadPast,
        Self::ReadPresence,
        Self::ShowPresence,
        Self::Signal,
        Self::Edit,
        Self::Publish,
        Self::Administer,
    ];

    /// The least access that allows it.
    pub fn required(self) -> Access {
        match self {
            Self::ListRoom
            | Self::Join
            | Self::ReadDocument
            | Self::ReadHistory
            | Self::ReadPresence
            | Self::ShowPresence => Access::Read,
            Self::ReadPast | Self::Signal | Self::Edit | Self::Publish => Access::Write,
            Self::Administer => Access::Admin,
        }
    }
}

/// Whether `access` suffices for `action`: the one policy, for sockets and REST alike.
pub fn allows(access: Access, action: Action) -> bool {
    access >= action.required()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_16_each_role_may_do_exactly_what_the_table_says() {
        use Action::*;
        let table = [
            //             none   read   write  admin
            (ListRoom, [false, true, true, true]),
            (Join, [false, true, true, true]),
            (ReadDocument, [false, true, true, true]),
            (ReadHistory, [false, true, true, true]),
            (ReadPast, [false, false, true, true]),
            (ReadPresence, [false, true, true, true]),
            (ShowPresence, [false, true, true, true]),
            (Signal, [false, false, true, true]),
            (Edit, [false, false, true, true]),
            (Publish, [false, false, true, true]),
            (Administer, [false, false, false, true]),
        ];
        assert_eq!(table.map(|(action, _)| action), Action::ALL);
        for (action, expected) in table {
            assert_eq!(Access::ALL.map(|access| allows(access, action)), expected, "{action:?}");
        }
    }

    #[test]
    fn access_is_read_and_written_with_the_same_words() {
        for access in Access::ALL {
            assert_eq!(access.as_str().parse(), Ok(access));
            assert_eq!(serde_json::to_value(access).unwrap(), access.as_str());
        }
        for text in ["", "Write", "owner", "read "] {
            assert_eq!(text.parse::<Access>(), Err(NotAnAccess), "{text:?}");
        }
    }
}
