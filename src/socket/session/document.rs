//! Where a room's frames for one document of a Hocuspocus connection go: behind the document's own address, and an end of the
//! document that leaves the connection as it is.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::{CloseCode, hocuspocus};
use crate::room::{Counted, Outlet, StateBudget, TOO_MANY_LARGE};
use crate::socket::outbox::Outbox;

/// The outlet of one document.
pub struct DocumentOutlet {
    outbox: Rc<Outbox>,
    states: Arc<StateBudget>,
    /// The room's name, behind which rooms make their frames.
    room: String,
    /// The document's address.
    address: String,
    is_ended: Cell<bool>,
    /// Whether any document of the connection has ended.
    has_ended: Rc<Cell<bool>>,
}

impl DocumentOutlet {
    /// For the document of `room` at `address`, in front of `outbox`. Large frames for an address of its own count in `states`;
    /// `has_ended` is set when a room ends the document.
    pub fn new(
        outbox: Rc<Outbox>,
        states: Arc<StateBudget>,
        room: &str,
        address: &str,
        has_ended: Rc<Cell<bool>>,
    ) -> Rc<Self> {
        let (room, address) = (room.to_owned(), address.to_owned());
        Rc::new(Self { outbox, states, room, address, is_ended: Cell::new(false), has_ended })
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
        if self.address == self.room {
            return self.outbox.push(frame, counted);
        }
        match self.states.count(hocuspocus::readdressed(&frame, &self.room, &self.address)) {
            Some(frame) => self.outbox.push(frame, counted),
            None => self.outbox.close(CloseCode::TryLater, TOO_MANY_LARGE),
        }
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn credit(&self, bytes: usize) {
        self.outbox.credit(bytes);
    }

    fn expect_answer(&self, bytes: usize) {
        self.outbox.expect_answer(bytes);
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
