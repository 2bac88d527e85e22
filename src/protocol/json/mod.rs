//! `tutti.v1`: JSON objects in text frames, for a plain browser `WebSocket`. See docs/PROTOCOL.md.

pub mod check;
pub mod decode;
pub mod reply;
pub mod request;
mod well_formed;

pub use check::JsonError;
pub use request::{Body, Envelope};
pub use well_formed::well_formed;

/// The protocol's name, as a subprotocol and in `welcome`.
pub const NAME: &str = "tutti.v1";
