//! What the clients in use say inside WebSocket messages, as values and bytes. Knows no actors, sockets or storage.

pub mod awareness;
pub mod close;
pub mod dialect;
mod editor_message;
pub mod hocuspocus;
pub mod json;
pub mod lib0;
pub mod yjs;

pub use close::CloseCode;
pub use dialect::Dialect;
pub use editor_message::{EditKind, EditorMessage};

/// Why a message could not be read. The text says what was expected, never what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends within a number, a buffer or a text, or claims more than it holds.
    #[error("the message is cut short")]
    Truncated,
    /// A number of more than 53 bits.
    #[error("a number is too large")]
    NumberTooLarge,
    /// A text that is not UTF-8.
    #[error("a text is not valid UTF-8")]
    Utf8,
    /// A type that this protocol does not have.
    #[error("unknown message type")]
    UnknownType,
    /// More parts in one message than any client sends.
    #[error("too many parts in one message")]
    TooMany,
}
