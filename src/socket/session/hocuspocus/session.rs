//! Takes a provider's messages apart by document and passes them on, or keeps them until their document is open.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use super::documents::{DocumentState, Documents};
use super::held::{HeldMessage, HeldMessages};
use crate::auth::{Identity, TokenError, Verifier, in_ms, now_s};
use crate::ids::{RoomName, UserId};
use crate::protocol::hocuspocus::{self, Addressed};
use crate::protocol::{CloseCode, yjs};
use crate::room::{BroadcastStateless, StartCount};
use crate::socket::session::forward::{MESSAGE_BYTES, forward, forward_long};
use crate::socket::session::io::SessionIo;
use crate::socket::session::member_outlet::Standing;
use crate::socket::session::request_queue::RequestQueue;
use crate::socket::session::session::{Session, SocketClose};
use crate::socket::session::token_lifetime::TokenDue;
use crate::wire::Frame;

/// Messages that may come for documents before their tokens and rooms, of all together. Their bytes are as many as in one message
/// of a writer and as many as may be unhandled, and count in a budget of all connections.
const HELD_MESSAGES_MAX: usize = 1024;
/// How long a connection may have no document that a token opened, in seconds: as long as the provider's own watchdog waits.
const EMPTY_S: u64 = 30;
/// Longest address, in bytes: a room's name, and a provider's mark behind it.
const ADDRESS_BYTES_MAX: usize = 512;

/// A provider's connection.
pub struct HocuspocusSession {
    pub(super) documents: Documents,
    /// Who opens documents without a token.
    pub(super) own: Option<Arc<Identity>>,
    pub(super) replies: RequestQueue,
    /// Messages of awareness that are not counted yet.
    awareness: usize,
    /// Whether the client told its version.
    has_version: bool,
    /// Whether rooms have decided something about a document.
    pub(super) has_news: Rc<Cell<bool>>,
    /// Tokens that did not open a document.
    pub(super) denials: u32,
    /// When the connection last had no document, in Unix seconds.
    pub(super) empty_since_s: u64,
}

impl HocuspocusSession {
    /// A connection without documents; `own` opens those that come without a token.
    pub fn new(own: Option<Arc<Identity>>) -> Self {
        Self {
            documents: Documents::default(),
            own,
            replies: RequestQueue::default(),
            awareness: 0,
            has_version: false,
            has_news: Rc::default(),
            denials: 0,
            empty_since_s: now_s(),
        }
    }

    /// Keeps a message until its document's token comes, and its room lets it in.
    fn hold(&mut self, address: Bytes, message: HeldMessage, bytes: usize, io: &SessionIo) -> Result<(), SocketClose> {
        self.documents.make_room_for(&address)?;
        let (held_bytes, held_messages) = self
            .documents
            .held()
            .fold((bytes, 1), |(bytes, messages), held| (bytes + held.bytes(), messages + held.messages()));
        let settings = &io.context.settings;
        let bytes_max = settings.writer_message_bytes_max.saturating_add(settings.unhandled_bytes_max);
        let has_room = held_bytes <= bytes_max && held_messages <= HELD_MESSAGES_MAX;
        let payer = io.payer(self.payer());
        let document = self.documents.get_or_wait(address)?;
        let is_opened = matches!(document, DocumentState::Joined(_));
        let held = match document {
            DocumentState::Waiting(held) => held,
            DocumentState::Joined(joined) => joined.opening.get_or_insert_default(),
        };
        let budget = if is_opened { &io.context.unfinished } else { &io.context.strangers };
        if has_room && held.hold(message, bytes, budget, payer) {
            return Ok(());
        }
        // Without its messages a document starts anew later, and the connection's others go on until then.
        if !is_opened && !held.is_refused() {
            return Err(SocketClose::new(CloseCode::TryLater, "too much came before the token"));
        }
        held.lose();
        Ok(())
    }

    /// Passes a message on to its document's room.
    pub(super) fn pass(&mut self, address: &Bytes, message: hocuspocus::Message, bytes: usize, io: &SessionIo) {
        let Some(joined) = self.documents.joined_at(address) else { return };
        let link = joined.membership.link();
        let from = link.member;
        match message {
            hocuspocus::Message::Yjs(message) => {
                if let yjs::Message::Step1(state_vector) = &message {
                    // Its count starts here, however long the answer has to wait.
                    let charge = state_vector.len() + MESSAGE_BYTES;
                    link.charges.charge(charge);
                    link.room.do_send(StartCount { from, state_vector: state_vector.clone(), charge });
                }
                forward(message, bytes, link, &mut self.replies, io);
            }
            hocuspocus::Message::Stateless(payload) => {
                let charge = bytes + MESSAGE_BYTES;
                link.charges.charge(charge);
                link.room.do_send(BroadcastStateless { from, payload, charge });
            }
            hocuspocus::Message::Auth { .. } | hocuspocus::Message::Close => {}
        }
    }
}

impl Session for HocuspocusSession {
    fn confirm(&self, verifier: &Verifier, now_s: u64) -> Result<(), TokenError> {
        let mut confirmed = self.documents.joined().map(|(_, joined)| verifier.confirm(&joined.identity, now_s));
        confirmed.find(|one| !matches!(one, Ok(()) | Err(TokenError::Expired))).unwrap_or(Ok(()))
    }

    fn take_awareness(&mut self) -> usize {
        std::mem::take(&mut self.awareness)
    }

    fn payer(&self) -> Option<&UserId> {
        self.documents.joined().next().map(|(_, joined)| &joined.identity.user)
    }

    fn is_called_in(&self, waker: &Waker) -> bool {
        // Each has a waker of its own.
        self.documents.held().filter(|held| held.is_called_in(waker)).count() > 0
    }

    fn protocol(&self) -> &'static str {
        "hocuspocus"
    }

    fn message_bytes_max(&self, io: &SessionIo) -> usize {
        let settings = &io.context.settings;
        // A provider sends what was typed before its token has come, and before its room has let it in.
        if !self.documents.has_joined() || self.documents.held().next().is_some() {
            return settings.writer_message_bytes_max;
        }
        settings.message_bytes_max(self.documents.access(), io.outbox.expected_bytes())
    }

    fn on_binary(&mut self, frame: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        let Some(Addressed { address, message }) = hocuspocus::decode(frame)? else { return Ok(()) };
        self.awareness += usize::from(matches!(message, hocuspocus::Message::Yjs(yjs::Message::Awareness(_))));
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(SocketClose::new(CloseCode::EditRefused, "an address of a document is too long"));
        }
        if let hocuspocus::Message::Auth { token, has_version } = message {
            self.has_version |= has_version;
            return self.authenticate(address, utf8(&token), io);
        }
        if message == hocuspocus::Message::Close {
            self.leave_document(&address, io);
            return Ok(());
        }
        match self.documents.joined_at(&address) {
            Some(joined) if joined.opening.is_none() => {
                let expected = io.outbox.expected_bytes();
                if frame.len() > io.context.settings.message_bytes_max(self.documents.access(), expected) {
                    // As if it had been stopped in reading, but for another document that is still to be opened.
                    return self.on_too_long(frame, io);
                }
                self.pass(&address, message, frame.len(), io);
                Ok(())
            }
            _ => self.hold(address, HeldMessage::Message(message), frame.len(), io),
        }
    }

    fn refuses_in_band(&self) -> bool {
        true
    }

    /// Refuses a message that is too long, if it is an edit of a document that a token has opened, now or when its room lets it in.
    /// The others of the connection go on.
    fn on_too_long(&mut self, beginning: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        let (address, kind) = hocuspocus::edit_beginning(beginning).ok_or(CloseCode::TooBig)?;
        let joined = self.documents.joined_at(&address).ok_or(CloseCode::TooBig)?;
        if joined.opening.is_some() {
            return self.hold(address, HeldMessage::Long(kind), 0, io);
        }
        forward_long(kind, joined.membership.link(), io);
        Ok(())
    }

    /// The room, if there is only one, and a user of the connection.
    fn room_and_user(&self) -> (Option<&RoomName>, Option<&UserId>) {
        let mut joined = self.documents.joined().map(|(_, joined)| joined);
        let Some(first) = joined.next() else { return (None, None) };
        let room = joined.next().is_none().then_some(&first.name);
        (room, Some(&first.identity.user))
    }

    fn is_stranger(&self) -> bool {
        !self.documents.has_joined()
    }

    /// Not while as much waits for rooms that are about to let documents in as may be unhandled in rooms.
    fn is_reading(&self, unhandled_bytes_max: usize, _: &SessionIo) -> bool {
        let asking = self.documents.joined().filter(|(_, joined)| joined.retry_s.is_none());
        let waiting = asking.filter_map(|(_, joined)| joined.opening.as_ref());
        waiting.map(HeldMessages::bytes).sum::<usize>() <= unhandled_bytes_max
    }

    fn on_answer_delivered(&mut self, io: &SessionIo) {
        self.replies.on_delivered(io);
    }

    fn follow_rooms(&mut self, io: &SessionIo) -> Result<(), SocketClose> {
        if !self.has_news.replace(false) {
            return Ok(());
        }
        let documents = self.documents.joined();
        let standings: Vec<(Bytes, Standing)> =
            documents.map(|(address, joined)| (address.clone(), joined.membership.outlet().standing())).collect();
        for (address, standing) in standings {
            match standing {
                Standing::Asking => {}
                Standing::In => self.on_let_in(&address, io)?,
                Standing::PutOff => self.on_put_off(&address),
                Standing::Ended | Standing::Deleted => self.shut(address, io),
            }
        }
        io.outbox.flush();
        // What waited may have kept the socket from reading.
        io.outbox.wake();
        Ok(())
    }

    fn next_due_ms(&self) -> Option<i64> {
        let documents = self.documents.joined();
        let next = documents.map(|(_, joined)| joined.retry_s.unwrap_or(u64::MAX).min(joined.lifetime.next_s())).min();
        Some(in_ms(next.unwrap_or(self.empty_since_s + EMPTY_S)))
    }

    /// Asks for fresh tokens, and ends with the first that was not renewed: the provider comes back with a fresh one.
    fn on_due(&mut self, now_ms: i64, io: &SessionIo) -> Result<(), SocketClose> {
        let now_s = now_ms.unsigned_abs() / 1000;
        if !self.documents.has_joined() && now_s >= self.empty_since_s + EMPTY_S {
            return Err(SocketClose::new(CloseCode::TryLater, "no document was opened"));
        }
        let mut put_off = Vec::new();
        for (address, joined) in self.documents.joined_mut() {
            match joined.lifetime.due(now_s) {
                TokenDue::Nothing => {}
                TokenDue::Notice => io.send(&hocuspocus::token_request(utf8(address))),
                TokenDue::Over => {
                    joined.span.in_scope(|| tracing::info!("token ended"));
                    return Err(CloseCode::TokenExpired.into());
                }
            }
            if joined.retry_s.is_some_and(|retry_s| now_s >= retry_s) {
                put_off.push(address.clone());
            }
        }
        for address in put_off {
            self.ask_again(&address, io);
        }
        Ok(())
    }

    /// The provider's own ping where it knows that, else awareness of nobody.
    fn keepalive(&self) -> Option<Frame> {
        if self.has_version {
            return Some(hocuspocus::ping());
        }
        self.documents.joined().next().map(|(address, _)| hocuspocus::nobody(utf8(address)))
    }

    fn end(self: Box<Self>, is_for_good: bool) {
        self.documents.into_joined().for_each(|joined| joined.membership.end(is_for_good));
    }
}

/// What a decoder has found to be UTF-8.
pub(super) fn utf8(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
