//! WebSocket framing (RFC 6455) with compression (RFC 7692): what bytes on a stream mean. And the same messages as events, for a client
//! that cannot have a WebSocket. Knows neither rooms nor the protocols inside messages.
//!
//! [`Frame`] is what the server sends, a value with its encodings; [`Reader`] joins what arrives into whole messages within limits;
//! [`header`] parses and writes the header of a single frame; [`deflate`] negotiates, compresses and inflates; [`Encoding`] is what a
//! connection has agreed on.

pub mod deflate;
mod encoding;
mod error;
mod event;
mod frame;
pub mod header;
mod reader;
mod run;

pub use encoding::{DeflateRules, Encoding};
pub use error::WireError;
pub use frame::Frame;
pub use header::Opcode;
pub use reader::{Message, MessageLimits, Reader};
pub use run::Run;
