//! Passes the messages of editors on to rooms, and charges the socket for them.

use super::io::SessionIo;
use super::membership::RoomLink;
use super::request_queue::{Question, Request, RequestQueue};
use crate::protocol::{EditKind, yjs};
use crate::room::{AskAwareness, AskSaved, Edit, RefuseLongEdit, UpdateAwareness};

/// What a message costs a room beside its bytes, about.
pub const MESSAGE_BYTES: usize = 64;

/// Passes a message of `bytes` on.
pub fn forward(message: yjs::Message, bytes: usize, link: &RoomLink, replies: &mut RequestQueue, io: &SessionIo) {
    let charge = bytes + MESSAGE_BYTES;
    let (from, room) = (link.member, &link.room);
    if let yjs::Message::Step1(state_vector) = message {
        let question = Question::State(state_vector);
        return replies.ask(Request { link: link.clone(), question, charge }, io);
    }
    link.charges.charge(charge);
    match message {
        yjs::Message::Step1(_) | yjs::Message::Unknown => {}
        yjs::Message::AskSaved(question) => room.do_send(AskSaved { from, question, charge }),
        yjs::Message::Step2(update) => {
            io.outbox.take_answer();
            room.do_send(Edit { from, update, kind: EditKind::Step2, charge });
        }
        yjs::Message::Update(update) => room.do_send(Edit { from, update, kind: EditKind::Update, charge }),
        yjs::Message::Awareness(entries) => room.do_send(UpdateAwareness { from, entries, charge }),
        yjs::Message::QueryAwareness => room.do_send(AskAwareness { from, charge }),
    }
}

/// Tells a room of an edit that was too long to be taken.
pub fn forward_long(kind: EditKind, link: &RoomLink, io: &SessionIo) {
    if kind == EditKind::Step2 {
        io.outbox.take_answer();
    }
    link.charges.charge(MESSAGE_BYTES);
    link.room.do_send(RefuseLongEdit { from: link.member, kind, charge: MESSAGE_BYTES });
}
