//! A Hocuspocus connection, frame by frame as PROTOCOL.md has it.

use std::net::SocketAddr;
use std::time::Instant;

use super::DEADLINE;
use super::message::{put_buf, put_number};
use super::socket::{Socket, upgrade};

/// Token good; may write.
pub const WRITER: &[u8] = b"\x02\x02\x0aread-write";
/// Token good; may read.
pub const READER: &[u8] = b"\x02\x02\x08readonly";
/// No access to the document.
pub const DENIED: &[u8] = b"\x02\x01\x11permission-denied";
/// The server asks for a fresh token.
pub const TOKEN_REQUEST: &[u8] = &[2, 0];
/// One more message is saved.
pub const SAVED: &[u8] = &[8, 1];
/// An edit is refused.
pub const REFUSED: &[u8] = &[8, 0];
/// The client leaves the document.
pub const LEAVE: &[u8] = &[7];

/// What a client sends with its token: `version` as provider 4 does.
pub fn auth(token: &str, version: Option<&str>) -> Vec<u8> {
    let mut out = vec![2, 0];
    put_buf(&mut out, token.as_bytes());
    if let Some(version) = version {
        put_buf(&mut out, version.as_bytes());
    }
    out
}

/// A denial for another reason than [`DENIED`]'s.
pub fn denied(reason: &str) -> Vec<u8> {
    let mut out = vec![2, 1];
    put_buf(&mut out, reason.as_bytes());
    out
}

/// An app's own text.
pub fn stateless(text: &str) -> Vec<u8> {
    let mut out = vec![5];
    put_buf(&mut out, text.as_bytes());
    out
}

/// A connection to `/hocuspocus`.
pub struct Provider {
    pub socket: Socket,
}

impl Provider {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let socket = Socket::open(address, &upgrade("/hocuspocus", &[]), &[]);
        assert_eq!(socket.answer.status, 101, "{:?}", socket.answer);
        Self { socket }
    }

    /// Connects and opens a document; `scope` is what the server should say to that.
    pub fn open(address: SocketAddr, document: &str, token: &str, scope: &[u8]) -> Self {
        let mut provider = Self::connect(address);
        provider.say(document, &auth(token, None));
        provider.hears(document, scope);
        provider
    }

    /// Sends a message about a document.
    pub fn say(&mut self, document: &str, message: &[u8]) {
        let mut out = Vec::new();
        put_buf(&mut out, document.as_bytes());
        out.extend_from_slice(message);
        self.socket.say(&out);
    }

    /// The next message has these bytes, and is about this document.
    pub fn hears(&mut self, document: &str, message: &[u8]) {
        let mut expected = Vec::new();
        put_number(&mut expected, document.len() as u64);
        expected.extend_from_slice(document.as_bytes());
        expected.extend_from_slice(message);
        assert_eq!(self.socket.payload(), expected, "{document} {message:x?}");
    }

    /// Reads up to the message with these bytes about this document; those before it.
    pub fn until(&mut self, document: &str, message: &[u8]) -> Vec<Vec<u8>> {
        let started = Instant::now();
        let mut prefix = Vec::new();
        put_buf(&mut prefix, document.as_bytes());
        let mut before = Vec::new();
        loop {
            let payload = self.socket.payload();
            match payload.strip_prefix(&prefix[..]) {
                Some(rest) if rest == message => return before,
                Some(rest) => before.push(rest.to_vec()),
                None => before.push(payload),
            }
            assert!(started.elapsed() < DEADLINE, "not in time: {message:x?}, but {before:x?}");
        }
    }
}
