//! A y-websocket client in its room.

use actix::Addr;
use bytes::Bytes;

use super::turnstile::{Ask, Question, Turnstile};
use super::{Desk, MESSAGE_BYTES, Violation};
use crate::auth::{Access, Identity};
use crate::ids::MemberId;
use crate::protocol::{Dialect, awareness, yjs};
use crate::room::{AskAwareness, Awareness, Edit, EditKind, Join, Lease, Leave, Place, Room};

/// A y-websocket client in its room.
pub struct YjsSession {
    member: MemberId,
    room: Addr<Room>,
    turnstile: Turnstile,
    /// What the token allows.
    pub access: Access,
    /// When the token ends, in Unix seconds: this protocol cannot renew it.
    pub valid_until_s: u64,
    _place: Place,
}

impl YjsSession {
    /// Joins the room.
    pub fn join(lease: Lease, place: Place, identity: &Identity, access: Access, desk: &Desk) -> Self {
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
        yjs::Message::Step2(update) => room.do_send(Edit { from, update, kind: EditKind::Step2, charge }),
        yjs::Message::Update(update) => room.do_send(Edit { from, update, kind: EditKind::Update, charge }),
        yjs::Message::Awareness(entries) => room.do_send(Awareness { from, entries, charge }),
        yjs::Message::QueryAwareness => room.do_send(AskAwareness { from, charge }),
    }
}

/// An awareness message of nobody.
pub fn keepalive() -> Bytes {
    yjs::awareness(&awareness::encode([].iter()))
}
