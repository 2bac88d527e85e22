//! What every protocol's session does; what most of them do alike is done here.

use std::task::Waker;

use bytes::Bytes;

use super::io::SessionIo;
use crate::auth::{TokenError, Verifier};
use crate::ids::{RoomName, UserId};
use crate::protocol::{CloseCode, DecodeError};
use crate::socket::gate::GateFull;
use crate::wire::Frame;

/// Denials of one connection that are logged: tokens cost nothing.
pub const DENIALS_LOGGED_MAX: u32 = 8;

/// Why a socket is closed.
#[derive(Debug)]
pub struct SocketClose {
    /// What the close frame says.
    pub code: CloseCode,
    /// The same in words.
    pub reason: String,
}

impl SocketClose {
    /// A close with a reason of its own.
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

impl From<CloseCode> for SocketClose {
    fn from(code: CloseCode) -> Self {
        Self::new(code, code.reason())
    }
}

impl From<DecodeError> for SocketClose {
    fn from(error: DecodeError) -> Self {
        Self::new(CloseCode::EditRefused, error.to_string())
    }
}

impl From<GateFull> for SocketClose {
    fn from(full: GateFull) -> Self {
        Self::new(CloseCode::TryLater, full.to_string())
    }
}

/// One protocol's side of a conversation. Owned by its socket, which drops it when the connection has ended.
pub trait Session {
    /// What the connection is called in the log.
    fn protocol(&self) -> &'static str;

    /// The longest message that the peer may send now, in bytes.
    fn message_bytes_max(&self, io: &SessionIo) -> usize;

    /// Handles a binary message.
    fn on_binary(&mut self, message: &Bytes, io: &SessionIo) -> Result<(), SocketClose>;

    /// Handles a text message.
    fn on_text(&mut self, _message: &Bytes, _io: &SessionIo) -> Result<(), SocketClose> {
        Err(SocketClose::new(CloseCode::EditRefused, "text frames are not part of this protocol, send binary"))
    }

    /// Whether a message beyond the limit may be refused in band. Its beginning is kept for that.
    fn refuses_in_band(&self) -> bool {
        false
    }

    /// Refuses a message beyond the limit, of which only the beginning was kept.
    fn on_too_long(&mut self, _beginning: &Bytes, _io: &SessionIo) -> Result<(), SocketClose> {
        Err(CloseCode::TooBig.into())
    }

    /// The code that tells a peer of this protocol that its message is too large.
    fn too_large(&self) -> CloseCode {
        CloseCode::TooBig
    }

    /// The room and the user of the connection, where it has one of each and its span does not say so.
    fn room_and_user(&self) -> (Option<&RoomName>, Option<&UserId>) {
        (None, None)
    }

    /// Whether requests of `user` may speak for the connection.
    fn is_of(&self, _user: &UserId) -> bool {
        false
    }

    /// The user who stands for what the connection holds, once a token has said who that is.
    fn payer(&self) -> Option<&UserId> {
        None
    }

    /// Whether what the session keeps must go, since others have no room and its payer holds most. If not, `waker` is woken when that
    /// changes.
    fn is_called_in(&self, _waker: &Waker) -> bool {
        false
    }

    /// Whether the tokens that the connection stands on still hold, but for their time: that is the session's own.
    fn confirm(&self, _verifier: &Verifier, _now_s: u64) -> Result<(), TokenError> {
        Ok(())
    }

    /// Whether the session counts the peer's messages by itself, and refuses those that are too many. Their bytes count all the same.
    fn counts_for_itself(&self) -> bool {
        false
    }

    /// How many messages of awareness came since this was last asked. They do not count as messages: y-websocket sends every state back
    /// that it is shown, so that whoever shows much would slow down everybody else.
    fn take_awareness(&mut self) -> usize {
        0
    }

    /// Whether no token has opened anything.
    fn is_stranger(&self) -> bool {
        false
    }

    /// Whether the peer is to be read from. `unhandled_bytes_max` may be unhandled in rooms.
    fn is_reading(&self, _unhandled_bytes_max: usize, _io: &SessionIo) -> bool {
        true
    }

    /// Goes on with what had to wait until the peer took a large answer.
    fn on_answer_delivered(&mut self, _io: &SessionIo) {}

    /// Follows what rooms have decided meanwhile.
    fn follow_rooms(&mut self, _io: &SessionIo) -> Result<(), SocketClose> {
        Ok(())
    }

    /// When [`on_due`](Self::on_due) is to be called, in Unix milliseconds.
    fn next_due_ms(&self) -> Option<i64> {
        None
    }

    /// Does what the clock demands.
    fn on_due(&mut self, _now_ms: i64, _io: &SessionIo) -> Result<(), SocketClose> {
        Ok(())
    }

    /// What keeps a peer's watchdog quiet, which does not see pings, if it has one.
    fn keepalive(&self) -> Option<Frame> {
        None
    }

    /// Leaves all rooms, since the socket has ended: for good, if the peer closed on purpose.
    fn end(self: Box<Self>, _is_for_good: bool) {}
}
