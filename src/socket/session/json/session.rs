//! Counts a JSON client's messages and passes them on.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::joined_room::JoinedRoom;
use super::user::User;
use crate::auth::{TokenError, Verifier, in_ms, now_ms};
use crate::bus::Question;
use crate::ids::{RoomName, UserId};
use crate::protocol::CloseCode;
use crate::protocol::json::decode::decode;
use crate::protocol::json::limits::SIGNAL_BYTES_MAX;
use crate::protocol::json::{
    Body, Envelope, ErrorCode, ErrorMessage, JsonError, NAME, ServerMessage, rfc3339, signal, well_formed,
};
use crate::room::{BroadcastBinary, Say, UserSockets};
use crate::socket::rates::{Limited, RateLimits};
use crate::socket::session::forward::MESSAGE_BYTES;
use crate::socket::session::io::SessionIo;
use crate::socket::session::request_queue::RequestQueue;
use crate::socket::session::session::{Session, SocketClose};

/// A JSON client's connection.
pub struct JsonSession {
    /// `None` until a token says who it is.
    pub(super) user: Option<User>,
    pub(super) rooms: HashMap<RoomName, JoinedRoom>,
    pub(super) replies: RequestQueue,
    limits: RateLimits,
    /// Whether rooms have decided something about a membership.
    pub(super) has_news: Rc<Cell<bool>>,
    /// The room that the connection is of, if it is of one, and how it ends without it.
    pub(super) only: Option<(RoomName, CloseCode)>,
    /// Rooms that the token did not open.
    pub(super) denials: u32,
    /// Until when a token must come, in Unix milliseconds.
    pub(super) authenticate_until_ms: i64,
}

impl JsonSession {
    /// Greets the client as `client`.
    pub fn open(client: Uuid, limits: RateLimits, io: &SessionIo) -> Self {
        let settings = &io.context.settings;
        let session = Self {
            user: None,
            rooms: HashMap::new(),
            replies: RequestQueue::default(),
            limits,
            has_news: Rc::default(),
            only: None,
            denials: 0,
            authenticate_until_ms: now_ms() + settings.auth_timeout.as_millis() as i64,
        };
        let welcome = ServerMessage::Welcome {
            client_id: &client.to_string(),
            heartbeat_ms: settings.rhythm.ping_interval.as_millis() as u64,
            protocol: NAME,
        };
        io.send(&welcome.frame());
        io.outbox.set_farewell(ServerMessage::Draining {}.frame());
        session
    }

    /// Counts a message against the client's limits. `false`: it is refused.
    fn count(&mut self, request_id: Option<&str>, io: &SessionIo) -> Result<bool, SocketClose> {
        let user = self.user.as_ref().map(|user| &user.identity.user);
        match self.limits.take(user, &io.context.rates, Instant::now()) {
            Limited::No => Ok(true),
            Limited::Refused(wait) => {
                let message = "too many messages, wait a little";
                let error = ErrorMessage::temporary(ErrorCode::RateLimited, message, wait.as_millis() as u64 + 1);
                io.send(&error.about(request_id, None).frame());
                Ok(false)
            }
            Limited::Abuse => Err(CloseCode::TooMany.into()),
        }
    }

    fn on_request(
        &mut self,
        body: Body,
        request_id: Option<Box<str>>,
        bytes: usize,
        io: &SessionIo,
    ) -> Result<(), SocketClose> {
        match body {
            Body::Ping => io.send(&ServerMessage::Pong { request_id: request_id.as_deref() }.frame()),
            Body::Authenticate { token } => return self.authenticate(&token, request_id.as_deref(), io),
            _ if self.user.is_none() => {
                let message = "authenticate first: {\"type\":\"authenticate\",\"token\":…}";
                let error = ErrorMessage::permanent(ErrorCode::Unauthorized, message);
                io.send(&error.about(request_id.as_deref(), None).frame());
            }
            Body::Join { room, since, wants_edits } => self.join(room, since, wants_edits, request_id, io),
            Body::Leave { room } => self.on_leave(&room, request_id.as_deref(), io),
            Body::Direct { to, payload } => self.send_direct(&to, &payload, request_id.as_deref(), io),
            Body::InRoom { room, said } => {
                let Some(link) = self.link(&room, request_id.as_deref(), io) else { return Ok(()) };
                let charge = bytes + MESSAGE_BYTES;
                link.charges.charge(charge);
                link.room.do_send(Say { from: link.member, said, request_id, charge });
            }
        }
        Ok(())
    }

    fn send_direct(&mut self, to: &str, payload: &RawValue, request_id: Option<&str>, io: &SessionIo) {
        let Some(User { identity, .. }) = &self.user else { return };
        if !identity.may_message() {
            let message = "the token allows writing in no room, so no messages to people";
            let error = ErrorMessage::permanent(ErrorCode::ReadOnly, message);
            return io.send(&error.about(request_id, None).frame());
        }
        let timestamp = rfc3339(now_ms());
        let direct = ServerMessage::Direct { user: &identity.user, name: &identity.name, to, timestamp, payload };
        let (to, frame) = (UserId::new(to), direct.frame());
        let here = io.context.user_sockets.tell(&to, &frame);
        if io.context.cluster.is_alone() {
            if let Some(request_id) = request_id {
                io.send(&ServerMessage::Done { room: None, request_id, sockets: Some(here) }.frame());
            }
            return;
        }
        let text = String::from_utf8_lossy(frame.payload()).into_owned();
        let (cluster, relay, socket) = (io.context.cluster.clone(), io.relay.handle(), io.socket);
        let request_id = request_id.map(str::to_owned);
        actix_rt::spawn(async move {
            let sockets = here + cluster.ask(Question::Direct { user: to, text }).await.count();
            if let Some(request_id) = &request_id {
                let done = ServerMessage::Done { room: None, request_id, sockets: Some(sockets) };
                UserSockets::tell_one(&relay, socket, done.frame());
            }
        });
    }
}

impl Session for JsonSession {
    fn confirm(&self, verifier: &Verifier, now_s: u64) -> Result<(), TokenError> {
        self.user.as_ref().map_or(Ok(()), |user| verifier.confirm(&user.identity, now_s))
    }

    fn counts_for_itself(&self) -> bool {
        true
    }

    fn payer(&self) -> Option<&UserId> {
        self.user.as_ref().map(|user| &user.identity.user)
    }

    fn protocol(&self) -> &'static str {
        "json"
    }

    fn message_bytes_max(&self, io: &SessionIo) -> usize {
        match self.user {
            Some(_) => io.context.settings.json_message_bytes_max,
            None => io.context.settings.reader_message_bytes_max,
        }
    }

    fn on_text(&mut self, message: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        // The reader has found it to be UTF-8.
        let text = std::str::from_utf8(message).unwrap_or_default();
        let envelopes = match decode(&well_formed(text)) {
            Ok(envelopes) => envelopes,
            Err(error) => {
                self.count(None, io)?;
                io.send(&ErrorMessage::from(&error).frame());
                return Ok(());
            }
        };
        if envelopes.is_empty() {
            // An empty batch is work, too.
            self.count(None, io)?;
        }
        let bytes = message.len() / envelopes.len().max(1);
        for Envelope { request_id, body } in envelopes {
            if !self.count(request_id.as_deref(), io)? {
                continue;
            }
            match body {
                Ok(body) => self.on_request(body, request_id, bytes, io)?,
                Err(error) => {
                    if let JsonError::Room(reason) = &error {
                        tracing::info!(%reason, "room name refused");
                    }
                    io.send(&ErrorMessage::from(&error).about(request_id.as_deref(), None).frame());
                }
            }
        }
        Ok(())
    }

    /// A signal for a room.
    fn on_binary(&mut self, message: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        if !self.count(None, io)? {
            return Ok(());
        }
        if message.len() > SIGNAL_BYTES_MAX {
            let message = format!("a binary frame has at most {SIGNAL_BYTES_MAX} bytes");
            io.send(&ErrorMessage::permanent(ErrorCode::TooLarge, message).frame());
            return Ok(());
        }
        let (room, payload) = match signal::decode(message) {
            Ok(signal) => signal,
            Err(error) => {
                io.send(&ErrorMessage::from(&error).frame());
                return Ok(());
            }
        };
        let Some(link) = self.link(&room, None, io) else { return Ok(()) };
        let charge = message.len() + MESSAGE_BYTES;
        link.charges.charge(charge);
        link.room.do_send(BroadcastBinary { from: link.member, payload, charge });
        Ok(())
    }

    fn is_of(&self, user: &UserId) -> bool {
        self.user.as_ref().is_some_and(|own| own.identity.user == *user)
    }

    fn is_stranger(&self) -> bool {
        self.user.is_none()
    }

    fn on_answer_delivered(&mut self, io: &SessionIo) {
        self.on_page_delivered(io);
    }

    fn follow_rooms(&mut self, io: &SessionIo) -> Result<(), SocketClose> {
        if self.has_news.replace(false) {
            self.follow_memberships(io);
        }
        self.follow_only()
    }

    fn next_due_ms(&self) -> Option<i64> {
        Some(self.user.as_ref().map_or(self.authenticate_until_ms, |user| in_ms(user.lifetime.next_s())))
    }

    fn on_due(&mut self, now_ms: i64, io: &SessionIo) -> Result<(), SocketClose> {
        self.on_token_due(now_ms, io)
    }

    fn end(self: Box<Self>, is_for_good: bool) {
        self.rooms.into_values().for_each(|joined| joined.membership.end(is_for_good));
    }
}
