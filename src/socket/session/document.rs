//! Where a room's frames for one document of a Hocuspocus connection go: behind the document's own address, and an end of the
//! document that leaves the connection as it is.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use crate::protocol::{CloseCode, hocuspocus};
use crate::room::{Counted, Outlet};
use crate::socket::outbox::Outbox;

/// The outlet of one document.
pub struct DocumentOutlet {
    outbox: Rc<Outbox>,
    /// The room's name, behind which rooms make their frames.
    room: String,
    /// The document's address.
    address: String,
    is_ended: Cell<bool>,
    /// Whether any document of the connection has ended.
    has_ended: Rc<Cell<bool>>,
}

impl DocumentOutlet {
    /// For the document of `room` at `address`, in front of `outbox`. `has_ended` is set when a room ends the document.
    pub fn new(outbox: Rc<Outbox>, room: &str, address: &str, has_ended: Rc<Cell<bool>>) -> Rc<Self> {
        let (room, address) = (room.to_owned(), address.to_owned());
        Rc::new(Self { outbox, room, address, is_ended: Cell::new(false), has_ended })
    }

    /// Whether its room has ended it.
    pub fn is_ended(&self) -> bool {
        self.is_ended.get()
    }
}

impl Outlet for DocumentOutlet {
    fn push(&self, frame: Bytes, counted: Counted) {
        if self.is_ended.get() {
            return;
        }
        let is_plain = self.address == self.room;
        let frame = if is_plain { frame } else { hocuspocus::readdressed(&frame, &self.room, &self.address) };
        self.outbox.push(frame, counted);
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn credit(&self, bytes: usize) {
        self.outbox.credit(bytes);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        if !code.is_final() {
            // Whatever may work later, the provider tries again with the whole connection.
            return self.outbox.close(code, reason);
        }
        if !self.is_ended.replace(true) {
            self.outbox.push(hocuspocus::close(&self.address, reason), Counted::Yes);
            self.has_ended.set(true);
            self.outbox.wake();
        }
    }
}
