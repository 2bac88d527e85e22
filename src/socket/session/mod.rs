//! A socket's side of the conversation: reads messages of its protocol and passes them on to rooms. What comes back goes through
//! the relay.

mod charges;
mod document;
mod hocuspocus;
pub(super) mod json;
mod limits;
mod tenure;
mod turnstile;
mod waiting;
mod yjs;

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::actor::SocketContext;
use super::outbox::Outbox;
use crate::auth::Access;
use crate::ids::{RoomName, SocketId, UserId};
use crate::protocol::{CloseCode, DecodeError};
use crate::room::{Counted, LocalRelay, Outlet};
use crate::wire::Frame;

pub(super) use hocuspocus::HocuspocusSession;
pub(super) use json::JsonSession;
pub(super) use limits::RateLimits;
pub use limits::{Rates, SharedRates};
pub(super) use yjs::YjsSession;

/// What a message costs a room beside its bytes, about.
const MESSAGE_BYTES: usize = 64;
/// Denials of one connection that are logged: tokens cost nothing.
const DENIALS_LOGGED_MAX: u32 = 8;

/// Why a message ends the socket.
pub(super) struct Violation {
    pub code: CloseCode,
    pub reason: String,
}

impl Violation {
    fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn too_large_edit() -> Self {
        Self::new(CloseCode::EditTooLarge, CloseCode::EditTooLarge.reason())
    }
}

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Self::new(CloseCode::EditRefused, error.to_string())
    }
}

/// What a session works with.
pub(super) struct Desk {
    /// Its socket.
    pub socket: SocketId,
    pub outbox: Rc<Outbox>,
    pub relay: LocalRelay,
    pub context: Arc<SocketContext>,
}

impl Desk {
    pub fn push(&self, frame: &Frame) {
        self.outbox.push(frame, Counted::Yes);
    }
}

/// What a decoder has found to be UTF-8.
fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The protocol of a socket.
pub(super) enum Session {
    /// y-websocket, in a room.
    Yjs(YjsSession),
    /// Hocuspocus, in as many rooms as it has documents.
    Hocuspocus(HocuspocusSession),
    /// `tutti.v1`, in many rooms.
    Json(Box<JsonSession>),
    /// Told that it may not, and ignored from then on.
    Denied,
    /// Sends messages back.
    Echo,
}

impl Session {
    /// Handles a binary message.
    pub fn binary(&mut self, message: &Bytes, desk: &Desk) -> Result<(), Violation> {
        match self {
            Session::Yjs(session) => session.binary(message, desk),
            Session::Hocuspocus(session) => session.binary(message, desk),
            Session::Json(session) => session.binary(message, desk),
            Session::Denied => Ok(()),
            Session::Echo => {
                desk.outbox.push(&Frame::binary(&[message]), Counted::No);
                Ok(())
            }
        }
    }

    /// Handles a text message.
    pub fn text(&mut self, message: &Bytes, desk: &Desk) -> Result<(), Violation> {
        match self {
            Session::Yjs(_) | Session::Hocuspocus(_) => {
                Err(Violation::new(CloseCode::EditRefused, "text frames are not part of this protocol, send binary"))
            }
            Session::Json(session) => session.text(message, desk),
            Session::Denied => Ok(()),
            Session::Echo => {
                desk.outbox.push(&Frame::text(&[message]), Counted::No);
                Ok(())
            }
        }
    }

    /// Whether as much waits in the session as may be unhandled in rooms.
    pub fn is_ahead(&self, unhandled_bytes_max: usize) -> bool {
        matches!(self, Session::Hocuspocus(session) if session.is_ahead(unhandled_bytes_max))
    }

    /// Whether a message beyond the limit may be refused in band. Its beginning is kept for that.
    pub fn refuses_by_name(&self) -> bool {
        match self {
            Session::Yjs(session) => session.refuses_by_name(),
            Session::Hocuspocus(_) => true,
            Session::Json(_) | Session::Denied | Session::Echo => false,
        }
    }

    /// Refuses a message beyond the limit, of which only the beginning was kept.
    pub fn too_big(&mut self, beginning: &Bytes, desk: &Desk) -> Result<(), Violation> {
        match self {
            Session::Yjs(session) => session.too_big(beginning, desk),
            Session::Hocuspocus(session) => session.too_big(beginning, desk),
            Session::Json(_) | Session::Denied | Session::Echo => {
                Err(Violation::new(CloseCode::TooBig, CloseCode::TooBig.reason()))
            }
        }
    }

    /// The room and the user of the connection, where it has one of each.
    pub fn whose(&self) -> (Option<&RoomName>, Option<&UserId>) {
        match self {
            Session::Yjs(session) => (Some(&session.name), Some(&session.user)),
            Session::Hocuspocus(session) => session.whose(),
            Session::Json(session) => (None, session.user()),
            Session::Denied | Session::Echo => (None, None),
        }
    }

    /// What the connection is called in the log.
    pub fn protocol(&self) -> &'static str {
        match self {
            Session::Yjs(_) => "yjs",
            Session::Hocuspocus(_) => "hocuspocus",
            Session::Json(_) => "json",
            Session::Denied => "denied",
            Session::Echo => "echo",
        }
    }

    /// Goes on with what had to wait until the peer took a large answer.
    pub fn answer_delivered(&mut self, desk: &Desk) {
        match self {
            Session::Yjs(session) => session.answer_delivered(desk),
            Session::Hocuspocus(session) => session.answer_delivered(desk),
            Session::Json(session) => session.answer_delivered(desk),
            Session::Denied | Session::Echo => {}
        }
    }

    /// Follows what rooms have decided meanwhile.
    pub fn tidy(&mut self, desk: &Desk) -> Result<(), Violation> {
        match self {
            Session::Hocuspocus(session) => return session.tidy(desk),
            Session::Json(session) => session.tidy(desk),
            Session::Yjs(_) | Session::Denied | Session::Echo => {}
        }
        Ok(())
    }

    /// When [`due`](Self::due) is to be called, in Unix seconds.
    pub fn next_due_s(&self) -> Option<u64> {
        match self {
            Session::Yjs(session) => Some(session.valid_until_s),
            Session::Hocuspocus(session) => session.next_due_s(),
            Session::Json(session) => Some(session.next_due_s()),
            Session::Denied | Session::Echo => None,
        }
    }

    /// Does what the clock demands.
    pub fn due(&mut self, now_s: u64, desk: &Desk) -> Result<(), Violation> {
        match self {
            Session::Yjs(session) if now_s < session.valid_until_s => Ok(()),
            Session::Yjs(_) => Err(Violation::new(CloseCode::TokenExpired, CloseCode::TokenExpired.reason())),
            Session::Hocuspocus(session) => session.due(now_s, desk),
            Session::Json(session) => session.due(now_s, desk),
            Session::Denied | Session::Echo => Ok(()),
        }
    }

    /// The code that tells a peer of this protocol that its message is too large.
    pub fn too_large(&self) -> CloseCode {
        match self {
            // y-websocket comes back with the same edit on every code that is not final.
            Session::Yjs(_) => CloseCode::EditTooLarge,
            _ => CloseCode::TooBig,
        }
    }

    /// Whether no token has opened anything.
    pub fn is_stranger(&self) -> bool {
        match self {
            Session::Hocuspocus(session) => !session.has_documents(),
            Session::Json(session) => session.is_anonymous(),
            Session::Denied => true,
            Session::Yjs(_) | Session::Echo => false,
        }
    }

    /// The longest message that the peer may send now, in bytes.
    pub fn message_bytes_max(&self, desk: &Desk) -> usize {
        let settings = &desk.context.settings;
        let expected = desk.outbox.expected_bytes();
        let of = |access| settings.message_bytes_max(access, expected);
        match self {
            // A provider sends what was typed before its token has come.
            Session::Hocuspocus(session) if session.is_waiting() => settings.writer_message_bytes_max,
            Session::Yjs(session) => of(session.access),
            Session::Hocuspocus(session) => of(session.access),
            Session::Json(session) if session.is_anonymous() => settings.reader_message_bytes_max,
            Session::Json(_) => settings.json_message_bytes_max,
            Session::Denied => of(Access::None),
            Session::Echo => settings.writer_message_bytes_max,
        }
    }

    /// What keeps a peer's watchdog quiet, which does not see pings, if it has one.
    pub fn keepalive(&self) -> Option<Frame> {
        match self {
            Session::Yjs(_) => Some(yjs::keepalive()),
            Session::Hocuspocus(session) => session.keepalive(),
            Session::Json(_) | Session::Denied | Session::Echo => None,
        }
    }

    /// Leaves all rooms: for good, if the peer closed on purpose.
    pub fn leave(&mut self, is_for_good: bool, desk: &Desk) {
        match self {
            Session::Yjs(session) => session.leave(is_for_good, desk),
            Session::Hocuspocus(session) => session.leave(is_for_good, desk),
            Session::Json(session) => session.leave(is_for_good, desk),
            Session::Denied | Session::Echo => {}
        }
    }
}
