//! The limits and waits of sockets, as the configuration gives them.

use std::time::Duration;

use super::heartbeat::Rhythm;
use crate::auth::{Access, Action, allows};

/// What bounds each socket.
#[derive(Debug, Clone)]
pub struct SocketSettings {
    /// When to ping, and when to give up.
    pub rhythm: Rhythm,
    /// Whether anybody may be as many users as they like, as in a demo: then it is addresses that count.
    pub has_guests: bool,
    /// Most bytes of live frames that may wait for a peer.
    pub outbox_bytes_max: usize,
    /// Most bytes that may be unhandled in the socket's rooms; past it the socket reads nothing.
    pub unhandled_bytes_max: usize,
    /// Longest message of someone who may edit, in bytes.
    pub writer_message_bytes_max: usize,
    /// Longest message of anyone else, in bytes.
    pub reader_message_bytes_max: usize,
    /// Longest message of an authenticated JSON client, in bytes.
    pub json_message_bytes_max: usize,
    /// Most rooms that one JSON client may be in.
    pub rooms_per_socket_max: usize,
    /// How long a JSON client may take to come with a token.
    pub auth_timeout: Duration,
    /// Most fragments of one message.
    pub fragments_max: usize,
    /// How long a closed socket waits for the peer's end; a few times as long while the peer goes on writing.
    pub linger: Duration,
}

impl SocketSettings {
    /// The longest message of someone with `access` of whom an answer of `expected` bytes more is awaited, in bytes.
    pub fn message_bytes_max(&self, access: Access, expected: usize) -> usize {
        match allows(access, Action::Edit) {
            true => self.writer_message_bytes_max,
            false => self.reader_message_bytes_max.saturating_add(expected).min(self.writer_message_bytes_max),
        }
    }
}
