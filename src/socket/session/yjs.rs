//! A y-websocket client in its room.

use actix::Addr;
use bytes::Bytes;

use super::turnstile::{Ask, Question, Turnstile};
use super::{Desk, MESSAGE_BYTES, Violation};
use crate::auth::{Access, Action, Identity, allows};
use crate::ids::{MemberId, RoomName, UserId};
use crate::protocol::{Dialect, EditKind, awareness, yjs};
use crate::room::{AskAwareness, Awareness, Edit, Join, Lease, Leave, LongEdit, Place, Room};

/// A y-websocket client in its room.
pub struct YjsSession {
    member: MemberId,
    room: Addr<Room>,
    /// Which room that is, and who the member.
    pub name: RoomName,
    pub user: UserId,
    turnstile: Turnstile,
    /// What the token allows.
    pub access: Access,
    /// When the token ends, in Unix seconds: this protocol cannot renew it.
    pub valid_until_s: u64,
    _place: Place,
}

impl YjsSession {
    /// Joins the room.
    pub fn join(name: RoomName, lease: Lease, place: Place, identity: &Identity, access: Access, desk: &Desk) -> Self {
        let room = lease.room().clone();
        let member = desk.relay.seat(desk.outbox.clone());
        room.do_send(Join {
            lease,
            member,
            relay: desk.relay.handle(),
            dialect: Dialect::Yjs,
            user: identity.user.clone(),
            name: identity.name.clone(),
            access,
            json: None,
        });
        Self {
            member,
            room,
            name,
            user: identity.user.clone(),
            turnstile: Turnstile::default(),
            access,
            valid_until_s: identity.valid_until_s,
            _place: place,
        }
    }

    /// Leaves the room.
    pub fn leave(&self, is_for_good: bool, desk: &Desk) {
        self.room.do_send(Leave { from: self.member, is_for_good });
        desk.relay.unseat(self.member);
    }

    /// Handles a message.
    pub fn binary(&mut self, message: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let messages = yjs::decode(message)?;
        // The frame is charged once; its messages share its bytes.
        let mut charge = message.len();
        for message in messages {
            pass_on(message, std::mem::take(&mut charge), self.member, &self.room, &mut self.turnstile, desk);
        }
        Ok(())
    }

    /// Whether an edit that is too long is refused in band: that of a reader is, as any. A writer's later typing would all build on
    /// it, and its protocol has no word for that.
    pub fn refuses_by_name(&self) -> bool {
        !allows(self.access, Action::Edit)
    }

    /// Refuses a message that is too long, if it is an edit.
    pub fn too_big(&mut self, beginning: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let kind = yjs::edit_beginning(beginning).ok_or_else(Violation::too_large_edit)?;
        pass_on_long(kind, self.member, &self.room, desk);
        Ok(())
    }

    /// Goes on with what waited for the joining state to be taken.
    pub fn answer_delivered(&mut self, desk: &Desk) {
        self.turnstile.delivered(desk);
    }
}

/// Passes a message on to its room.
pub fn pass_on(
    message: yjs::Message,
    bytes: usize,
    from: MemberId,
    room: &Addr<Room>,
    turnstile: &mut Turnstile,
    desk: &Desk,
) {
    let charge = bytes + MESSAGE_BYTES;
    if let yjs::Message::Step1(state_vector) = message {
        let question = Question::State(state_vector);
        return turnstile.ask(Ask { member: from, room: room.clone(), question, charge }, desk);
    }
    desk.outbox.charge(charge);
    match message {
        yjs::Message::Step1(_) => {}
        yjs::Message::Step2(update) => {
            desk.outbox.take_answer();
            room.do_send(Edit { from, update, kind: EditKind::Step2, charge });
        }
        yjs::Message::Update(update) => room.do_send(Edit { from, update, kind: EditKind::Update, charge }),
        yjs::Message::Awareness(entries) => room.do_send(Awareness { from, entries, charge }),
        yjs::Message::QueryAwareness => room.do_send(AskAwareness { from, charge }),
    }
}

/// Tells a room of an edit that was too long to be taken.
pub fn pass_on_long(kind: EditKind, from: MemberId, room: &Addr<Room>, desk: &Desk) {
    if kind == EditKind::Step2 {
        desk.outbox.take_answer();
    }
    desk.outbox.charge(MESSAGE_BYTES);
    room.do_send(LongEdit { from, kind, charge: MESSAGE_BYTES });
}

/// An awareness message of nobody.
pub fn keepalive() -> Bytes {
    yjs::awareness(&awareness::encode([].iter()))
}
