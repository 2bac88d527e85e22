//! Where a room's frames for one JSON member go: the socket's outbox, and two words for the session.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use serde::Serialize;

use crate::ids::RoomName;
use crate::protocol::CloseCode;
use crate::protocol::json::reply;
use crate::room::{Counted, Outlet};
use crate::socket::outbox::Outbox;

/// The outlet of one JSON member.
pub struct SeatOutlet {
    outbox: Rc<Outbox>,
    room: RoomName,
    is_caught_up: Cell<bool>,
    is_ended: Cell<bool>,
    /// Whether any seat of the socket has something for the session.
    has_news: Rc<Cell<bool>>,
}

impl SeatOutlet {
    /// For a member of `room` in front of `outbox`. `has_news` is set when the session has to look.
    pub fn new(outbox: Rc<Outbox>, room: RoomName, has_news: Rc<Cell<bool>>) -> Rc<Self> {
        Rc::new(Self { outbox, room, is_caught_up: Cell::new(false), is_ended: Cell::new(false), has_news })
    }

    /// Whether the room has no more of the past to send.
    pub fn is_caught_up(&self) -> bool {
        self.is_caught_up.get()
    }

    /// Whether the room has put the member out.
    pub fn is_ended(&self) -> bool {
        self.is_ended.get()
    }

    fn tell_session(&self) {
        self.has_news.set(true);
        self.outbox.wake();
    }
}

impl Outlet for SeatOutlet {
    fn push(&self, frame: Bytes, counted: Counted) {
        if !self.is_ended.get() {
            self.outbox.push(frame, counted);
        }
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn credit(&self, bytes: usize) {
        self.outbox.credit(bytes);
    }

    fn caught_up(&self) {
        self.is_caught_up.set(true);
        self.tell_session();
    }

    fn close(&self, code: CloseCode, reason: &str) {
        if !code.is_final() {
            // Whatever may work later, the client tries again with the whole connection.
            return self.outbox.close(code, reason);
        }
        if !self.is_ended.replace(true) {
            self.outbox.push(evicted(&self.room, reason), Counted::Yes);
            self.tell_session();
        }
    }
}

/// Tells a client that it is out of a room.
pub fn evicted(room: &RoomName, reason: &str) -> Bytes {
    #[derive(Serialize)]
    struct Evicted<'a> {
        room: &'a RoomName,
        reason: &'a str,
    }
    reply::message("room.evicted", Evicted { room, reason })
}
