//! What a session works with.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

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
}

impl SessionIo {
    /// Under whose name the connection holds what it holds.
    pub fn payer(&self, user: Option<&UserId>) -> Payer {
        match user.filter(|_| !self.context.settings.has_guests) {
            Some(user) => Payer::of(user),
            None => Payer::of(self.network),
        }
    }

    /// Sends the client a frame.
    pub fn send(&self, frame: &Frame) {
        self.outbox.push(frame, Counted::Yes);
    }
}
