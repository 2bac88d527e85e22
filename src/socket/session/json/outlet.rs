//! Where a room's frames for one JSON member go: the socket's outbox, and two words for the session.

use std::cell::Cell;
use std::rc::Rc;

use crate::ids::RoomName;
use crate::protocol::CloseCode;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage};
use crate::room::{Counted, Outlet};
use crate::socket::outbox::Outbox;
use crate::socket::session::charges::Charges;
use crate::wire::{Frame, Run};

/// When to ask again for a room that cannot be loaded, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// The outlet of one JSON member.
pub struct SeatOutlet {
    outbox: Rc<Outbox>,
    room: RoomName,
    /// What its messages take of the socket's credit.
    pub charges: Rc<Charges>,
    is_let_in: Cell<bool>,
    /// The client's name for its request to join, until that is answered.
    request_id: Cell<Option<Box<str>>>,
    is_caught_up: Cell<bool>,
    is_ended: Cell<bool>,
    /// Whether any seat of the socket has something for the session.
    has_news: Rc<Cell<bool>>,
}

impl SeatOutlet {
    /// For a member of `room` in front of `outbox` that asked to join as `request_id`. `has_news` is set when the session has to
    /// look.
    pub fn new(outbox: Rc<Outbox>, room: RoomName, request_id: Option<Box<str>>, has_news: Rc<Cell<bool>>) -> Rc<Self> {
        Rc::new(Self {
            charges: Rc::new(Charges::new(outbox.clone())),
            outbox,
            room,
            is_let_in: Cell::new(false),
            request_id: Cell::new(request_id),
            is_caught_up: Cell::new(false),
            is_ended: Cell::new(false),
            has_news,
        })
    }

    /// The member leaves. Its request to join, if the room has not answered that, is answered now; the room's answer goes nowhere.
    pub fn leave(&self) {
        self.charges.leave();
        if let Some(request_id) = self.request_id.take() {
            let message = "the room was left, or joined again, before this was answered";
            let error = ErrorMessage::permanent(ErrorCode::Overtaken, message);
            self.outbox.push(&error.about(Some(&request_id), Some(&self.room)).frame(), Counted::Yes);
        }
    }

    /// Tells the client that the room cannot take it in now.
    fn put_off(&self, reason: &str) {
        let request_id = self.request_id.take();
        let error = ErrorMessage::temporary(ErrorCode::TryLater, reason, RETRY_AFTER_MS);
        self.outbox.push(&error.about(request_id.as_deref(), Some(&self.room)).frame(), Counted::Yes);
        self.charges.forgive();
    }

    /// Whether the room has no more of the past to send.
    pub fn is_caught_up(&self) -> bool {
        self.is_caught_up.get()
    }

    /// Whether the room has put the member out.
    pub fn is_ended(&self) -> bool {
        self.is_ended.get()
    }

    /// Whether the client takes the room's frames.
    fn is_listening(&self) -> bool {
        !self.is_ended.get() && !self.charges.has_left()
    }

    fn tell_session(&self) {
        self.has_news.set(true);
        self.outbox.wake();
    }
}

impl Outlet for SeatOutlet {
    fn push(&self, frame: &Frame, counted: Counted) {
        if self.is_listening() {
            self.outbox.push(frame, counted);
        }
    }

    fn push_run(&self, run: &Run, counted: Counted) {
        if self.is_listening() {
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
        self.is_let_in.set(true);
        self.request_id.set(None);
    }

    fn caught_up(&self) {
        if !self.charges.has_left() {
            self.is_caught_up.set(true);
            self.tell_session();
        }
    }

    fn close(&self, code: CloseCode, reason: &str) {
        if self.charges.has_left() {
            return;
        }
        let is_put_off = code == CloseCode::TryLater && !self.is_let_in.get();
        if !code.is_final() && !is_put_off {
            // Whatever may work later, the client tries again with the whole connection.
            return self.outbox.close(code, reason);
        }
        if !self.is_ended.replace(true) {
            match is_put_off {
                true => self.put_off(reason),
                false => {
                    let evicted = ServerMessage::Evicted { room: &self.room, reason };
                    self.outbox.push(&evicted.frame(), Counted::Yes);
                }
            }
            self.tell_session();
        }
    }
}
