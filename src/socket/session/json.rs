//! A JSON client's connection: who it is, and the rooms that it is in.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::Addr;
use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use super::limits::{Limited, RateLimits};
use super::seat::{SeatOutlet, evicted};
use super::tenure::{Due, Tenure};
use super::turnstile::{Ask, Question, Turnstile};
use super::{Desk, MESSAGE_BYTES, Violation, text};
use crate::auth::{self, Access, Action, Identity, allows};
use crate::ids::{MemberId, RoomName, Seq, UserId};
use crate::protocol::json::decode::decode;
use crate::protocol::json::reply::{self, Problem};
use crate::protocol::json::{Body, Envelope};
use crate::protocol::lib0::Input;
use crate::protocol::{CloseCode, Dialect};
use crate::room::{BinarySignal, Join, JsonJoin, Leave, Room, Say, SetAccess};

/// Longest binary frame, in bytes.
const SIGNAL_BYTES_MAX: usize = 64 * 1024;

/// One room of the connection.
struct Seat {
    member: MemberId,
    room: Addr<Room>,
    access: Access,
    outlet: Rc<SeatOutlet>,
}

/// Who is connected.
struct Person {
    identity: Arc<Identity>,
    tenure: Tenure,
}

/// A JSON client's connection.
pub struct JsonSession {
    client_id: String,
    person: Option<Person>,
    rooms: HashMap<RoomName, Seat>,
    turnstile: Turnstile,
    limits: RateLimits,
    has_news: Rc<Cell<bool>>,
    /// Until when a token must come, in Unix seconds.
    authenticate_until_s: u64,
}

impl JsonSession {
    /// Greets the client. `identity` is that of a token which came with the upgrade.
    pub fn open(identity: Option<Arc<Identity>>, limits: RateLimits, desk: &Desk) -> Self {
        let settings = &desk.context.settings;
        let mut session = Self {
            client_id: Uuid::new_v4().to_string(),
            person: None,
            rooms: HashMap::new(),
            turnstile: Turnstile::default(),
            limits,
            has_news: Rc::default(),
            authenticate_until_s: auth::now_s() + settings.auth_timeout.as_secs(),
        };
        desk.push(reply::welcome(&session.client_id, settings.rhythm.ping_interval.as_millis() as u64));
        desk.outbox.set_farewell(draining());
        if let Some(identity) = identity {
            session.authenticated(identity, None, desk);
        }
        session
    }

    /// Whether nobody has come with a token yet.
    pub fn is_anonymous(&self) -> bool {
        self.person.is_none()
    }

    /// Handles a text message.
    pub fn text(&mut self, message: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let envelopes = match decode(text(message)) {
            Ok(envelopes) => envelopes,
            Err(error) => {
                self.count(None, desk)?;
                desk.push(Problem::refused(&error).frame());
                return Ok(());
            }
        };
        let bytes = message.len() / envelopes.len().max(1);
        for Envelope { request_id, body } in envelopes {
            if !self.count(request_id.as_deref(), desk)? {
                continue;
            }
            match body {
                Ok(body) => self.request(body, request_id, bytes, desk)?,
                Err(error) => desk.push(Problem::refused(&error).about(request_id.as_deref(), None).frame()),
            }
        }
        Ok(())
    }

    /// Handles a binary message: a signal for a room.
    pub fn binary(&mut self, message: &Bytes, desk: &Desk) -> Result<(), Violation> {
        if !self.count(None, desk)? {
            return Ok(());
        }
        if message.len() > SIGNAL_BYTES_MAX {
            let message = format!("a binary frame has at most {SIGNAL_BYTES_MAX} bytes");
            desk.push(Problem::lasting("too_large", message).frame());
            return Ok(());
        }
        let mut input = Input::new(message);
        let room = input.text().ok().and_then(|name| RoomName::parse(name).ok());
        let Some(room) = room else {
            let message = "a binary frame is the room's name after its length, then the signal";
            desk.push(Problem::lasting("invalid_message", message).frame());
            return Ok(());
        };
        let Some(seat) = self.seat(&room, None, desk) else { return Ok(()) };
        let charge = message.len() + MESSAGE_BYTES;
        desk.outbox.charge(charge);
        let payload = message.slice(input.position()..);
        seat.room.do_send(BinarySignal { from: seat.member, payload, charge });
        Ok(())
    }

    /// Counts a message against the client's limits. `false`: it is refused.
    fn count(&mut self, request_id: Option<&str>, desk: &Desk) -> Result<bool, Violation> {
        let user = self.person.as_ref().map(|person| &person.identity.user);
        match self.limits.take(user, &desk.context.rates, Instant::now()) {
            Limited::No => Ok(true),
            Limited::Refused(wait) => {
                let message = "too many messages, wait a little";
                let problem = Problem::passing("rate_limited", message, wait.as_millis() as u64 + 1);
                desk.push(problem.about(request_id, None).frame());
                Ok(false)
            }
            Limited::Abuse => Err(Violation::new(CloseCode::TooMany, CloseCode::TooMany.reason())),
        }
    }

    fn request(
        &mut self,
        body: Body,
        request_id: Option<Box<str>>,
        bytes: usize,
        desk: &Desk,
    ) -> Result<(), Violation> {
        match body {
            Body::Ping => desk.push(reply::message("pong", RequestId { request_id: request_id.as_deref() })),
            Body::Authenticate { token } => return self.authenticate(&token, request_id.as_deref(), desk),
            _ if self.person.is_none() => {
                let message = "authenticate first: {\"type\":\"authenticate\",\"token\":…}";
                desk.push(Problem::lasting("unauthorized", message).about(request_id.as_deref(), None).frame());
            }
            Body::Join { room, since, wants_edits } => self.join(room, since, wants_edits, request_id, desk),
            Body::Leave { room } => self.leave_room(&room, request_id.as_deref(), desk),
            Body::Direct { to, payload } => self.direct(&to, &payload, request_id.as_deref(), desk),
            Body::InRoom { room, said } => {
                let Some(seat) = self.seat(&room, request_id.as_deref(), desk) else { return Ok(()) };
                let charge = bytes + MESSAGE_BYTES;
                desk.outbox.charge(charge);
                seat.room.do_send(Say { from: seat.member, said, request_id, charge });
            }
        }
        Ok(())
    }

    // Who it is

    fn authenticate(&mut self, token: &str, request_id: Option<&str>, desk: &Desk) -> Result<(), Violation> {
        let known = self.person.as_ref().map(|person| &person.identity.user);
        match desk.context.verifier.verify(token, auth::now_s()) {
            Ok(identity) if known.is_none_or(|user| *user == identity.user) => {
                self.authenticated(Arc::new(identity), request_id, desk);
                Ok(())
            }
            Ok(_) => {
                desk.push(auth_error("a socket keeps its user", request_id));
                Err(Violation::new(CloseCode::Unauthorized, "a socket keeps its user; open another one"))
            }
            Err(error) => {
                tracing::info!(socket.id = %desk.socket, %error, "token refused");
                desk.push(bad_token(request_id));
                Ok(())
            }
        }
    }

    fn authenticated(&mut self, identity: Arc<Identity>, request_id: Option<&str>, desk: &Desk) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Success<'a> {
            user_id: &'a UserId,
            name: &'a str,
            expires_at: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        let expires_at = reply::rfc3339(identity.expires_at_s.saturating_mul(1000).min(i64::MAX as u64) as i64);
        let success = Success { user_id: &identity.user, name: &identity.name, expires_at, request_id };
        desk.push(reply::message("auth.success", success));
        if self.person.is_none() {
            tracing::info!(socket.id = %desk.socket, user.id = %identity.user, "authenticated");
            desk.context.people.add(&identity.user, desk.socket, desk.relay.handle());
        }
        let tenure = Tenure::new(&identity, auth::now_s());
        self.person = Some(Person { identity, tenure });
        self.follow_rights(desk);
    }

    /// Does what a renewed token's rights mean for the rooms of the connection.
    fn follow_rights(&mut self, desk: &Desk) {
        #[derive(Serialize)]
        struct RoomAccess<'a> {
            room: &'a RoomName,
            access: Access,
        }
        let Some(Person { identity, .. }) = &self.person else { return };
        let mut lost = Vec::new();
        for (room, seat) in &mut self.rooms {
            let access = identity.access(room);
            if !allows(access, Action::Join) {
                lost.push(room.clone());
            } else if access != seat.access {
                seat.access = access;
                seat.room.do_send(SetAccess { member: seat.member, access });
                desk.push(reply::message("room.access", RoomAccess { room, access }));
            }
        }
        for room in lost {
            desk.push(evicted(&room, CloseCode::Forbidden.reason()));
            self.drop_seat(&room, true, desk);
        }
    }

    /// When something is next due, in Unix seconds.
    pub fn next_due_s(&self) -> u64 {
        self.person.as_ref().map_or(self.authenticate_until_s, |person| person.tenure.next_s())
    }

    /// Asks for a fresh token, and ends without one.
    pub fn due(&mut self, now_s: u64, desk: &Desk) -> Result<(), Violation> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Expiring {
            expires_at: String,
        }
        let Some(Person { identity, tenure }) = &mut self.person else {
            return match now_s < self.authenticate_until_s {
                true => Ok(()),
                false => {
                    desk.push(bad_token(None));
                    Err(Violation::new(CloseCode::Unauthorized, "no token came in time"))
                }
            };
        };
        match tenure.due(now_s) {
            Due::Nothing => Ok(()),
            Due::Notice => {
                let expires_at = reply::rfc3339(identity.expires_at_s.saturating_mul(1000) as i64);
                desk.push(reply::message("token.expiring", Expiring { expires_at }));
                Ok(())
            }
            Due::Over => Err(Violation::new(CloseCode::TokenExpired, CloseCode::TokenExpired.reason())),
        }
    }

    // Its rooms

    fn seat(&self, room: &RoomName, request_id: Option<&str>, desk: &Desk) -> Option<&Seat> {
        let seat = self.rooms.get(room).filter(|seat| !seat.outlet.is_ended());
        if seat.is_none() {
            let problem = Problem::lasting("not_joined", "join the room first");
            desk.push(problem.about(request_id, Some(room)).frame());
        }
        seat
    }

    fn join(
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
            let problem = Problem::lasting("forbidden", CloseCode::Forbidden.reason());
            return desk.push(problem.about(request_id.as_deref(), Some(&name)).frame());
        }
        self.drop_seat(&name, false, desk);
        let rooms_max = desk.context.settings.rooms_per_socket_max;
        if self.rooms.len() >= rooms_max {
            let message = format!("one connection may be in at most {rooms_max} rooms");
            let problem = Problem::lasting("too_many_rooms", message);
            return desk.push(problem.about(request_id.as_deref(), Some(&name)).frame());
        }
        let lease = desk.context.directory.lookup(&name);
        let room = lease.room().clone();
        let outlet = SeatOutlet::new(desk.outbox.clone(), name.clone(), self.has_news.clone());
        let member = desk.relay.seat(outlet.clone());
        room.do_send(Join {
            lease,
            member,
            relay: desk.relay.handle(),
            dialect: Dialect::Json,
            user: identity.user.clone(),
            name: identity.name.clone(),
            access,
            json: Some(Box::new(JsonJoin { since, wants_edits, request_id })),
        });
        if since.is_some() {
            self.turnstile
                .ask(Ask { member, room: room.clone(), question: Question::More, charge: MESSAGE_BYTES }, desk);
        }
        self.rooms.insert(name, Seat { member, room, access, outlet });
    }

    fn leave_room(&mut self, name: &RoomName, request_id: Option<&str>, desk: &Desk) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Left<'a> {
            room: &'a RoomName,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        if self.seat(name, request_id, desk).is_some() {
            self.drop_seat(name, true, desk);
            desk.push(reply::message("room.left", Left { room: name, request_id }));
        }
    }

    fn drop_seat(&mut self, name: &RoomName, is_for_good: bool, desk: &Desk) {
        if let Some(seat) = self.rooms.remove(name) {
            seat.room.do_send(Leave { from: seat.member, is_for_good });
            desk.relay.unseat(seat.member);
            self.turnstile.forget(seat.member, desk);
        }
    }

    fn direct(&mut self, to: &str, payload: &serde_json::value::RawValue, request_id: Option<&str>, desk: &Desk) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Done<'a> {
            request_id: &'a str,
            sockets: usize,
        }
        let Some(Person { identity, .. }) = &self.person else { return };
        if !identity.may_message() {
            let problem =
                Problem::lasting("read_only", "the token allows writing in no room, so no messages to people");
            return desk.push(problem.about(request_id, None).frame());
        }
        let sockets = desk
            .context
            .people
            .tell(&UserId::new(to), &reply::direct(&identity.user, &identity.name, to, payload, auth::now_ms()));
        if let Some(request_id) = request_id {
            desk.push(reply::message("done", Done { request_id, sockets }));
        }
    }

    /// Goes on with what waited until a page of a timeline was taken.
    pub fn answer_delivered(&mut self, desk: &Desk) {
        let next = self.rooms.values().find(|seat| self.turnstile.is_answering(seat.member));
        let behind = next.filter(|seat| !seat.outlet.is_caught_up() && !seat.outlet.is_ended());
        let more = behind.map(|seat| Ask {
            member: seat.member,
            room: seat.room.clone(),
            question: Question::More,
            charge: MESSAGE_BYTES,
        });
        match more {
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

    /// Leaves all rooms.
    pub fn leave(&mut self, is_for_good: bool, desk: &Desk) {
        for (_, seat) in std::mem::take(&mut self.rooms) {
            seat.room.do_send(Leave { from: seat.member, is_for_good });
            desk.relay.unseat(seat.member);
        }
        if let Some(Person { identity, .. }) = self.person.take() {
            desk.context.people.remove(&identity.user, desk.socket);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestId<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// Tells a client that the server is about to end.
fn draining() -> Bytes {
    reply::message("server.draining", RequestId { request_id: None })
}

/// Tells a client that its token does not hold; which one it was is nobody's business.
pub fn bad_token(request_id: Option<&str>) -> Bytes {
    auth_error("Invalid or expired token", request_id)
}

fn auth_error(message: &str, request_id: Option<&str>) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct AuthError<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    }
    reply::message("auth.error", AuthError { message, request_id })
}
