//! The documents of one Hocuspocus connection, by address.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use tracing::Span;

use super::held::HeldMessages;
use super::member::DocumentMember;
use crate::auth::{Access, Identity};
use crate::ids::RoomName;
use crate::protocol::CloseCode;
use crate::socket::gate::UserPermit;
use crate::socket::session::membership::Membership;
use crate::socket::session::session::SocketClose;
use crate::socket::session::token_lifetime::TokenLifetime;

/// Most documents of one connection.
const DOCUMENTS_MAX: usize = 128;

/// One document of the connection.
pub enum DocumentState {
    /// A token for it has to come, and opens it.
    Waiting(HeldMessages),
    /// A token has opened it: a member of its room, or about to be.
    Joined(Box<Joined>),
}

/// A document that a token has opened.
pub struct Joined {
    pub membership: Membership<DocumentMember>,
    pub name: RoomName,
    pub identity: Identity,
    pub access: Access,
    pub lifetime: TokenLifetime,
    /// What has come for it, until its room lets it in.
    pub opening: Option<HeldMessages>,
    /// When its room is to be asked again, which could not be loaded, in Unix seconds.
    pub retry_s: Option<u64>,
    /// The connection's place among those of the document's user, for all documents of that user.
    pub permit: Rc<UserPermit>,
    /// Names it in the log.
    pub span: Span,
}

/// The documents of one connection.
#[derive(Default)]
pub struct Documents(HashMap<Bytes, DocumentState>);

impl Documents {
    /// The document at `address`.
    pub fn get(&self, address: &Bytes) -> Option<&DocumentState> {
        self.0.get(address)
    }

    /// The document at `address`, if a token has opened it.
    pub fn joined_at(&self, address: &Bytes) -> Option<&Joined> {
        match self.0.get(address) {
            Some(DocumentState::Joined(joined)) => Some(joined),
            Some(DocumentState::Waiting(_)) | None => None,
        }
    }

    /// As [`joined_at`](Self::joined_at), to be changed.
    pub fn joined_at_mut(&mut self, address: &Bytes) -> Option<&mut Joined> {
        match self.0.get_mut(address) {
            Some(DocumentState::Joined(joined)) => Some(joined),
            Some(DocumentState::Waiting(_)) | None => None,
        }
    }

    /// The document at `address`; one that waits for a token, if there was none. `Err`: there are too many.
    pub fn get_or_wait(&mut self, address: Bytes) -> Result<&mut DocumentState, SocketClose> {
        self.make_room_for(&address)?;
        Ok(self.0.entry(address).or_insert_with(|| DocumentState::Waiting(HeldMessages::default())))
    }

    /// Makes sure that there may be a document at `address`.
    pub fn make_room_for(&mut self, address: &Bytes) -> Result<(), SocketClose> {
        if self.0.contains_key(address) {
            return Ok(());
        }
        if self.is_full() {
            let is_refused =
                |document: &DocumentState| matches!(document, DocumentState::Waiting(held) if held.is_refused());
            self.0.retain(|_, document| !is_refused(document));
        }
        match self.is_full() {
            false => Ok(()),
            true => {
                let reason = format!("one connection may have at most {DOCUMENTS_MAX} documents, open another one");
                Err(SocketClose::new(CloseCode::TryLater, reason))
            }
        }
    }

    /// Whether there are as many as there may be.
    pub fn is_full(&self) -> bool {
        self.0.len() >= DOCUMENTS_MAX
    }

    /// Adds a document.
    pub fn insert(&mut self, address: Bytes, document: DocumentState) {
        self.0.insert(address, document);
    }

    /// Removes a document.
    pub fn remove(&mut self, address: &Bytes) -> Option<DocumentState> {
        self.0.remove(address)
    }

    /// Those that a token has opened.
    pub fn joined(&self) -> impl Iterator<Item = (&Bytes, &Joined)> {
        self.0.iter().filter_map(|(address, document)| match document {
            DocumentState::Joined(joined) => Some((address, &**joined)),
            DocumentState::Waiting(_) => None,
        })
    }

    /// As [`joined`](Self::joined), to be changed.
    pub fn joined_mut(&mut self) -> impl Iterator<Item = (&Bytes, &mut Joined)> {
        self.0.iter_mut().filter_map(|(address, document)| match document {
            DocumentState::Joined(joined) => Some((address, &mut **joined)),
            DocumentState::Waiting(_) => None,
        })
    }

    /// Whether a token has opened any.
    pub fn has_joined(&self) -> bool {
        self.joined().next().is_some()
    }

    /// What waits for tokens and rooms.
    pub fn held(&self) -> impl Iterator<Item = &HeldMessages> {
        self.0.values().filter_map(|document| match document {
            DocumentState::Waiting(held) => Some(held),
            DocumentState::Joined(joined) => joined.opening.as_ref(),
        })
    }

    /// The most that any document's token allows.
    pub fn access(&self) -> Access {
        self.joined().map(|(_, joined)| joined.access).max().unwrap_or(Access::None)
    }

    /// All of them, to be ended.
    pub fn into_joined(self) -> impl Iterator<Item = Joined> {
        self.0.into_values().filter_map(|document| match document {
            DocumentState::Joined(joined) => Some(*joined),
            DocumentState::Waiting(_) => None,
        })
    }
}
