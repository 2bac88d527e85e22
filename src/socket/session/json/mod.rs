//! A JSON client's connection: counts its messages and passes them on. Who it is stands in `person.rs`, its rooms in `seats.rs`.

mod outlet;
mod person;
mod seats;

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::limits::{Limited, RateLimits};
use super::turnstile::Turnstile;
use super::{Desk, MESSAGE_BYTES, Violation, text};
use crate::auth::{self, Identity};
use crate::ids::{RoomName, UserId};
use crate::protocol::CloseCode;
use crate::protocol::json::decode::decode;
use crate::protocol::json::limits::SIGNAL_BYTES_MAX;
use crate::protocol::json::{
    Body, Envelope, ErrorCode, ErrorMessage, JsonError, NAME, ServerMessage, rfc3339, signal, well_formed,
};
use crate::room::{BinarySignal, Leave, Say};
use person::Person;
use seats::Seat;

pub use person::auth_error;

/// A JSON client's connection.
pub struct JsonSession {
    client_id: String,
    person: Option<Person>,
    rooms: HashMap<RoomName, Seat>,
    turnstile: Turnstile,
    limits: RateLimits,
    has_news: Rc<Cell<bool>>,
    /// Rooms that the token did not open.
    denials: u32,
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
            denials: 0,
            authenticate_until_s: auth::now_s() + settings.auth_timeout.as_secs(),
        };
        let welcome = ServerMessage::Welcome {
            client_id: &session.client_id,
            heartbeat_ms: settings.rhythm.ping_interval.as_millis() as u64,
            protocol: NAME,
        };
        desk.push(&welcome.frame());
        desk.outbox.set_farewell(ServerMessage::Draining {}.frame());
        if let Some(identity) = identity {
            session.authenticated(identity, None, desk);
        }
        session
    }

    /// Who has come with a token, if someone has.
    pub fn user(&self) -> Option<&UserId> {
        self.person.as_ref().map(|person| &person.identity.user)
    }

    /// Whether nobody has come with a token yet.
    pub fn is_anonymous(&self) -> bool {
        self.person.is_none()
    }

    /// Handles a text message.
    pub fn text(&mut self, message: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let envelopes = match decode(&well_formed(text(message))) {
            Ok(envelopes) => envelopes,
            Err(error) => {
                self.count(None, desk)?;
                desk.push(&ErrorMessage::from(&error).frame());
                return Ok(());
            }
        };
        if envelopes.is_empty() {
            // An empty batch is work, too.
            self.count(None, desk)?;
        }
        let bytes = message.len() / envelopes.len().max(1);
        for Envelope { request_id, body } in envelopes {
            if !self.count(request_id.as_deref(), desk)? {
                continue;
            }
            match body {
                Ok(body) => self.request(body, request_id, bytes, desk)?,
                Err(error) => {
                    if let JsonError::Room(reason) = &error {
                        tracing::info!(socket.id = %desk.socket, %reason, "room name refused");
                    }
                    desk.push(&ErrorMessage::from(&error).about(request_id.as_deref(), None).frame());
                }
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
            desk.push(&ErrorMessage::permanent(ErrorCode::TooLarge, message).frame());
            return Ok(());
        }
        let (room, payload) = match signal::decode(message) {
            Ok(signal) => signal,
            Err(error) => {
                desk.push(&ErrorMessage::from(&error).frame());
                return Ok(());
            }
        };
        let Some(seat) = self.seat(&room, None, desk) else { return Ok(()) };
        let charge = message.len() + MESSAGE_BYTES;
        seat.outlet.charges.charge(charge);
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
                let error = ErrorMessage::temporary(ErrorCode::RateLimited, message, wait.as_millis() as u64 + 1);
                desk.push(&error.about(request_id, None).frame());
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
            Body::Ping => desk.push(&ServerMessage::Pong { request_id: request_id.as_deref() }.frame()),
            Body::Authenticate { token } => return self.authenticate(&token, request_id.as_deref(), desk),
            _ if self.person.is_none() => {
                let message = "authenticate first: {\"type\":\"authenticate\",\"token\":…}";
                desk.push(
                    &ErrorMessage::permanent(ErrorCode::Unauthorized, message)
                        .about(request_id.as_deref(), None)
                        .frame(),
                );
            }
            Body::Join { room, since, wants_edits } => self.join(room, since, wants_edits, request_id, desk),
            Body::Leave { room } => self.leave_room(&room, request_id.as_deref(), desk),
            Body::Direct { to, payload } => self.direct(&to, &payload, request_id.as_deref(), desk),
            Body::InRoom { room, said } => {
                let Some(seat) = self.seat(&room, request_id.as_deref(), desk) else { return Ok(()) };
                let charge = bytes + MESSAGE_BYTES;
                seat.outlet.charges.charge(charge);
                seat.room.do_send(Say { from: seat.member, said, request_id, charge });
            }
        }
        Ok(())
    }

    fn direct(&mut self, to: &str, payload: &RawValue, request_id: Option<&str>, desk: &Desk) {
        let Some(Person { identity, .. }) = &self.person else { return };
        if !identity.may_message() {
            let error = ErrorMessage::permanent(
                ErrorCode::ReadOnly,
                "the token allows writing in no room, so no messages to people",
            );
            return desk.push(&error.about(request_id, None).frame());
        }
        let timestamp = rfc3339(auth::now_ms());
        let direct = ServerMessage::Direct { user: &identity.user, name: &identity.name, to, timestamp, payload };
        let sockets = desk.context.people.tell(&UserId::new(to), &direct.frame());
        if let Some(request_id) = request_id {
            desk.push(&ServerMessage::Done { room: None, request_id, sockets: Some(sockets) }.frame());
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
