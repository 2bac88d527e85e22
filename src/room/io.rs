//! What the parts of a room work with: who is in, what goes out, the settings and the time. So none of them needs the room itself,
//! and each is tested without actors.

use std::time::Instant;

use super::elsewhere::Elsewhere;
use super::fanout::{Counted, Outbound};
use super::members::{Member, Members};
use super::settings::RoomSettings;
use crate::auth::{Action, allows};
use crate::ids::{MemberId, RoomName};
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage};
use crate::protocol::{CloseCode, Dialect, EditorMessage};
use crate::wire::Frame;

/// What a part of a room borrows while it handles something.
pub(super) struct Io<'a> {
    /// The room's name.
    pub name: &'a RoomName,
    /// Who is in.
    pub members: &'a mut Members,
    /// What goes out with this turn.
    pub outbound: &'a mut Outbound,
    /// What goes to other servers.
    pub elsewhere: &'a mut Elsewhere,
    /// The limits and waits.
    pub settings: &'a RoomSettings,
    /// When it happens.
    pub now: Instant,
}

impl Io<'_> {
    /// Gives a member back the credit for `charge` bytes that the room has handled. `None` if it is not in.
    pub fn credit(&mut self, to: MemberId, charge: usize) -> Option<&mut Member> {
        let member = self.members.get_mut(to)?;
        self.outbound.credit(member.link, to, charge);
        Some(member)
    }

    /// Sends one member a frame.
    pub fn send(&mut self, to: MemberId, frame: Frame) {
        self.send_counted(to, frame, Counted::Own);
    }

    /// Sends one member what it has asked for, which does not count against its outbox.
    pub fn send_requested(&mut self, to: MemberId, frame: Frame) {
        self.send_counted(to, frame, Counted::No);
    }

    /// Sends one member what it is shown of those who are there.
    pub fn send_joining(&mut self, to: MemberId, frame: Frame) {
        self.send_counted(to, frame, Counted::Joining);
    }

    /// Sends one member frames of the past that it has asked for.
    pub fn send_page(&mut self, to: MemberId, frames: Vec<Frame>) {
        if let Some(member) = self.members.get(to).filter(|_| !frames.is_empty()) {
            self.outbound.page(member.link, to, frames);
        }
    }

    fn send_counted(&mut self, to: MemberId, frame: Frame, counted: Counted) {
        if let Some(member) = self.members.get(to) {
            self.outbound.send(member.link, to, frame, counted);
        }
    }

    /// Sends one member a message, if its dialect has it.
    pub fn send_message(&mut self, to: MemberId, message: EditorMessage) {
        let Some(member) = self.members.get(to) else { return };
        if let Some(frame) = message.frame(member.dialect(), self.name) {
            self.outbound.send(member.link, to, frame, Counted::Yes);
        }
    }

    /// Sends an editor a message of those who are there, if its dialect has it.
    pub fn send_joining_message(&mut self, to: MemberId, message: EditorMessage) {
        let Some(member) = self.members.get(to) else { return };
        if let Some(frame) = message.frame(member.dialect(), self.name) {
            self.outbound.send(member.link, to, frame, Counted::Joining);
        }
    }

    /// Sends all editors a message, once in each dialect that members speak, but its sender and those who made it. Returns
    /// y-websocket's frame, if any was made.
    pub fn broadcast_message(
        &mut self,
        message: EditorMessage,
        sender: Option<MemberId>,
        owners: &[MemberId],
    ) -> Option<Frame> {
        let mut echo = None;
        for dialect in Dialect::EDITORS.into_iter().filter(|dialect| self.members.speak(*dialect)) {
            if let Some(frame) = message.frame(dialect, self.name) {
                self.outbound.broadcast(dialect, &frame, sender, owners);
                echo = echo.or((dialect == Dialect::Yjs).then_some(frame));
            }
        }
        echo
    }

    /// Sends all JSON members a frame, but its sender.
    pub fn broadcast_json(&mut self, frame: &Frame, sender: Option<MemberId>) {
        self.outbound.broadcast(Dialect::Json, frame, sender, &[]);
    }

    /// Tells a JSON member that something was not done.
    pub fn send_error(&mut self, to: MemberId, error: ErrorMessage, request_id: &Option<Box<str>>) {
        let frame = error.about(request_id.as_deref(), Some(self.name)).frame();
        self.send(to, frame);
    }

    /// Tells a JSON member that something was done that has no other answer.
    pub fn send_done(&mut self, to: MemberId, request_id: &Option<Box<str>>) {
        if let Some(request_id) = request_id {
            let frame = ServerMessage::Done { room: Some(self.name), request_id, sockets: None }.frame();
            self.send(to, frame);
        }
    }

    /// The JSON member, if it may do that; otherwise it is told.
    pub fn permitted(&mut self, from: MemberId, action: Action, request_id: &Option<Box<str>>) -> Option<&Member> {
        if !allows(self.members.get(from)?.access, action) {
            let message = "the token allows reading here, nothing else";
            self.send_error(from, ErrorMessage::permanent(ErrorCode::ReadOnly, message), request_id);
            return None;
        }
        self.members.get(from)
    }

    /// Ends a membership.
    pub fn close(&mut self, to: MemberId, code: CloseCode, reason: impl Into<String>) {
        if let Some(member) = self.members.get(to) {
            self.outbound.close(member.link, to, code, reason);
        }
    }
}
