//! What JSON members say, told apart; and what members say to each other that is not kept: signals.

use std::time::Instant;

use actix::Context;

use crate::auth::{Action, allows, now_ms};
use crate::ids::{MemberId, UserId};
use crate::protocol::json::request::{Event, Said};
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage, entry, signal};
use crate::protocol::{Dialect, hocuspocus};
use crate::room::commit::uncommitted::{Acknowledgement, Pending, Receipt};
use crate::room::members::Member;
use crate::room::messages::{BinarySignal, More, Say, Stateless};
use crate::room::room::Room;
use crate::store::{Kind, NewEntry};

/// The type of kept texts of Hocuspocus apps. No JSON client can send it: it has no dot.
const STATELESS: &str = "stateless";
/// Longest text of a Hocuspocus app, in bytes: with a few of them no outbox is full.
const STATELESS_BYTES_MAX: usize = 256 * 1024;
/// Who speaks where it is the server itself.
const SERVER: &str = "server";

impl Room {
    /// Sends a JSON member more of what it lacks.
    pub(super) fn ask_more(&mut self, message: More, ctx: &mut Context<Self>) {
        let More { from, charge } = message;
        if let Some(member) = self.members.get(from) {
            self.outbound.credit(member.link, from, charge);
            self.more(from, ctx);
        }
    }

    /// Does what a JSON member says.
    pub(super) fn say(&mut self, message: Say, ctx: &mut Context<Self>) {
        let Say { from, said, request_id, charge } = message;
        let Some(member) = self.members.get(from) else { return };
        self.outbound.credit(member.link, from, charge);
        if let Err(wait) = self.said.take(self.context.settings.say_rate, Instant::now()) {
            let message = "too much is said in this room, wait a little";
            let error = ErrorMessage::temporary(ErrorCode::RateLimited, message, wait.as_millis() as u64 + 1);
            return self.complain(from, error, &request_id);
        }
        match said {
            Said::Publish(publication) => self.publish(from, publication, request_id),
            Said::Signal(event) => self.signal(from, &event, &request_id),
            Said::Typing(is_typing) => self.type_on(from, is_typing, &request_id, ctx),
            Said::Presence(state) => self.show_state(from, state, &request_id, ctx),
            Said::Steps(steps) => self.push_steps(from, steps, request_id, ctx),
        }
    }

    /// The member, if it may do that; otherwise it is told.
    pub(super) fn may(&mut self, from: MemberId, action: Action, request_id: &Option<Box<str>>) -> Option<&Member> {
        if !allows(self.members.get(from)?.access, action) {
            let message = "the token allows reading here, nothing else";
            self.complain(from, ErrorMessage::permanent(ErrorCode::ReadOnly, message), request_id);
            return None;
        }
        self.members.get(from)
    }

    /// Tells a JSON member that something was done that has no other answer.
    pub(super) fn done(&mut self, to: MemberId, request_id: &Option<Box<str>>) {
        if let Some(request_id) = request_id {
            let frame = ServerMessage::Done { room: Some(&self.name), request_id, sockets: None }.frame();
            self.tell(to, frame);
        }
    }

    fn signal(&mut self, from: MemberId, event: &Event, request_id: &Option<Box<str>>) {
        let Some(member) = self.may(from, Action::Signal, request_id) else { return };
        let (user, body) = (member.user.clone(), entry::body(event, &member.name));
        let frame = entry::stamped(&self.name, &user, now_ms(), None, &body);
        self.outbound.all(Dialect::Json, &frame, Some(from), &[]);
        self.done(from, request_id);
    }

    /// Passes a JSON member's bytes on to the others.
    pub(super) fn binary_signal(&mut self, message: BinarySignal) {
        let BinarySignal { from, payload, charge } = message;
        let Some(member) = self.members.get(from) else { return };
        self.outbound.credit(member.link, from, charge);
        let Some(member) = self.may(from, Action::Signal, &None) else { return };
        let user = member.user.clone();
        let frame = signal::frame(&self.name, &user, &payload);
        self.outbound.all(Dialect::Json, &frame, Some(from), &[]);
    }

    /// Passes a Hocuspocus app's own text on to the others, at once or, where it is to be kept, once it is committed.
    pub(super) fn stateless(&mut self, message: Stateless) {
        let Stateless { from, payload, charge } = message;
        let Some(member) = self.members.get(from) else { return };
        self.outbound.credit(member.link, from, charge);
        let is_kept = self.context.settings.keeps_stateless;
        let is_allowed = allows(member.access, if is_kept { Action::Publish } else { Action::Signal });
        if !is_allowed || payload.len() > STATELESS_BYTES_MAX {
            // The protocol has no word for that.
            return tracing::debug!(room.name = %self.name, member.id = %from, "a stateless message is dropped");
        }
        let frame = hocuspocus::stateless(self.name.as_str(), &payload);
        if !is_kept {
            return self.outbound.all(Dialect::Hocuspocus, &frame, Some(from), &[]);
        }
        let text = Some(String::from_utf8_lossy(&payload).into_owned());
        let body = entry::body(&Event { kind: STATELESS.into(), text, payload: None }, &member.name);
        let entry = NewEntry { kind: Kind::Event, author: member.user.clone(), key: None, body };
        if !self.uncommitted.has_room() {
            return tracing::warn!(room.name = %self.name, "a stateless message is dropped, too much is not committed");
        }
        self.uncommitted.push(Pending::new(entry, vec![Acknowledgement { to: from, receipt: Receipt::Shown(frame) }]));
    }

    /// Shows JSON members an event of the server's own.
    pub(super) fn announce(&mut self, body: &[u8]) {
        let frame = entry::stamped(&self.name, &UserId::new(SERVER), now_ms(), None, body);
        self.outbound.all(Dialect::Json, &frame, None, &[]);
    }
}
