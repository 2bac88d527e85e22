//! Who is behind a JSON connection, once a token has said so.

use std::sync::Arc;

use tracing::Span;
use tracing::field::display;

use crate::auth::{Identity, now_s};
use crate::ids::{SocketId, UserId};
use crate::room::UserSockets;
use crate::socket::gate::UserPermit;
use crate::socket::session::io::SessionIo;
use crate::socket::session::token_lifetime::TokenLifetime;

/// A user whose token is good.
pub struct User {
    /// What the newest token says.
    pub identity: Arc<Identity>,
    /// How long it holds.
    pub lifetime: TokenLifetime,
    _registration: Registration,
    _permit: UserPermit,
}

impl User {
    /// The first token is good: from now on direct messages reach the socket.
    pub fn new(identity: Arc<Identity>, permit: UserPermit, io: &SessionIo) -> Self {
        Span::current().record("user.id", display(&identity.user));
        tracing::info!("authenticated");
        let (user_sockets, user, socket) = (io.context.user_sockets.clone(), identity.user.clone(), io.socket);
        user_sockets.add(&user, socket, io.relay.handle());
        let lifetime = TokenLifetime::new(&identity, now_s());
        Self { identity, lifetime, _registration: Registration { user_sockets, user, socket }, _permit: permit }
    }

    /// A further token of the same user is good.
    pub fn renew(&mut self, identity: Arc<Identity>) {
        self.lifetime = TokenLifetime::new(&identity, now_s());
        self.identity = identity;
    }
}

/// Lets direct messages to a user reach a socket, as long as it lives.
struct Registration {
    user_sockets: Arc<UserSockets>,
    user: UserId,
    socket: SocketId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.user_sockets.remove(&self.user, self.socket);
    }
}
