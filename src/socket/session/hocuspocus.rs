//! A Hocuspocus provider's connection: many documents, each with a token of its own, each a member of its room.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use actix::Addr;
use bytes::Bytes;

use super::document::DocumentOutlet;
use super::tenure::{Due, Tenure};
use super::turnstile::Turnstile;
use super::waiting::Waiting;
use super::yjs::{pass_on, pass_on_long};
use super::{Desk, MESSAGE_BYTES, Violation, text};
use crate::auth::{self, Access, Action, Identity, allows};
use crate::ids::{MemberId, RoomName, UserId};
use crate::protocol::hocuspocus::{self, Addressed, Message};
use crate::protocol::{CloseCode, Dialect, yjs};
use crate::room::{Join, Leave, Renew, Room, StartCount, Stateless};

/// Most documents of one connection.
const DOCUMENTS_MAX: usize = 128;
/// What may come for documents before their tokens, in bytes and messages of all together.
const HELD_BYTES_MAX: usize = 256 * 1024;
const HELD_MESSAGES_MAX: usize = 1024;
/// How long a connection may have no document that a token opened, in seconds: as long as the provider's own watchdog waits.
const EMPTY_S: u64 = 30;

/// Longest address, in bytes: a room's name, and a provider's mark behind it.
const ADDRESS_BYTES_MAX: usize = 512;

/// One document of the connection.
enum Document {
    /// A token for it has to come, and opens it.
    Waiting(Waiting),
    /// A member of its room.
    Joined(Box<Joined>),
}

struct Joined {
    member: MemberId,
    room: Addr<Room>,
    name: RoomName,
    user: UserId,
    access: Access,
    tenure: Tenure,
    outlet: Rc<DocumentOutlet>,
}

/// The documents of one connection, by address.
pub struct HocuspocusSession {
    documents: HashMap<Bytes, Document>,
    turnstile: Turnstile,
    /// The most that any document's token allows.
    pub access: Access,
    /// Whether the client told its version.
    has_version: bool,
    has_ended: Rc<Cell<bool>>,
    /// When the connection last had no document, in Unix seconds.
    empty_since_s: u64,
}

impl HocuspocusSession {
    /// A connection without documents.
    pub fn new() -> Self {
        Self {
            documents: HashMap::new(),
            turnstile: Turnstile::default(),
            access: Access::None,
            has_version: false,
            has_ended: Rc::default(),
            empty_since_s: auth::now_s(),
        }
    }

    /// Handles a message.
    pub fn binary(&mut self, frame: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let Some(Addressed { address, message }) = hocuspocus::decode(frame)? else { return Ok(()) };
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(Violation::new(CloseCode::EditRefused, "an address of a document is too long"));
        }
        if let Message::Auth { token, has_version } = message {
            self.has_version |= has_version;
            return self.authenticate(address, text(&token), desk);
        }
        match self.documents.get(&address) {
            Some(Document::Joined(_)) => {
                self.pass(&address, message, frame.len(), desk);
                Ok(())
            }
            _ if message == Message::Close => {
                self.leave_document(&address, desk);
                Ok(())
            }
            _ => self.hold(address, message, frame.len()),
        }
    }

    /// Refuses a message that is too long, if it is an edit of a document that is open. The others of the connection go on.
    pub fn too_big(&mut self, beginning: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let edit = hocuspocus::edit_beginning(beginning);
        let document = edit.and_then(|(address, kind)| Some((self.documents.get(&address)?, kind)));
        let Some((Document::Joined(joined), kind)) = document else {
            return Err(Violation::new(CloseCode::TooBig, CloseCode::TooBig.reason()));
        };
        pass_on_long(kind, joined.member, &joined.room, desk);
        Ok(())
    }

    /// Keeps a message until its document's token comes.
    fn hold(&mut self, address: Bytes, message: Message, bytes: usize) -> Result<(), Violation> {
        if !self.documents.contains_key(&address) {
            self.make_room()?;
        }
        let (held_bytes, held_messages) = self
            .waiting()
            .fold((bytes, 1), |(bytes, messages), waiting| (bytes + waiting.bytes(), messages + waiting.messages()));
        let has_room = held_bytes <= HELD_BYTES_MAX && held_messages <= HELD_MESSAGES_MAX;
        match self.documents.entry(address).or_insert_with(|| Document::Waiting(Waiting::default())) {
            Document::Waiting(waiting) if has_room => waiting.hold(message, bytes),
            Document::Waiting(waiting) if waiting.is_refused() => waiting.lose(),
            _ => return Err(Violation::new(CloseCode::TryLater, "too much came before the token")),
        }
        Ok(())
    }

    /// Passes a message on to its document's room.
    fn pass(&mut self, address: &Bytes, message: Message, bytes: usize, desk: &Desk) {
        let Some(Document::Joined(joined)) = self.documents.get(address) else { return };
        let (from, room) = (joined.member, &joined.room);
        match message {
            Message::Yjs(message) => {
                if let yjs::Message::Step1(state_vector) = &message {
                    // Its count starts here, however long the answer has to wait.
                    let charge = state_vector.len() + MESSAGE_BYTES;
                    desk.outbox.charge(charge);
                    room.do_send(StartCount { from, state_vector: state_vector.clone(), charge });
                }
                pass_on(message, bytes, from, room, &mut self.turnstile, desk);
            }
            Message::Stateless(payload) => {
                let charge = bytes + MESSAGE_BYTES;
                desk.outbox.charge(charge);
                room.do_send(Stateless { from, payload, charge });
            }
            Message::Close => {
                self.leave_document(address, desk);
            }
            Message::Auth { .. } => {}
        }
    }

    /// Takes a document's token: the first one, or a fresh one.
    fn authenticate(&mut self, address: Bytes, token: &str, desk: &Desk) -> Result<(), Violation> {
        let name = hocuspocus::document(text(&address)).to_owned();
        let known = desk.context.verifier.verify(token, auth::now_s()).ok();
        let opened = known.and_then(|identity| {
            let room = RoomName::parse(&name).ok()?;
            let access = identity.access(&room);
            allows(access, Action::Join).then_some((room, identity, access))
        });
        let Some((room, identity, access)) = opened else {
            self.deny(address, desk);
            return Ok(());
        };
        match self.documents.get_mut(&address) {
            Some(Document::Joined(joined)) if joined.user == identity.user => {
                joined.tenure = Tenure::new(&identity, auth::now_s());
                joined.access = access;
                joined.room.do_send(Renew { member: joined.member, access, name: identity.name });
                desk.push(authenticated(&address, access));
                self.follow_access();
                Ok(())
            }
            // Someone else's token does not go on with this one's work.
            Some(Document::Joined(_)) => {
                self.deny(address, desk);
                Ok(())
            }
            Some(Document::Waiting(waiting)) if waiting.is_lost() => {
                Err(Violation::new(CloseCode::TryLater, "too much came before the token, start anew"))
            }
            _ => self.join(address, room, &identity, access, desk),
        }
    }

    fn join(
        &mut self,
        address: Bytes,
        name: RoomName,
        identity: &Identity,
        access: Access,
        desk: &Desk,
    ) -> Result<(), Violation> {
        if !self.documents.contains_key(&address) {
            self.make_room()?;
        }
        let waiting = match self.documents.remove(&address) {
            Some(Document::Waiting(waiting)) => waiting,
            _ => Waiting::default(),
        };
        let lease = desk.context.directory.lookup(&name);
        let room = lease.room().clone();
        let (outbox, states) = (desk.outbox.clone(), desk.context.directory.states().clone());
        let outlet = DocumentOutlet::new(outbox, states, name.as_str(), text(&address), self.has_ended.clone());
        let member = desk.relay.seat(outlet.clone());
        desk.push(authenticated(&address, access));
        tracing::info!(socket.id = %desk.socket, room.name = %name, user.id = %identity.user, "document opened");
        room.do_send(Join {
            lease,
            member,
            relay: desk.relay.handle(),
            dialect: Dialect::Hocuspocus,
            user: identity.user.clone(),
            name: identity.name.clone(),
            access,
            json: None,
        });
        let tenure = Tenure::new(identity, auth::now_s());
        let user = identity.user.clone();
        let joined = Joined { member, room: room.clone(), name, user, access, tenure, outlet };
        self.documents.insert(address.clone(), Document::Joined(Box::new(joined)));
        self.follow_access();
        if waiting.was_joined() {
            // Its provider may not start anew: whatever it lacks, it gets.
            let everything = yjs::Message::Step1(Bytes::from_static(&[0]));
            pass_on(everything, 0, member, &room, &mut self.turnstile, desk);
        }
        for message in waiting.into_messages() {
            let bytes = message.bytes();
            self.pass(&address, message, bytes, desk);
        }
        Ok(())
    }

    /// Tells the client that the token does not open the document; another one may follow.
    fn deny(&mut self, address: Bytes, desk: &Desk) {
        tracing::info!(socket.id = %desk.socket, "document denied");
        desk.push(hocuspocus::denied(text(&address), "permission-denied"));
        self.shut(address, desk);
    }

    /// Lets go of a document until a token opens it.
    fn shut(&mut self, address: Bytes, desk: &Desk) {
        let mut waiting = match self.leave_document(&address, desk) {
            Some(Document::Waiting(waiting)) => waiting,
            Some(Document::Joined(_)) => Waiting::after_joined(),
            None => Waiting::default(),
        };
        waiting.refuse();
        // With too many of them, this one's messages will wait as if for their first token.
        if self.documents.len() < DOCUMENTS_MAX {
            self.documents.insert(address, Document::Waiting(waiting));
        }
    }

    /// Makes sure that one more document may be added.
    fn make_room(&mut self) -> Result<(), Violation> {
        if self.documents.len() >= DOCUMENTS_MAX {
            let is_refused =
                |document: &Document| matches!(document, Document::Waiting(waiting) if waiting.is_refused());
            self.documents.retain(|_, document| !is_refused(document));
        }
        match self.documents.len() {
            ..DOCUMENTS_MAX => Ok(()),
            _ => {
                let reason = format!("one connection may have at most {DOCUMENTS_MAX} documents, open another one");
                Err(Violation::new(CloseCode::TryLater, reason))
            }
        }
    }

    fn leave_document(&mut self, address: &Bytes, desk: &Desk) -> Option<Document> {
        let left = self.documents.remove(address);
        if let Some(Document::Joined(joined)) = &left {
            self.leave_room(joined, desk);
        }
        self.follow_access();
        if !self.has_documents() {
            self.empty_since_s = auth::now_s();
        }
        left
    }

    fn leave_room(&mut self, joined: &Joined, desk: &Desk) {
        joined.room.do_send(Leave { from: joined.member, is_for_good: true });
        desk.relay.unseat(joined.member);
        self.turnstile.forget(joined.member, desk);
    }

    fn joined(&self) -> impl Iterator<Item = (&Bytes, &Joined)> {
        self.documents.iter().filter_map(|(address, document)| match document {
            Document::Joined(joined) => Some((address, &**joined)),
            Document::Waiting(_) => None,
        })
    }

    fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.documents.values().filter_map(|document| match document {
            Document::Waiting(waiting) => Some(waiting),
            Document::Joined(_) => None,
        })
    }

    /// The room, if there is only one, and a user of the connection.
    pub fn whose(&self) -> (Option<&RoomName>, Option<&UserId>) {
        let mut joined = self.joined().map(|(_, joined)| joined);
        let Some(first) = joined.next() else { return (None, None) };
        let room = joined.next().is_none().then_some(&first.name);
        (room, Some(&first.user))
    }

    fn has_documents(&self) -> bool {
        self.joined().next().is_some()
    }

    /// Goes on with what waited until a joining state was taken.
    pub fn answer_delivered(&mut self, desk: &Desk) {
        self.turnstile.delivered(desk);
    }

    /// Lets go of documents that their rooms have ended.
    pub fn tidy(&mut self, desk: &Desk) {
        if !self.has_ended.replace(false) {
            return;
        }
        let ended: Vec<Bytes> =
            self.joined().filter(|(_, joined)| joined.outlet.is_ended()).map(|(address, _)| address.clone()).collect();
        for address in ended {
            self.shut(address, desk);
        }
    }

    /// When something is next due, in Unix seconds.
    pub fn next_due_s(&self) -> Option<u64> {
        let next = self.joined().map(|(_, joined)| joined.tenure.next_s()).min();
        Some(next.unwrap_or(self.empty_since_s + EMPTY_S))
    }

    /// Asks for fresh tokens, and ends with the first that was not renewed: the provider comes back with a fresh one.
    pub fn due(&mut self, now_s: u64, desk: &Desk) -> Result<(), Violation> {
        if !self.has_documents() && now_s >= self.empty_since_s + EMPTY_S {
            return Err(Violation::new(CloseCode::TryLater, "no document was opened"));
        }
        for (address, document) in &mut self.documents {
            let Document::Joined(joined) = document else { continue };
            match joined.tenure.due(now_s) {
                Due::Nothing => {}
                Due::Notice => desk.push(hocuspocus::token_request(text(address))),
                Due::Over => {
                    tracing::info!(socket.id = %desk.socket, room.name = %joined.name, "token ended");
                    return Err(Violation::new(CloseCode::TokenExpired, CloseCode::TokenExpired.reason()));
                }
            }
        }
        Ok(())
    }

    fn follow_access(&mut self) {
        self.access = self.joined().map(|(_, joined)| joined.access).max().unwrap_or(Access::None);
    }

    /// What keeps the provider's watchdog quiet: its own ping where it knows that, else awareness of nobody.
    pub fn keepalive(&self) -> Option<Bytes> {
        if self.has_version {
            return Some(hocuspocus::ping());
        }
        self.joined().next().map(|(address, _)| hocuspocus::nobody(text(address)))
    }

    /// Leaves all rooms.
    pub fn leave(&mut self, is_for_good: bool, desk: &Desk) {
        for (_, document) in std::mem::take(&mut self.documents) {
            if let Document::Joined(joined) = document {
                joined.room.do_send(Leave { from: joined.member, is_for_good });
                desk.relay.unseat(joined.member);
            }
        }
    }
}

fn authenticated(address: &Bytes, access: Access) -> Bytes {
    hocuspocus::authenticated(text(address), allows(access, Action::Edit))
}
