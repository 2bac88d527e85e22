//! Why a member's edit is refused, and which of the reasons are in the log already.

use crate::document::Refusal;
use crate::protocol::CloseCode;
use crate::room::quotas::Denied;

/// Why an edit is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EditRefusal {
    /// Its sender may only read.
    ReadOnly,
    /// It is longer than a message may be.
    TooLong,
    /// The document would be too large.
    DocumentFull,
    /// No more of it may be on disk.
    StorageFull,
    /// There is no such room, and its sender may not make it.
    NoRoom,
    /// There is no such room, and its sender has made as many as they may.
    TooManyRooms,
    /// No Yjs client makes it.
    Harmful,
    /// The store failed on it.
    Failed,
    /// It goes on with another's Yjs client. What its sender has of that is asked for by Step1.
    OfAnother,
}

impl EditRefusal {
    /// What y-websocket's clients are told that stay connected, and the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ReadOnly => "this room is read-only for you",
            Self::TooLong => "the edit is longer than a message may be",
            Self::DocumentFull => "the document would be too large",
            Self::StorageFull => "the room, or you, have as much on disk as is allowed",
            Self::NoRoom => "there is no such room, and you may not make it",
            Self::TooManyRooms => "there is no such room, and you have made as many rooms as you may",
            Self::Harmful => "the edit cannot be taken",
            Self::Failed => "the edit cannot be stored",
            Self::OfAnother => {
                "it goes on with a Yjs client of another user: taken once the client gives it back when asked by Step1; \
                 make a new Y.Doc when somebody else signs in"
            }
        }
    }

    /// What a connection is closed with, if it is closed for that.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::DocumentFull | Self::StorageFull | Self::TooManyRooms => CloseCode::EditTooLarge,
            Self::NoRoom => CloseCode::Forbidden,
            _ => CloseCode::EditRefused,
        }
    }
}

impl From<&Refusal> for EditRefusal {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::TooLarge { .. } => Self::DocumentFull,
            Refusal::OfAnother { .. } => Self::OfAnother,
            _ => Self::Harmful,
        }
    }
}

impl From<Denied> for EditRefusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::RoomFull | Denied::UserFull => Self::StorageFull,
            Denied::NoRoom => Self::NoRoom,
            Denied::TooManyRooms => Self::TooManyRooms,
        }
    }
}

/// The refusals of a member that are in the log.
#[derive(Debug, Default, Clone, Copy)]
pub struct LoggedRefusals(u16);

impl LoggedRefusals {
    /// Notes one; whether it is the first of its kind.
    pub fn is_first(&mut self, refusal: EditRefusal) -> bool {
        let bit = 1 << refusal as u8;
        let is_first = self.0 & bit == 0;
        self.0 |= bit;
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_first_once() {
        let mut logged = LoggedRefusals::default();
        let all = [
            EditRefusal::ReadOnly,
            EditRefusal::TooLong,
            EditRefusal::DocumentFull,
            EditRefusal::StorageFull,
            EditRefusal::NoRoom,
            EditRefusal::TooManyRooms,
            EditRefusal::Harmful,
            EditRefusal::Failed,
            EditRefusal::OfAnother,
        ];
        assert!(all.iter().all(|refusal| logged.is_first(*refusal)));
        assert!(!all.iter().any(|refusal| logged.is_first(*refusal)));
    }
}
