//! What a session works with.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::budget::Payer;
use crate::ids::{SocketId, UserId};
use crate::room::{Counted, LocalRelay};
use crate::socket::context::SocketContext;
use crate::socket::outbox::Outbox;
use crate::wire::Frame;

/// What a session works with.
pub struct SessionIo {
    /// Its socket.
    pub socket: SocketId,
    /// The client's address, as it counts.
    pub network: IpAddr,
    /// The way to the client.
    pub outbox: Rc<Outbox>,
    /// The way back from rooms.
    pub relay: LocalRelay,
    /// What all sockets share.
    pub context: Arc<SocketContext>,
    /// For how long the client is not to be read, for what it has just asked for.
    pub pause: Cell<Option<Duration>>,
}

impl SessionIo {
    /// Under whose name the connection holds what it holds.
    pub fn payer(&self, user: Option<&UserId>) -> Payer {
        match user.filter(|_| !self.context.settings.has_guests) {
            Some(user) => Payer::of(user),
            None => Payer::of(self.network),
        }
    }

    /// Has the client not be read for so long, at least.
    pub fn pause_for(&self, wait: Option<Duration>) {
        self.pause.set(self.pause.get().max(wait));
    }

    /// Sends the client a frame.
    pub fn send(&self, frame: &Frame) {
        self.outbox.push(frame, Counted::Yes);
    }
}
