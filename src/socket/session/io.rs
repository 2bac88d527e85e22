//! What a session works with.

use std::rc::Rc;
use std::sync::Arc;

use crate::ids::SocketId;
use crate::room::{Counted, LocalRelay};
use crate::socket::context::SocketContext;
use crate::socket::outbox::Outbox;
use crate::wire::Frame;

/// What a session works with.
pub struct SessionIo {
    /// Its socket.
    pub socket: SocketId,
    /// The way to the client.
    pub outbox: Rc<Outbox>,
    /// The way back from rooms.
    pub relay: LocalRelay,
    /// What all sockets share.
    pub context: Arc<SocketContext>,
}

impl SessionIo {
    /// Sends the client a frame.
    pub fn send(&self, frame: &Frame) {
        self.outbox.push(frame, Counted::Yes);
    }
}
