//! What can be wrong with what a JSON client says, and how it is told of that and of all else that was not done.

use serde::Serialize;

use super::limits::{BATCH_MAX, DEPTH_MAX};
use crate::ids::{RoomName, RoomNameError};

/// Why a message is refused. The text tells its author what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all, or not an object or array of objects.
    #[error("a message is a JSON object, or an array of at most {max} of them: {what}", max = BATCH_MAX)]
    Syntax {
        /// What the parser says.
        what: String,
    },
    /// A field is missing, unknown or of the wrong form.
    #[error("{0}")]
    Field(String),
    /// The name of a room is none.
    #[error(transparent)]
    Room(#[from] RoomNameError),
    /// Nested too deep.
    #[error("a message is nested at most {DEPTH_MAX} deep")]
    Depth,
    /// A number that is not a finite double.
    #[error("a number must be finite as a 64-bit float")]
    Number,
    /// A NUL character, which not every database can store.
    #[error("a NUL character (\\u0000) cannot be stored")]
    Nul,
    /// A type that the protocol does not have.
    #[error("unknown type; an app's own types have a dot and are outside the protocol's namespaces")]
    Type,
}

impl JsonError {
    /// The error's code on the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            JsonError::Syntax { .. } => ErrorCode::InvalidJson,
            JsonError::Type => ErrorCode::UnknownType,
            _ => ErrorCode::InvalidMessage,
        }
    }
}

/// What an error is, for programs. A code never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not an object, or not an array of so many.
    InvalidJson,
    /// A field is missing, unknown or wrong.
    InvalidMessage,
    /// A type that the protocol does not have.
    UnknownType,
    /// No token has come yet.
    Unauthorized,
    /// No access to the room.
    Forbidden,
    /// The room was deleted.
    RoomDeleted,
    /// The token does not allow writing.
    ReadOnly,
    /// The client is not in the room.
    NotJoined,
    /// The room was left, or joined again, before a request to join was answered.
    Overtaken,
    /// The connection is in as many rooms as it may be.
    TooManyRooms,
    /// A binary frame is too large.
    TooLarge,
    /// The room, or the user, has as much on disk as is allowed.
    QuotaExceeded,
    /// Too many messages.
    RateLimited,
    /// It cannot be done now.
    TryLater,
}

/// Why something was not done.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage<'a> {
    code: ErrorCode,
    /// Tells a person what to do.
    message: String,
    /// Whether the same may work later.
    temporary: bool,
    /// When it may, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// The room, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a RoomName>,
}

impl<'a> ErrorMessage<'a> {
    /// An error that stays until the client changes something.
    pub fn permanent(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, temporary: false, retry_after_ms: None, request_id: None, room: None }
    }

    /// An error that may be over after `retry_after_ms`.
    pub fn temporary(code: ErrorCode, message: impl Into<String>, retry_after_ms: u64) -> Self {
        Self { temporary: true, retry_after_ms: Some(retry_after_ms), ..Self::permanent(code, message) }
    }

    /// Adds which request in which room it is about.
    pub fn about(mut self, request_id: Option<&'a str>, room: Option<&'a RoomName>) -> Self {
        self.request_id = request_id;
        self.room = room;
        self
    }
}

impl From<&JsonError> for ErrorMessage<'_> {
    fn from(error: &JsonError) -> Self {
        Self::permanent(error.code(), error.to_string())
    }
}
