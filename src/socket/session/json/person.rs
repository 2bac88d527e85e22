//! Who is behind a JSON connection: the first token, fresh ones, what they change in the rooms, and the token's end.

use std::sync::Arc;

use super::JsonSession;
use crate::auth::{self, Action, Identity, allows};
use crate::protocol::CloseCode;
use crate::protocol::json::{ServerMessage, rfc3339};
use crate::room::Renew;
use crate::socket::session::tenure::{Due, Tenure};
use crate::socket::session::{Desk, Violation};
use crate::wire::Frame;

/// Who is connected.
pub(super) struct Person {
    pub identity: Arc<Identity>,
    tenure: Tenure,
}

impl JsonSession {
    /// Takes a token: the first one, or a fresh one of the same user.
    pub(super) fn authenticate(&mut self, token: &str, request_id: Option<&str>, desk: &Desk) -> Result<(), Violation> {
        let known = self.person.as_ref().map(|person| &person.identity.user);
        match desk.context.verifier.verify(token, auth::now_s()) {
            Ok(identity) if known.is_none_or(|user| *user == identity.user) => {
                self.authenticated(Arc::new(identity), request_id, desk);
                Ok(())
            }
            Ok(_) => {
                desk.push(&auth_error("a socket keeps its user", request_id));
                Err(Violation::new(CloseCode::Unauthorized, "a socket keeps its user; open another one"))
            }
            Err(error) => {
                let user = desk.context.verifier.signer(token);
                let user = user.as_ref().map(tracing::field::display);
                tracing::info!(socket.id = %desk.socket, user.id = user, reason = %error, "token refused");
                desk.push(&auth_error(&error.to_string(), request_id));
                Ok(())
            }
        }
    }

    /// Tells the client who it is, now that its token holds.
    pub(super) fn authenticated(&mut self, identity: Arc<Identity>, request_id: Option<&str>, desk: &Desk) {
        let expires_at = rfc3339(identity.expires_at_s.saturating_mul(1000).min(i64::MAX as u64) as i64);
        let (user_id, name) = (&identity.user, &*identity.name);
        desk.push(&ServerMessage::Authenticated { user_id, name, expires_at, request_id }.frame());
        if self.person.is_none() {
            tracing::info!(socket.id = %desk.socket, user.id = %identity.user, "authenticated");
            desk.context.people.add(&identity.user, desk.socket, desk.relay.handle());
        }
        let tenure = Tenure::new(&identity, auth::now_s());
        self.person = Some(Person { identity, tenure });
        self.follow_rights(desk);
    }

    /// Does what a renewed token means for the rooms of the connection.
    fn follow_rights(&mut self, desk: &Desk) {
        let Some(Person { identity, .. }) = &self.person else { return };
        let mut lost = Vec::new();
        for (room, seat) in &mut self.rooms {
            let access = identity.access(room);
            if !allows(access, Action::Join) {
                lost.push(room.clone());
                continue;
            }
            seat.room.do_send(Renew { member: seat.member, access, name: identity.name.clone() });
            if access != seat.access {
                seat.access = access;
                desk.push(&ServerMessage::RoomAccess { room, access }.frame());
            }
        }
        for room in lost {
            let reason = CloseCode::Forbidden.reason();
            desk.push(&ServerMessage::Evicted { room: &room, reason }.frame());
            self.drop_seat(&room, true, desk);
        }
    }

    /// When something is next due, in Unix seconds.
    pub fn next_due_s(&self) -> u64 {
        self.person.as_ref().map_or(self.authenticate_until_s, |person| person.tenure.next_s())
    }

    /// Asks for a fresh token, and ends without one.
    pub fn due(&mut self, now_s: u64, desk: &Desk) -> Result<(), Violation> {
        let Some(Person { identity, tenure }) = &mut self.person else {
            return match now_s < self.authenticate_until_s {
                true => Ok(()),
                false => {
                    let reason = "no token came in time";
                    desk.push(&auth_error(reason, None));
                    Err(Violation::new(CloseCode::Unauthorized, reason))
                }
            };
        };
        match tenure.due(now_s) {
            Due::Nothing => Ok(()),
            Due::Notice => {
                let expires_at = rfc3339(identity.expires_at_s.saturating_mul(1000) as i64);
                desk.push(&ServerMessage::TokenExpiring { expires_at }.frame());
                Ok(())
            }
            Due::Over => Err(Violation::new(CloseCode::TokenExpired, CloseCode::TokenExpired.reason())),
        }
    }
}

/// Tells a client that its token does not hold, and why.
pub fn auth_error(message: &str, request_id: Option<&str>) -> Frame {
    ServerMessage::NotAuthenticated { message, request_id }.frame()
}
