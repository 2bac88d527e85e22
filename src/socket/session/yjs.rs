//! A y-websocket client in its room.

use std::rc::Rc;
use std::time::Instant;

use actix::Addr;
use bytes::Bytes;

use super::charges::Charges;
use super::turnstile::{self, Ask, Question, Turnstile};
use super::{Desk, MESSAGE_BYTES, Violation};
use crate::auth::{Access, Action, Identity, allows};
use crate::ids::{MemberId, RoomName, UserId};
use crate::protocol::{CloseCode, Dialect, EditKind, yjs};
use crate::rate::{Bucket, Rate};
use crate::room::{AskAwareness, AskSaved, Awareness, Edit, Join, Lease, Leave, LongEdit, Place, Room};
use crate::socket::pace::Visit;
use crate::wire::Frame;

/// How many messages of unknown types are passed over; one counts once more for each [`UNKNOWN_BYTES`] that it has.
const UNKNOWN_RATE: Rate = Rate { per_second: 20.0, burst: 200.0 };
const UNKNOWN_BYTES: usize = 16 * 1024;

/// A y-websocket client in its room.
pub struct YjsSession {
    member: MemberId,
    room: Addr<Room>,
    /// Which room that is, and who the member.
    pub name: RoomName,
    pub user: UserId,
    turnstile: Turnstile,
    unknown: Bucket,
    /// What the token allows.
    pub access: Access,
    /// When the token ends, in Unix seconds: this protocol cannot renew it.
    pub valid_until_s: u64,
    _place: Place,
    _visit: Visit,
}

impl YjsSession {
    /// Joins the room.
    pub fn join(
        name: RoomName,
        lease: Lease,
        place: Place,
        visit: Visit,
        identity: &Identity,
        access: Access,
        desk: &Desk,
    ) -> Self {
        let room = lease.room().clone();
        let member = desk.relay.seat(desk.outbox.clone());
        room.do_send(Join {
            lease: lease.into_guard(),
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
            unknown: Bucket::new(UNKNOWN_RATE, Instant::now()),
            access,
            valid_until_s: identity.valid_until_s,
            _place: place,
            _visit: visit,
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
            if message == yjs::Message::Unknown {
                self.ignore(charge, desk)?;
                continue;
            }
            let bytes = std::mem::take(&mut charge);
            pass_on(message, bytes, self.member, &self.room, None, &mut self.turnstile, desk);
        }
        Ok(())
    }

    /// Passes over a message of an unknown type, of which there may be some.
    fn ignore(&mut self, bytes: usize, desk: &Desk) -> Result<(), Violation> {
        tracing::debug!(socket.id = %desk.socket, bytes, "message of an unknown type ignored");
        let weight = 1 + bytes / UNKNOWN_BYTES;
        self.unknown.take_many(weight, UNKNOWN_RATE, Instant::now()).map_err(|_| {
            Violation::new(CloseCode::TooMany, "too many messages of types that this server does not know")
        })
    }

    /// Whether an edit that is too long is refused in band: that of a reader is, as any. A writer's later typing would all build on
    /// it, and its protocol has no word for that.
    pub fn refuses_by_name(&self) -> bool {
        !allows(self.access, Action::Edit)
    }

    /// Refuses a message that is too long, if it is an edit.
    pub fn too_big(&mut self, beginning: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let kind = yjs::edit_beginning(beginning).ok_or_else(Violation::too_large_edit)?;
        pass_on_long(kind, self.member, &self.room, None, desk);
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
    charges: Option<&Rc<Charges>>,
    turnstile: &mut Turnstile,
    desk: &Desk,
) {
    let charge = bytes + MESSAGE_BYTES;
    if let yjs::Message::Step1(state_vector) = message {
        let question = Question::State(state_vector);
        let (room, charges) = (room.clone(), charges.cloned());
        return turnstile.ask(Ask { member: from, room, question, charge, charges }, desk);
    }
    turnstile::charge(charge, charges, desk);
    match message {
        yjs::Message::Step1(_) | yjs::Message::Unknown => {}
        yjs::Message::AskSaved(question) => room.do_send(AskSaved { from, question, charge }),
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
pub fn pass_on_long(kind: EditKind, from: MemberId, room: &Addr<Room>, charges: Option<&Rc<Charges>>, desk: &Desk) {
    if kind == EditKind::Step2 {
        desk.outbox.take_answer();
    }
    turnstile::charge(MESSAGE_BYTES, charges, desk);
    room.do_send(LongEdit { from, kind, charge: MESSAGE_BYTES });
}

/// An awareness message of nobody.
pub fn keepalive() -> Frame {
    yjs::nobody()
}
