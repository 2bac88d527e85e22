//! A Hocuspocus provider's connection: many documents, each with a token of its own, each a member of its room.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use actix::Addr;
use bytes::Bytes;

use super::document::{DocumentOutlet, Standing};
use super::tenure::{Due, Tenure};
use super::turnstile::{self, Turnstile};
use super::waiting::{Waited, Waiting};
use super::yjs::{pass_on, pass_on_long};
use super::{DENIALS_LOGGED_MAX, Desk, MESSAGE_BYTES, Violation, text};
use crate::auth::{self, Access, Action, Identity, TokenError, allows};
use crate::ids::{MemberId, RoomName, RoomNameError, UserId, shortened};
use crate::protocol::hocuspocus::{self, Addressed, Message};
use crate::protocol::{CloseCode, Dialect, yjs};
use crate::room::{Join, Leave, Outlet, Renew, Room, StartCount, Stateless};
use crate::wire::Frame;

/// Most documents of one connection.
const DOCUMENTS_MAX: usize = 128;
/// Messages that may come for documents before their tokens and rooms, of all together. Their bytes are as many as in one message
/// of a writer and as many as may be unhandled, and count in a budget of all connections.
const HELD_MESSAGES_MAX: usize = 1024;
/// When a room is asked again that could not be loaded, in seconds.
const RETRY_S: u64 = 1;
/// How long a connection may have no document that a token opened, in seconds: as long as the provider's own watchdog waits.
const EMPTY_S: u64 = 30;

/// Longest address, in bytes: a room's name, and a provider's mark behind it.
const ADDRESS_BYTES_MAX: usize = 512;

/// One document of the connection.
enum Document {
    /// A token for it has to come, and opens it.
    Waiting(Waiting),
    /// A token has opened it: a member of its room, or about to be.
    Joined(Box<Joined>),
}

struct Joined {
    member: MemberId,
    room: Addr<Room>,
    name: RoomName,
    identity: Identity,
    access: Access,
    tenure: Tenure,
    outlet: Rc<DocumentOutlet>,
    /// What has come for it, until its room lets it in.
    opening: Option<Waiting>,
    /// When its room is to be asked again, which could not be loaded, in Unix seconds.
    retry_s: Option<u64>,
}

/// The documents of one connection, by address.
pub struct HocuspocusSession {
    documents: HashMap<Bytes, Document>,
    turnstile: Turnstile,
    /// The most that any document's token allows.
    pub access: Access,
    /// Whether the client told its version.
    has_version: bool,
    has_news: Rc<Cell<bool>>,
    denials: u32,
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
            has_news: Rc::default(),
            denials: 0,
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
            _ if message == Message::Close => {
                self.leave_document(&address, desk);
                Ok(())
            }
            Some(Document::Joined(joined)) if joined.opening.is_none() => {
                let expected = desk.outbox.expected_bytes();
                if frame.len() > desk.context.settings.message_bytes_max(self.access, expected) {
                    // As if it had been stopped in reading, but for another document that is still to be opened.
                    return self.too_big(frame, desk);
                }
                self.pass(&address, message, frame.len(), desk);
                Ok(())
            }
            _ => self.hold(address, Waited::Message(message), frame.len(), desk),
        }
    }

    /// Refuses a message that is too long, if it is an edit of a document that a token has opened, now or when its room lets it in.
    /// The others of the connection go on.
    pub fn too_big(&mut self, beginning: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let edit = hocuspocus::edit_beginning(beginning);
        let document = edit.and_then(|(address, kind)| Some((self.documents.get(&address)?, address, kind)));
        let Some((Document::Joined(joined), address, kind)) = document else {
            return Err(Violation::new(CloseCode::TooBig, CloseCode::TooBig.reason()));
        };
        if joined.opening.is_some() {
            return self.hold(address, Waited::Long(kind), 0, desk);
        }
        pass_on_long(kind, joined.member, &joined.room, Some(&joined.outlet.charges), desk);
        Ok(())
    }

    /// Keeps a message until its document's token comes, and its room lets it in.
    fn hold(&mut self, address: Bytes, message: Waited, bytes: usize, desk: &Desk) -> Result<(), Violation> {
        if !self.documents.contains_key(&address) {
            self.make_room()?;
        }
        let (held_bytes, held_messages) = self
            .held()
            .fold((bytes, 1), |(bytes, messages), waiting| (bytes + waiting.bytes(), messages + waiting.messages()));
        let settings = &desk.context.settings;
        let bytes_max = settings.writer_message_bytes_max.saturating_add(settings.unhandled_bytes_max);
        let has_room = held_bytes <= bytes_max && held_messages <= HELD_MESSAGES_MAX;
        let document = self.documents.entry(address).or_insert_with(|| Document::Waiting(Waiting::default()));
        let is_opened = matches!(document, Document::Joined(_));
        let waiting = match document {
            Document::Waiting(waiting) => waiting,
            Document::Joined(joined) => joined.opening.get_or_insert_default(),
        };
        let budget = if is_opened { &desk.context.unfinished } else { &desk.context.strangers };
        if has_room && waiting.hold(message, bytes, budget) {
            return Ok(());
        }
        // Without its messages a document starts anew later, and the connection's others go on until then.
        if !is_opened && !waiting.is_refused() {
            return Err(Violation::new(CloseCode::TryLater, "too much came before the token"));
        }
        waiting.lose();
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
                    joined.outlet.charges.charge(charge);
                    room.do_send(StartCount { from, state_vector: state_vector.clone(), charge });
                }
                pass_on(message, bytes, from, room, Some(&joined.outlet.charges), &mut self.turnstile, desk);
            }
            Message::Stateless(payload) => {
                let charge = bytes + MESSAGE_BYTES;
                turnstile::charge(charge, Some(&joined.outlet.charges), desk);
                room.do_send(Stateless { from, payload, charge });
            }
            Message::Auth { .. } | Message::Close => {}
        }
    }

    /// Takes a document's token: the first one, or a fresh one.
    fn authenticate(&mut self, address: Bytes, token: &str, desk: &Desk) -> Result<(), Violation> {
        let (name, identity, access) = match opened(text(&address), token, desk) {
            Ok(opened) => opened,
            Err(denial) => {
                self.deny(address, &denial, token, desk);
                return Ok(());
            }
        };
        match self.documents.get_mut(&address) {
            Some(Document::Joined(joined)) if joined.identity.user == identity.user => {
                joined.tenure = Tenure::new(&identity, auth::now_s());
                joined.access = access;
                joined.room.do_send(Renew { member: joined.member, access, name: identity.name.clone() });
                joined.identity = identity;
                desk.push(&authenticated(&address, access));
                self.follow_access();
                Ok(())
            }
            Some(Document::Joined(_)) => {
                self.deny(address, &Denial::OtherUser, token, desk);
                Ok(())
            }
            Some(Document::Waiting(waiting)) if waiting.is_lost() => Err(lost()),
            _ => self.join(address, name, identity, access, desk),
        }
    }

    fn join(
        &mut self,
        address: Bytes,
        name: RoomName,
        identity: Identity,
        access: Access,
        desk: &Desk,
    ) -> Result<(), Violation> {
        if !self.documents.contains_key(&address) {
            self.make_room()?;
        }
        let mut waiting = match self.documents.remove(&address) {
            Some(Document::Waiting(waiting)) => waiting,
            _ => Waiting::default(),
        };
        waiting.move_to(&desk.context.unfinished);
        desk.push(&authenticated(&address, access));
        tracing::info!(socket.id = %desk.socket, room.name = %name, user.id = %identity.user, "document opened");
        let (member, room, outlet) = self.ask(text(&address), &name, &identity, access, desk);
        let tenure = Tenure::new(&identity, auth::now_s());
        let (opening, retry_s) = (Some(waiting), None);
        let joined = Joined { member, room, name, identity, access, tenure, outlet, opening, retry_s };
        self.documents.insert(address, Document::Joined(Box::new(joined)));
        self.follow_access();
        Ok(())
    }

    /// Asks a document's room to let it in.
    fn ask(
        &self,
        address: &str,
        name: &RoomName,
        identity: &Identity,
        access: Access,
        desk: &Desk,
    ) -> (MemberId, Addr<Room>, Rc<DocumentOutlet>) {
        let lease = desk.context.directory.lookup(name);
        let room = lease.room().clone();
        let (outbox, states) = (desk.outbox.clone(), desk.context.directory.states().clone());
        let outlet = DocumentOutlet::new(outbox, states, name.as_str(), address, self.has_news.clone());
        let member = desk.relay.seat(outlet.clone());
        room.do_send(Join {
            lease: lease.into_guard(),
            member,
            relay: desk.relay.handle(),
            dialect: Dialect::Hocuspocus,
            user: identity.user.clone(),
            name: identity.name.clone(),
            access,
            json: None,
        });
        (member, room, outlet)
    }

    /// Asks a room again that could not be loaded.
    fn ask_again(&mut self, address: &Bytes, desk: &Desk) {
        let Some(Document::Joined(joined)) = self.documents.get(address) else { return };
        let asked = self.ask(text(address), &joined.name, &joined.identity, joined.access, desk);
        if let Some(Document::Joined(joined)) = self.documents.get_mut(address) {
            (joined.member, joined.room, joined.outlet) = asked;
            joined.retry_s = None;
        }
    }

    /// Passes on what has come for a document that its room has let in.
    fn let_in(&mut self, address: &Bytes, desk: &Desk) -> Result<(), Violation> {
        let Some(Document::Joined(joined)) = self.documents.get_mut(address) else { return Ok(()) };
        let Some(waiting) = joined.opening.take() else { return Ok(()) };
        if waiting.is_lost() {
            return Err(lost());
        }
        let (from, room, charges) = (joined.member, joined.room.clone(), joined.outlet.charges.clone());
        if waiting.was_joined() {
            // Its provider may not start anew: whatever it lacks, it gets.
            let everything = yjs::Message::Step1(Bytes::from_static(&[0]));
            pass_on(everything, 0, from, &room, Some(&charges), &mut self.turnstile, desk);
        }
        for message in waiting.into_messages() {
            match message {
                Waited::Long(kind) => pass_on_long(kind, from, &room, Some(&charges), desk),
                Waited::Message(message) => {
                    let bytes = message.bytes();
                    self.pass(address, message, bytes, desk);
                }
            }
        }
        Ok(())
    }

    /// Tells the client that the token does not open the document; another one may follow.
    fn deny(&mut self, address: Bytes, denial: &Denial, token: &str, desk: &Desk) {
        self.denials = self.denials.saturating_add(1);
        if self.denials <= DENIALS_LOGGED_MAX {
            let name = shortened(hocuspocus::document(text(&address)));
            let is_last = self.denials == DENIALS_LOGGED_MAX;
            let user = desk.context.verifier.signer(token);
            let user = user.as_ref().map(tracing::field::display);
            tracing::info!(socket.id = %desk.socket, room.name = ?name, user.id = user, reason = %denial, is_last, "document denied");
        }
        desk.push(&hocuspocus::denied(text(&address), &denial.told()));
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
        let was_joined = matches!(left, Some(Document::Joined(_)));
        if was_joined && !self.has_documents() {
            self.empty_since_s = auth::now_s();
        }
        left
    }

    fn leave_room(&mut self, joined: &Joined, desk: &Desk) {
        joined.room.do_send(Leave { from: joined.member, is_for_good: true });
        joined.outlet.leave();
        if joined.outlet.charges.is_over() {
            desk.relay.unseat(joined.member);
        }
        self.turnstile.forget(joined.member, desk);
    }

    fn joined(&self) -> impl Iterator<Item = (&Bytes, &Joined)> {
        self.documents.iter().filter_map(|(address, document)| match document {
            Document::Joined(joined) => Some((address, &**joined)),
            Document::Waiting(_) => None,
        })
    }

    /// What waits for tokens and rooms.
    fn held(&self) -> impl Iterator<Item = &Waiting> {
        self.documents.values().filter_map(|document| match document {
            Document::Waiting(waiting) => Some(waiting),
            Document::Joined(joined) => joined.opening.as_ref(),
        })
    }

    /// The room, if there is only one, and a user of the connection.
    pub fn whose(&self) -> (Option<&RoomName>, Option<&UserId>) {
        let mut joined = self.joined().map(|(_, joined)| joined);
        let Some(first) = joined.next() else { return (None, None) };
        let room = joined.next().is_none().then_some(&first.name);
        (room, Some(&first.identity.user))
    }

    /// Whether what comes now may be for a document that is still to be opened.
    pub fn is_waiting(&self) -> bool {
        !self.has_documents() || self.held().next().is_some()
    }

    /// Whether as much waits for rooms that are about to let documents in as may be unhandled in rooms.
    pub fn is_ahead(&self, unhandled_bytes_max: usize) -> bool {
        let asking = self.joined().filter(|(_, joined)| joined.retry_s.is_none());
        let waiting = asking.filter_map(|(_, joined)| joined.opening.as_ref());
        waiting.map(Waiting::bytes).sum::<usize>() > unhandled_bytes_max
    }

    /// Whether a token has opened any document.
    pub fn has_documents(&self) -> bool {
        self.joined().next().is_some()
    }

    /// Goes on with what waited until a joining state was taken.
    pub fn answer_delivered(&mut self, desk: &Desk) {
        self.turnstile.delivered(desk);
    }

    /// Follows what rooms have decided about documents.
    pub fn tidy(&mut self, desk: &Desk) -> Result<(), Violation> {
        if !self.has_news.replace(false) {
            return Ok(());
        }
        let standings: Vec<(Bytes, Standing)> =
            self.joined().map(|(address, joined)| (address.clone(), joined.outlet.standing())).collect();
        for (address, standing) in standings {
            match standing {
                Standing::Asking => {}
                Standing::In => self.let_in(&address, desk)?,
                Standing::PutOff => self.put_off(&address, desk),
                Standing::Ended => self.shut(address, desk),
            }
        }
        desk.outbox.flush();
        // What waited may have kept the socket from reading.
        desk.outbox.wake();
        Ok(())
    }

    /// Notes that a document's room cannot be loaded now.
    fn put_off(&mut self, address: &Bytes, desk: &Desk) {
        let Some(Document::Joined(joined)) = self.documents.get_mut(address) else { return };
        if joined.retry_s.is_none() {
            tracing::debug!(socket.id = %desk.socket, room.name = %joined.name, "document waits for its room");
            desk.relay.unseat(joined.member);
            joined.retry_s = Some(auth::now_s() + RETRY_S);
        }
    }

    /// When something is next due, in Unix seconds.
    pub fn next_due_s(&self) -> Option<u64> {
        let next =
            self.joined().map(|(_, joined)| joined.retry_s.unwrap_or(u64::MAX).min(joined.tenure.next_s())).min();
        Some(next.unwrap_or(self.empty_since_s + EMPTY_S))
    }

    /// Asks for fresh tokens, and ends with the first that was not renewed: the provider comes back with a fresh one.
    pub fn due(&mut self, now_s: u64, desk: &Desk) -> Result<(), Violation> {
        if !self.has_documents() && now_s >= self.empty_since_s + EMPTY_S {
            return Err(Violation::new(CloseCode::TryLater, "no document was opened"));
        }
        let mut put_off = Vec::new();
        for (address, document) in &mut self.documents {
            let Document::Joined(joined) = document else { continue };
            match joined.tenure.due(now_s) {
                Due::Nothing => {}
                Due::Notice => desk.push(&hocuspocus::token_request(text(address))),
                Due::Over => {
                    tracing::info!(socket.id = %desk.socket, room.name = %joined.name, "token ended");
                    return Err(Violation::new(CloseCode::TokenExpired, CloseCode::TokenExpired.reason()));
                }
            }
            if joined.retry_s.is_some_and(|retry_s| now_s >= retry_s) {
                put_off.push(address.clone());
            }
        }
        for address in put_off {
            self.ask_again(&address, desk);
        }
        Ok(())
    }

    fn follow_access(&mut self) {
        self.access = self.joined().map(|(_, joined)| joined.access).max().unwrap_or(Access::None);
    }

    /// What keeps the provider's watchdog quiet: its own ping where it knows that, else awareness of nobody.
    pub fn keepalive(&self) -> Option<Frame> {
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

fn authenticated(address: &Bytes, access: Access) -> Frame {
    hocuspocus::authenticated(text(address), allows(access, Action::Edit))
}

/// Why a token does not open a document.
#[derive(Debug, thiserror::Error)]
enum Denial {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Name(#[from] RoomNameError),
    #[error("the token does not allow this room")]
    Forbidden,
    /// Someone else's token does not go on with this one's work.
    #[error("this is another user's token; open another connection for it")]
    OtherUser,
}

impl Denial {
    /// What the client hears. Rooms that exist and rooms that do not look alike; for these it is what a Hocuspocus server says.
    fn told(&self) -> String {
        match self {
            Denial::Forbidden => "permission-denied".into(),
            denial => denial.to_string(),
        }
    }
}

/// What a token opens at an address.
fn opened(address: &str, token: &str, desk: &Desk) -> Result<(RoomName, Identity, Access), Denial> {
    let identity = desk.context.verifier.verify(token, auth::now_s())?;
    let name = RoomName::parse(hocuspocus::document(address))?;
    let access = identity.access(&name);
    match allows(access, Action::Join) {
        true => Ok((name, identity, access)),
        false => Err(Denial::Forbidden),
    }
}

fn lost() -> Violation {
    Violation::new(CloseCode::TryLater, "too much came before the document was open, start anew")
}
