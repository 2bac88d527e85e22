//! A client as editors are: it opens as y-websocket does, keeps a Yjs document in step, and answers what it is asked.

use std::net::SocketAddr;
use std::time::Instant;

use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update};

use super::DEADLINE;
use super::message::{self, BARRIER, Message, State};
use super::socket::Socket;

/// The root text that editors type into.
pub const ROOT: &str = "t";

/// A document of the Yjs client `id`.
pub fn document(id: u64) -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(id)) })
}

/// Types at the end of a document's text; the edit.
pub fn typed(doc: &Doc, text: &str) -> Vec<u8> {
    let root = doc.get_or_insert_text(ROOT);
    let mut txn = doc.transact_mut();
    root.push(&mut txn, text);
    txn.encode_update_v1()
}

/// Deletes the first `len` of a document's text; the edit.
pub fn deleted(doc: &Doc, len: u32) -> Vec<u8> {
    deleted_at(doc, 0, len)
}

/// Deletes `len` of a document's text from `index` on; the edit.
pub fn deleted_at(doc: &Doc, index: u32, len: u32) -> Vec<u8> {
    let root = doc.get_or_insert_text(ROOT);
    let mut txn = doc.transact_mut();
    root.remove_range(&mut txn, index, len);
    txn.encode_update_v1()
}

/// The whole document as an update, as a client that is asked for everything answers.
pub fn whole(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_diff_v1(&StateVector::default())
}

/// A document's text.
pub fn text(doc: &Doc) -> String {
    let root = doc.get_or_insert_text(ROOT);
    let txn = doc.transact();
    root.get_string(&txn)
}

/// A connected client with its document.
pub struct Editor {
    pub socket: Socket,
    pub doc: Doc,
    /// The updates that came, in order.
    pub updates: Vec<Vec<u8>>,
    /// The awareness entries that came, in order.
    pub states: Vec<State>,
}

impl Editor {
    /// Joins with an empty document of the Yjs client `id`, and waits for the whole document.
    pub fn join(address: SocketAddr, room: &str, token: &str, id: u64) -> Self {
        Self::join_with(address, room, token, document(id))
    }

    /// Joins with a document that may have been edited offline.
    pub fn join_with(address: SocketAddr, room: &str, token: &str, doc: Doc) -> Self {
        let socket = Socket::yjs(address, room, token);
        let mut editor = Self { socket, doc, updates: Vec::new(), states: Vec::new() };
        let state_vector = editor.doc.transact().state_vector().encode_v1();
        editor.socket.say(&message::step1(&state_vector));
        editor.until("the whole document", |_, message| matches!(message, Message::Step2(_)));
        editor
    }

    /// Takes the next message into the document and answers it as Yjs does.
    pub fn take(&mut self) -> Message {
        let message = self.socket.message();
        match &message {
            Message::Step1(state_vector) => {
                let known = StateVector::decode_v1(state_vector).unwrap();
                let update = self.doc.transact().encode_diff_v1(&known);
                self.socket.say(&message::step2(&update));
            }
            Message::Step2(update) => self.apply(update),
            Message::Update(update) => {
                self.apply(update);
                self.updates.push(update.clone());
            }
            Message::Awareness(states) => self.states.extend_from_slice(states),
            Message::Denied(_) => {}
        }
        message
    }

    fn apply(&self, update: &[u8]) {
        self.doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }

    /// Takes messages up to the first that `is_it`.
    pub fn until(&mut self, what: &str, mut is_it: impl FnMut(&Self, &Message) -> bool) -> Message {
        let started = Instant::now();
        loop {
            let message = self.take();
            if is_it(self, &message) {
                return message;
            }
            assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        }
    }

    /// Takes messages until the text is as given.
    pub fn until_text(&mut self, expected: &str) {
        let started = Instant::now();
        while self.text() != expected {
            assert!(started.elapsed() < DEADLINE, "not in time: {expected:?}; there is {:?}", self.text());
            self.take();
        }
    }

    pub fn text(&self) -> String {
        text(&self.doc)
    }

    /// Types at the end and sends the edit, which is returned.
    pub fn types(&mut self, text: &str) -> Vec<u8> {
        let update = typed(&self.doc, text);
        self.socket.say(&message::update(&update));
        update
    }

    /// Types, and waits until that is committed.
    pub fn saves(&mut self, text: &str) {
        let update = self.types(text);
        self.until("the echo", |_, message| *message == Message::Update(update.clone()));
    }

    /// Waits until everything sent is committed.
    pub fn barrier(&mut self) {
        self.socket.say(BARRIER);
        self.until("the barrier's echo", |_, message| *message == Message::Update(vec![0, 0]));
    }

    /// Ends the connection as a page does that is closed.
    pub fn leave(self) -> Doc {
        self.doc
    }
}
