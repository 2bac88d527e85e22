//! The token of a JSON connection: the first one, fresh ones, and its end.

use std::sync::Arc;

use super::session::JsonSession;
use super::user::User;
use crate::auth::{Identity, in_ms, now_s};
use crate::protocol::CloseCode;
use crate::protocol::json::{ServerMessage, rfc3339};
use crate::socket::gate::UserPermit;
use crate::socket::session::io::SessionIo;
use crate::socket::session::session::SocketClose;
use crate::socket::session::token_lifetime::TokenDue;
use crate::wire::Frame;

impl JsonSession {
    /// Takes a token: the first one, or a fresh one of the same user.
    pub(super) fn authenticate(
        &mut self,
        token: &str,
        request_id: Option<&str>,
        io: &SessionIo,
    ) -> Result<(), SocketClose> {
        let known = self.user.as_ref().map(|user| &user.identity.user);
        match io.context.verifier.verify(token, now_s()) {
            Ok(identity) if known.is_none_or(|user| *user == identity.user) => {
                self.on_token(Arc::new(identity), request_id, io)
            }
            Ok(_) => {
                io.send(&token_error("a socket keeps its user", request_id));
                Err(SocketClose::new(CloseCode::Unauthorized, "a socket keeps its user; open another one"))
            }
            Err(error) => {
                // The span has the connection's own.
                let user = known.is_none().then(|| io.context.verifier.signer(token)).flatten();
                let user = user.as_ref().map(tracing::field::display);
                tracing::info!(user.id = user, reason = %error, "token refused");
                io.send(&token_error(&error.to_string(), request_id));
                Ok(())
            }
        }
    }

    /// Tells the client that the token which came with the upgrade does not hold.
    pub fn refuse_token(&self, reason: &str, io: &SessionIo) {
        io.send(&token_error(reason, None));
    }

    /// Goes on with a token that holds: the first one, if its user may have one more connection, or a fresh one.
    pub fn on_token(
        &mut self,
        identity: Arc<Identity>,
        request_id: Option<&str>,
        io: &SessionIo,
    ) -> Result<(), SocketClose> {
        let Some(user) = &mut self.user else {
            let permit = io.context.users.enter(&identity.user)?;
            self.enter(identity, permit, request_id, io);
            return Ok(());
        };
        tell_user(&identity, request_id, io);
        user.renew(identity);
        self.follow_access(io);
        Ok(())
    }

    /// Lets in the user of the first token.
    pub fn enter(&mut self, identity: Arc<Identity>, permit: UserPermit, request_id: Option<&str>, io: &SessionIo) {
        tell_user(&identity, request_id, io);
        self.user = Some(User::new(identity, permit, io));
    }

    /// Asks for a fresh token, and ends without one.
    pub(super) fn on_token_due(&mut self, now_ms: i64, io: &SessionIo) -> Result<(), SocketClose> {
        let Some(user) = &mut self.user else {
            return match now_ms < self.authenticate_until_ms {
                true => Ok(()),
                false => {
                    io.send(&token_error("no token came in time", None));
                    Err(SocketClose::new(CloseCode::Unauthorized, "no token came in time"))
                }
            };
        };
        match user.lifetime.due(now_ms.unsigned_abs() / 1000) {
            TokenDue::Nothing => Ok(()),
            TokenDue::Notice => {
                io.send(&ServerMessage::TokenExpiring { expires_at: expires_at(&user.identity) }.frame());
                Ok(())
            }
            TokenDue::Over => Err(CloseCode::TokenExpired.into()),
        }
    }
}

/// Tells the client who it is, now that its token holds.
fn tell_user(identity: &Identity, request_id: Option<&str>, io: &SessionIo) {
    let (user_id, name) = (&identity.user, &*identity.name);
    let expires_at = expires_at(identity);
    io.send(&ServerMessage::Authenticated { user_id, name, expires_at, request_id }.frame());
}

/// When a token ends, as JSON has it.
fn expires_at(identity: &Identity) -> String {
    rfc3339(in_ms(identity.expires_at_s))
}

/// Tells a client that its token does not hold, and why.
fn token_error(message: &str, request_id: Option<&str>) -> Frame {
    ServerMessage::NotAuthenticated { message, request_id }.frame()
}
