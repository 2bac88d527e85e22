//! The rooms of a JSON connection: coming in with what was missed, leaving, being put out.

use std::rc::Rc;

use actix::Addr;

use super::JsonSession;
use super::outlet::SeatOutlet;
use super::person::Person;
use crate::auth::{Access, Action, allows};
use crate::ids::{MemberId, RoomName, Seq};
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage};
use crate::protocol::{CloseCode, Dialect};
use crate::room::{Join, JsonJoin, Leave, Room};
use crate::socket::session::turnstile::{Ask, Question};
use crate::socket::session::{DENIALS_LOGGED_MAX, Desk, MESSAGE_BYTES};

/// One room of the connection.
pub(super) struct Seat {
    pub member: MemberId,
    pub room: Addr<Room>,
    pub access: Access,
    pub outlet: Rc<SeatOutlet>,
}

/// Asks for the next page of a room's past.
fn more(member: MemberId, room: &Addr<Room>, outlet: &SeatOutlet) -> Ask {
    let (room, charges) = (room.clone(), Some(outlet.charges.clone()));
    Ask { member, room, question: Question::More, charge: MESSAGE_BYTES, charges }
}

impl JsonSession {
    /// The seat in a room; a client without one is told so.
    pub(super) fn seat(&self, room: &RoomName, request_id: Option<&str>, desk: &Desk) -> Option<&Seat> {
        let seat = self.rooms.get(room).filter(|seat| !seat.outlet.is_ended());
        if seat.is_none() {
            let error = ErrorMessage::permanent(ErrorCode::NotJoined, "join the room first");
            desk.push(&error.about(request_id, Some(room)).frame());
        }
        seat
    }

    /// Comes into a room, anew if the client is in it.
    pub(super) fn join(
        &mut self,
        name: RoomName,
        since: Option<Seq>,
        wants_edits: bool,
        request_id: Option<Box<str>>,
        desk: &Desk,
    ) {
        let Some(Person { identity, .. }) = &self.person else { return };
        let identity = identity.clone();
        let access = identity.access(&name);
        if !allows(access, Action::Join) {
            self.denials = self.denials.saturating_add(1);
            if self.denials <= DENIALS_LOGGED_MAX {
                let (reason, is_last) = (CloseCode::Forbidden.reason(), self.denials == DENIALS_LOGGED_MAX);
                tracing::info!(socket.id = %desk.socket, room.name = %name, user.id = %identity.user, reason, is_last, "room denied");
            }
            let error = ErrorMessage::permanent(ErrorCode::Forbidden, CloseCode::Forbidden.reason());
            return desk.push(&error.about(request_id.as_deref(), Some(&name)).frame());
        }
        self.drop_seat(&name, false, desk);
        let rooms_max = desk.context.settings.rooms_per_socket_max;
        if self.rooms.len() >= rooms_max {
            let message = format!("one connection may be in at most {rooms_max} rooms");
            let error = ErrorMessage::permanent(ErrorCode::TooManyRooms, message);
            return desk.push(&error.about(request_id.as_deref(), Some(&name)).frame());
        }
        let lease = desk.context.directory.lookup(&name);
        let room = lease.room().clone();
        let news = self.has_news.clone();
        let outlet = SeatOutlet::new(desk.outbox.clone(), name.clone(), request_id.clone(), news);
        let member = desk.relay.seat(outlet.clone());
        room.do_send(Join {
            lease: lease.into_guard(),
            member,
            relay: desk.relay.handle(),
            dialect: Dialect::Json,
            user: identity.user.clone(),
            name: identity.name.clone(),
            access,
            json: Some(Box::new(JsonJoin { since, wants_edits, request_id })),
        });
        if since.is_some() {
            self.turnstile.ask(more(member, &room, &outlet), desk);
        }
        self.rooms.insert(name, Seat { member, room, access, outlet });
    }

    /// Leaves a room.
    pub(super) fn leave_room(&mut self, name: &RoomName, request_id: Option<&str>, desk: &Desk) {
        if self.seat(name, request_id, desk).is_some() {
            self.drop_seat(name, true, desk);
            desk.push(&ServerMessage::Left { room: name, request_id }.frame());
        }
    }

    /// Gives a seat up, if there is one.
    pub(super) fn drop_seat(&mut self, name: &RoomName, is_for_good: bool, desk: &Desk) {
        if let Some(seat) = self.rooms.remove(name) {
            seat.room.do_send(Leave { from: seat.member, is_for_good });
            seat.outlet.leave();
            if seat.outlet.charges.is_over() {
                desk.relay.unseat(seat.member);
            }
            self.turnstile.forget(seat.member, desk);
        }
    }

    /// Goes on with what waited until a page of a timeline was taken.
    pub fn answer_delivered(&mut self, desk: &Desk) {
        let next = self.rooms.values().find(|seat| self.turnstile.is_answering(seat.member));
        let behind = next.filter(|seat| !seat.outlet.is_caught_up() && !seat.outlet.is_ended());
        match behind.map(|seat| more(seat.member, &seat.room, &seat.outlet)) {
            Some(more) => self.turnstile.again(more, desk),
            None => self.turnstile.delivered(desk),
        }
    }

    /// Notes which rooms have sent all of the past, and lets go of those that have put the client out.
    pub fn tidy(&mut self, desk: &Desk) {
        if !self.has_news.replace(false) {
            return;
        }
        let ended: Vec<RoomName> =
            self.rooms.iter().filter(|(_, seat)| seat.outlet.is_ended()).map(|(name, _)| name.clone()).collect();
        for name in ended {
            self.drop_seat(&name, true, desk);
        }
        let caught_up = self.rooms.values().filter(|seat| seat.outlet.is_caught_up());
        let caught_up: Vec<MemberId> = caught_up.map(|seat| seat.member).collect();
        for member in caught_up {
            self.turnstile.forget(member, desk);
        }
    }
}
