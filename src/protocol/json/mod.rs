//! `tutti.v1`: JSON objects in text frames, for a plain browser `WebSocket`. See docs/PROTOCOL.md.

pub mod check;
pub mod decode;
pub mod entry;
mod error;
pub mod limits;
pub mod request;
mod server_message;
pub mod signal;
mod timestamp;
mod well_formed;

pub use error::{ErrorCode, ErrorMessage, JsonError};
pub use request::{Body, Envelope};
pub use server_message::{ServerMessage, UserPresence};
pub use timestamp::rfc3339;
pub use well_formed::well_formed;

/// The protocol's name, as a subprotocol and in `welcome`.
pub const NAME: &str = "tutti.v1";
