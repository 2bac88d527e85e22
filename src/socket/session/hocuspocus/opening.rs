//! How a document of a connection is opened and shut: by its token, by its room, by its client.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;

use super::denial::{self, TokenDenial};
use super::documents::{DocumentState, Joined};
use super::held::{HeldMessage, HeldMessages};
use super::member::DocumentMember;
use super::session::{HocuspocusSession, utf8};
use crate::auth::{Access, Action, Identity, allows, now_s};
use crate::ids::{RoomName, shortened};
use crate::protocol::{CloseCode, hocuspocus, yjs};
use crate::socket::session::forward::{forward, forward_long};
use crate::socket::session::io::SessionIo;
use crate::socket::session::membership::Membership;
use crate::socket::session::session::{DENIALS_LOGGED_MAX, SocketClose};
use crate::socket::session::token_lifetime::TokenLifetime;
use crate::wire::Frame;

/// When a room is asked again that could not be loaded, in seconds.
const RETRY_S: u64 = 1;

impl HocuspocusSession {
    /// Takes a document's token: the first one, or a fresh one.
    pub(super) fn authenticate(&mut self, address: Bytes, token: &str, io: &SessionIo) -> Result<(), SocketClose> {
        let (name, identity, access) =
            match denial::check(utf8(&address), token, self.own.as_deref(), &io.context.verifier) {
                Ok(opened) => opened,
                Err(denial) => {
                    self.deny(address, &denial, token, io);
                    return Ok(());
                }
            };
        if let Some(DocumentState::Waiting(held)) = self.documents.get(&address)
            && held.is_lost()
        {
            return Err(lost());
        }
        match self.documents.joined_at_mut(&address) {
            Some(joined) if joined.identity.user == identity.user => {
                joined.lifetime = TokenLifetime::new(&identity, now_s());
                joined.access = access;
                joined.membership.renew(&identity, identity.rights(&joined.name));
                joined.identity = identity;
                io.send(&authenticated(&address, access));
                Ok(())
            }
            Some(_) => {
                self.deny(address, &TokenDenial::OtherUser, token, io);
                Ok(())
            }
            None => self.join(address, name, identity, access, io),
        }
    }

    fn join(
        &mut self,
        address: Bytes,
        name: RoomName,
        identity: Identity,
        access: Access,
        io: &SessionIo,
    ) -> Result<(), SocketClose> {
        self.documents.make_room_for(&address)?;
        let context = &io.context;
        let of_same = self.documents.joined().find(|(_, joined)| joined.identity.user == identity.user);
        let permit = match of_same {
            Some((_, joined)) => joined.permit.clone(),
            None => Rc::new(context.users.enter(&identity.user)?),
        };
        match context.openings.take(&identity.user, &name, &context.directory, Instant::now()) {
            Ok(pause) => io.pause_for(pause),
            Err(too_many) => return Err(SocketClose::new(CloseCode::TryLater, too_many.to_string())),
        }
        let mut held = match self.documents.remove(&address) {
            Some(DocumentState::Waiting(held)) => held,
            Some(DocumentState::Joined(_)) | None => HeldMessages::default(),
        };
        held.move_to(&io.context.unfinished, io.payer(Some(&identity.user)));
        io.send(&authenticated(&address, access));
        let span = tracing::error_span!("document", room.name = %name, user.id = %identity.user);
        span.in_scope(|| tracing::info!("document opened"));
        let membership = self.ask(utf8(&address), &name, &identity, io);
        let lifetime = TokenLifetime::new(&identity, now_s());
        let (opening, retry_s) = (Some(held), None);
        let joined = Joined { membership, name, identity, access, lifetime, opening, retry_s, permit, span };
        self.documents.insert(address, DocumentState::Joined(Box::new(joined)));
        Ok(())
    }

    /// Asks a document's room to let it in.
    fn ask(&self, address: &str, name: &RoomName, identity: &Identity, io: &SessionIo) -> Membership<DocumentMember> {
        let directory = &io.context.directory;
        let payer = io.payer(Some(&identity.user));
        let member = DocumentMember::new(name.as_str(), address, directory.states().clone(), payer);
        let rights = identity.rights(name);
        Membership::join(directory.lookup(name), identity, rights, None, member, self.has_news.clone(), io)
    }

    /// Asks a room again that could not be loaded.
    pub(super) fn ask_again(&mut self, address: &Bytes, io: &SessionIo) {
        let Some(joined) = self.documents.joined_at(address) else { return };
        let membership = self.ask(utf8(address), &joined.name, &joined.identity, io);
        if let Some(joined) = self.documents.joined_at_mut(address) {
            std::mem::replace(&mut joined.membership, membership).leave(true);
            joined.retry_s = None;
        }
    }

    /// Passes on what has come for a document that its room has let in.
    pub(super) fn on_let_in(&mut self, address: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        let Some(joined) = self.documents.joined_at_mut(address) else { return Ok(()) };
        let Some(held) = joined.opening.take() else { return Ok(()) };
        if held.is_lost() {
            return Err(lost());
        }
        let link = joined.membership.link().clone();
        if held.was_joined() {
            // Its provider may not start anew: whatever it lacks, it gets.
            let everything = yjs::Message::Step1(Bytes::from_static(&[0]));
            forward(everything, 0, &link, &mut self.replies, io);
        }
        for message in held.into_messages() {
            match message {
                HeldMessage::Long(kind) => forward_long(kind, &link, io),
                HeldMessage::Message(message) => {
                    let bytes = message.bytes();
                    self.pass(address, message, bytes, io);
                }
            }
        }
        Ok(())
    }

    /// Notes that a document's room cannot be loaded now.
    pub(super) fn on_put_off(&mut self, address: &Bytes) {
        let Some(joined) = self.documents.joined_at_mut(address) else { return };
        if joined.retry_s.is_none() {
            joined.span.in_scope(|| tracing::debug!("document waits for its room"));
            joined.retry_s = Some(now_s() + RETRY_S);
        }
    }

    /// Tells the client that the token does not open the document; another one may follow.
    fn deny(&mut self, address: Bytes, denial: &TokenDenial, token: &str, io: &SessionIo) {
        self.denials = self.denials.saturating_add(1);
        if self.denials <= DENIALS_LOGGED_MAX {
            let name = shortened(hocuspocus::document(utf8(&address)));
            let is_last = self.denials == DENIALS_LOGGED_MAX;
            let user = io.context.verifier.signer(token);
            let user = user.as_ref().map(tracing::field::display);
            tracing::info!(room.name = ?name, user.id = user, reason = %denial, is_last, "document denied");
        }
        io.send(&hocuspocus::denied(utf8(&address), &denial.told()));
        self.shut(address, io);
    }

    /// Lets go of a document until a token opens it.
    pub(super) fn shut(&mut self, address: Bytes, io: &SessionIo) {
        let mut held = self.leave_document(&address, io).unwrap_or_default();
        held.refuse();
        // With too many of them, this one's messages will wait as if for their first token.
        if !self.documents.is_full() {
            self.documents.insert(address, DocumentState::Waiting(held));
        }
    }

    /// Leaves a document, if there is one. What a further token finds of it.
    pub(super) fn leave_document(&mut self, address: &Bytes, io: &SessionIo) -> Option<HeldMessages> {
        match self.documents.remove(address)? {
            DocumentState::Waiting(held) => Some(held),
            DocumentState::Joined(joined) => {
                let member = joined.membership.link().member;
                joined.membership.leave(true);
                self.replies.forget(member, io);
                if !self.documents.has_joined() {
                    self.empty_since_s = now_s();
                }
                Some(HeldMessages::after_joined())
            }
        }
    }
}

fn authenticated(address: &Bytes, access: Access) -> Frame {
    hocuspocus::authenticated(utf8(address), allows(access, Action::Edit))
}

fn lost() -> SocketClose {
    SocketClose::new(CloseCode::TryLater, "too much came before the document was open, start anew")
}
