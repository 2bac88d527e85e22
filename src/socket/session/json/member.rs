//! What is particular to a JSON client's member: its room, and the request to join that the room has not answered.

use std::cell::Cell;

use crate::ids::RoomName;
use crate::protocol::Dialect;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage};
use crate::socket::session::member_outlet::{MemberKind, Standing};
use crate::wire::Frame;

/// When to ask again for a room that cannot be loaded, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// A JSON client in one room.
pub struct RoomMember {
    room: RoomName,
    /// The client's name for its request to join, until that is answered.
    request_id: Cell<Option<Box<str>>>,
}

impl RoomMember {
    /// In `room`, for a client that asked to join as `request_id`.
    pub fn new(room: RoomName, request_id: Option<Box<str>>) -> Self {
        Self { room, request_id: Cell::new(request_id) }
    }
}

impl MemberKind for RoomMember {
    const DIALECT: Dialect = Dialect::Json;

    fn on_let_in(&self) {
        self.request_id.set(None);
    }

    fn put_off(&self, reason: &str) -> Option<Frame> {
        let request_id = self.request_id.take();
        let error = ErrorMessage::temporary(ErrorCode::TryLater, reason, RETRY_AFTER_MS);
        Some(error.about(request_id.as_deref(), Some(&self.room)).frame())
    }

    fn ended(&self, reason: &str) -> Option<Frame> {
        Some(ServerMessage::Evicted { room: &self.room, reason }.frame())
    }

    fn deleted(&self, standing: Standing, reason: &str) -> Option<Frame> {
        if standing != Standing::Asking {
            return self.ended(reason);
        }
        let request_id = self.request_id.take();
        let error = ErrorMessage::permanent(ErrorCode::RoomDeleted, reason);
        Some(error.about(request_id.as_deref(), Some(&self.room)).frame())
    }

    /// Its request to join, if the room has not answered that, is answered now; the room's answer goes nowhere.
    fn left(&self) -> Option<Frame> {
        let request_id = self.request_id.take()?;
        let message = "the room was left, or joined again, before this was answered";
        let error = ErrorMessage::permanent(ErrorCode::Overtaken, message);
        Some(error.about(Some(&request_id), Some(&self.room)).frame())
    }
}
