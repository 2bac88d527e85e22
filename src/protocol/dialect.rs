//! The protocols that members of a room speak, and the few messages that a room sends to all who edit, in each of them.

use super::editor_message::EditorMessage;
use super::{hocuspocus, yjs};
use crate::ids::RoomName;
use crate::wire::Frame;

/// A member's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// y-websocket.
    Yjs,
    /// Hocuspocus.
    Hocuspocus,
    /// `tutti.v1`.
    Json,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Yjs, Self::Hocuspocus, Self::Json];

    /// The protocols of editors, which share a document and awareness.
    pub const EDITORS: [Self; 2] = [Self::Yjs, Self::Hocuspocus];
}

impl Dialect {
    /// The answer to a Step1, what the client lacks, as a frame; `None` where there is no such message. Made in the memory of `update`.
    pub fn step2(self, update: Vec<u8>, room: &RoomName) -> Option<Frame> {
        match self {
            Dialect::Yjs => Some(yjs::step2(update)),
            Dialect::Hocuspocus => Some(hocuspocus::step2(room.as_str(), update)),
            Dialect::Json => None,
        }
    }
}

impl EditorMessage<'_> {
    /// The frame for members of `room` that speak `dialect`; `None` where the dialect has no such message.
    pub fn frame(self, dialect: Dialect, room: &RoomName) -> Option<Frame> {
        match dialect {
            Dialect::Yjs => Some(yjs::frame(self)),
            Dialect::Hocuspocus => Some(hocuspocus::frame(room.as_str(), self)),
            Dialect::Json => None,
        }
    }
}
