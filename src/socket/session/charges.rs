//! What one member's messages take of its socket's credit until its room has handled them. A membership may end before that: then
//! its outlet is silent, and stays reachable until all is given back.

use std::cell::Cell;
use std::rc::Rc;

use crate::socket::outbox::Outbox;

/// The charges of one member.
pub struct Charges {
    outbox: Rc<Outbox>,
    open: Cell<usize>,
    has_left: Cell<bool>,
}

impl Charges {
    /// None yet, of a member behind `outbox`.
    pub fn new(outbox: Rc<Outbox>) -> Self {
        Self { outbox, open: Cell::new(0), has_left: Cell::new(false) }
    }

    /// A message of `bytes` is on its way to the room.
    pub fn charge(&self, bytes: usize) {
        self.open.set(self.open.get() + bytes);
        self.outbox.charge(bytes);
    }

    /// The room has handled `bytes`.
    pub fn credit(&self, bytes: usize) {
        let bytes = bytes.min(self.open.get());
        self.open.set(self.open.get() - bytes);
        self.outbox.credit(bytes);
    }

    /// The room handles nothing more of the member, which it did not let in.
    pub fn forgive(&self) {
        self.credit(self.open.get());
    }

    /// The member leaves.
    pub fn leave(&self) {
        self.has_left.set(true);
    }

    /// Whether the member has left.
    pub fn has_left(&self) -> bool {
        self.has_left.get()
    }

    /// Whether it has, and nothing is open.
    pub fn is_over(&self) -> bool {
        self.has_left.get() && self.open.get() == 0
    }
}
