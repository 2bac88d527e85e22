//! A socket's side of the conversation: reads messages of its protocol and passes them on to the room. What comes back goes
//! through the relay.

use bytes::Bytes;

use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;

use super::outbox::Outbox;
use crate::auth::{Access, Action, Identity, allows};
use crate::ids::{RoomName, SocketId};
use crate::protocol::{CloseCode, DecodeError, yjs};
use crate::room::{
    AskAwareness, AskState, Awareness, Counted, Directory, Edit, EditKind, Join, Leave, Outlet, RelayHandle, Room,
};
use crate::wire::frame;

/// What a message costs a room beside its bytes, about.
const MESSAGE_BYTES: usize = 64;

/// Why a message ends the socket.
pub(super) struct Violation {
    pub code: CloseCode,
    pub reason: String,
}

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Self { code: CloseCode::EditRefused, reason: error.to_string() }
    }
}

/// The protocol of a socket.
pub(super) enum Session {
    /// y-websocket, in a room.
    Yjs(YjsSession),
    /// Told that it may not, and ignored from then on.
    Denied,
    /// Sends messages back.
    Echo,
}

impl Session {
    /// Handles a binary message.
    pub fn binary(&mut self, message: &Bytes, outbox: &Rc<Outbox>) -> Result<(), Violation> {
        match self {
            Session::Yjs(session) => session.binary(message, outbox),
            Session::Denied => Ok(()),
            Session::Echo => {
                outbox.push(frame::binary(&[message]), Counted::No);
                Ok(())
            }
        }
    }

    /// Handles a text message.
    pub fn text(&mut self, message: &Bytes, outbox: &Rc<Outbox>) -> Result<(), Violation> {
        match self {
            Session::Yjs(_) => Err(Violation {
                code: CloseCode::EditRefused,
                reason: "text frames are not part of the y-websocket protocol, send binary".into(),
            }),
            Session::Denied => Ok(()),
            Session::Echo => {
                outbox.push(frame::encode(frame::Opcode::Text, &[message]), Counted::No);
                Ok(())
            }
        }
    }

    /// Goes on with what had to wait until the peer took its joining state.
    pub fn state_delivered(&mut self, outbox: &Rc<Outbox>) {
        if let Session::Yjs(session) = self {
            session.is_state_asked = false;
            if let Some(state_vector) = session.held_step1.take() {
                session.ask_state(state_vector, 0, outbox);
            }
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

    /// Whether a silent peer gets keep-alive messages.
    pub fn needs_keepalive(&self) -> bool {
        matches!(self, Session::Yjs(_))
    }
}

/// A y-websocket client in its room.
pub(super) struct YjsSession {
    socket: SocketId,
    room: Addr<Room>,
    /// The newest Step1 that came while an answer to an earlier one was on its way: one at a time, for each may be large.
    held_step1: Option<Bytes>,
    is_state_asked: bool,
}

impl YjsSession {
    /// Joins the room.
    pub fn join(
        socket: SocketId,
        relay: RelayHandle,
        directory: &Arc<Directory>,
        name: &RoomName,
        identity: &Identity,
        access: Access,
    ) -> Self {
        let lease = directory.lookup(name);
        let room = lease.room().clone();
        room.do_send(Join { lease, socket, relay, user: identity.user.clone(), name: identity.name.clone(), access });
        Self { socket, room, held_step1: None, is_state_asked: false }
    }

    /// Leaves the room.
    pub fn leave(&self) {
        self.room.do_send(Leave { socket: self.socket });
    }

    fn binary(&mut self, message: &Bytes, outbox: &Rc<Outbox>) -> Result<(), Violation> {
        let messages = yjs::decode(message)?;
        // The frame is charged once; its messages share its bytes.
        let mut charge = message.len();
        for message in messages {
            let charge = std::mem::take(&mut charge) + MESSAGE_BYTES;
            let socket = self.socket;
            match message {
                yjs::Message::Step1(state_vector) if self.is_state_asked => self.held_step1 = Some(state_vector),
                yjs::Message::Step1(state_vector) => self.ask_state(state_vector, charge, outbox),
                yjs::Message::Step2(update) => {
                    outbox.charge(charge);
                    self.room.do_send(Edit { socket, update, kind: EditKind::Step2, charge });
                }
                yjs::Message::Update(update) => {
                    outbox.charge(charge);
                    self.room.do_send(Edit { socket, update, kind: EditKind::Update, charge });
                }
                yjs::Message::Awareness(entries) => {
                    outbox.charge(charge);
                    self.room.do_send(Awareness { socket, entries, charge });
                }
                yjs::Message::QueryAwareness => {
                    outbox.charge(charge);
                    self.room.do_send(AskAwareness { socket, charge });
                }
            }
        }
        Ok(())
    }

    fn ask_state(&mut self, state_vector: Bytes, charge: usize, outbox: &Rc<Outbox>) {
        outbox.charge(charge);
        self.is_state_asked = true;
        outbox.expect_state();
        self.room.do_send(AskState { socket: self.socket, state_vector, charge });
    }
}

/// The longest message of someone with `access`.
pub(super) fn message_bytes_max(access: Access, writer: usize, reader: usize) -> usize {
    if allows(access, Action::Edit) { writer } else { reader }
}
