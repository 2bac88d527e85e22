//! Where a room's frames for one document of a Hocuspocus connection go: behind the document's own address, and an end of the
//! document that leaves the connection as it is.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::charges::Charges;
use crate::protocol::{CloseCode, hocuspocus};
use crate::room::{Counted, Outlet, StateBudget, TOO_MANY_LARGE};
use crate::socket::outbox::Outbox;
use crate::wire::{Frame, Run};

/// The outlet of one document.
pub struct DocumentOutlet {
    outbox: Rc<Outbox>,
    states: Arc<StateBudget>,
    /// The document's address.
    address: String,
    /// As it stands before messages, where that is not the room's name, to which rooms address their frames.
    other_address: Option<Vec<u8>>,
    /// What its messages take of the socket's credit.
    pub charges: Rc<Charges>,
    standing: Cell<Standing>,
    /// Whether any document of the connection has something for the session.
    has_news: Rc<Cell<bool>>,
}

/// How a document stands with its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has asked to come in.
    Asking,
    /// The room cannot be loaded now.
    PutOff,
    /// It is in.
    In,
    /// The room has ended it.
    Ended,
}

impl DocumentOutlet {
    /// For the document of `room` at `address`, in front of `outbox`. Large frames for an address of its own count in `states`;
    /// `has_news` is set when its standing changes.
    pub fn new(
        outbox: Rc<Outbox>,
        states: Arc<StateBudget>,
        room: &str,
        address: &str,
        has_news: Rc<Cell<bool>>,
    ) -> Rc<Self> {
        let other_address = (address != room).then(|| hocuspocus::encode_address(address));
        let address = address.to_owned();
        let charges = Rc::new(Charges::new(outbox.clone()));
        Rc::new(Self {
            outbox,
            states,
            address,
            other_address,
            charges,
            standing: Cell::new(Standing::Asking),
            has_news,
        })
    }

    /// How it stands with its room.
    pub fn standing(&self) -> Standing {
        self.standing.get()
    }

    /// The member leaves.
    pub fn leave(&self) {
        self.charges.leave();
    }

    fn stand(&self, standing: Standing) {
        if !self.charges.has_left() {
            self.standing.set(standing);
            self.has_news.set(true);
            self.outbox.wake();
        }
    }
}

impl Outlet for DocumentOutlet {
    fn push(&self, frame: &Frame, counted: Counted) {
        if self.standing.get() == Standing::Ended || self.charges.has_left() {
            return;
        }
        let Some(address) = &self.other_address else { return self.outbox.push(frame, counted) };
        match self.states.count(frame.readdressed(address)) {
            Some(frame) => self.outbox.push(&frame, counted),
            None => self.outbox.close(CloseCode::TryLater, TOO_MANY_LARGE),
        }
    }

    fn push_run(&self, run: &Run, counted: Counted) {
        if self.other_address.is_some() {
            return run.frames().iter().for_each(|frame| self.push(frame, counted));
        }
        if self.standing.get() != Standing::Ended && !self.charges.has_left() {
            self.outbox.push_run(run, counted);
        }
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn credit(&self, bytes: usize) {
        self.charges.credit(bytes);
    }

    fn is_over(&self) -> bool {
        self.charges.is_over()
    }

    fn let_in(&self) {
        self.stand(Standing::In);
    }

    fn expect_answer(&self, bytes: usize) {
        self.outbox.expect_answer(bytes);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        if self.charges.has_left() || self.standing.get() == Standing::Ended {
            return;
        }
        if code == CloseCode::TryLater && self.standing.get() == Standing::Asking {
            // No word of the protocol makes a provider start one document anew, so the session asks again in its place.
            self.charges.forgive();
            return self.stand(Standing::PutOff);
        }
        if !code.is_final() {
            // Whatever may work later, the provider tries again with the whole connection.
            return self.outbox.close(code, reason);
        }
        self.outbox.push(&hocuspocus::close(&self.address, reason), Counted::Yes);
        self.stand(Standing::Ended);
    }
}
