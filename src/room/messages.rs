//! What a room is told, by sockets and by REST. What it tells goes through the relays (see [`super::fanout`]).
//!
//! `charge` is the number of bytes that the sender holds as unhandled until the room gives them back.

use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use bytes::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::fanout::Seat;
use super::quotas::Denied;
use super::slots::LeaseGuard;
use crate::auth::{Access, Rights};
use crate::budget::HeldBytes;
use crate::bus::RoomMessage;
use crate::document::Refusal;
use crate::ids::{MemberId, Seq, UserId};
use crate::protocol::json::UserPresence;
use crate::protocol::json::request::{Publication, Said};
use crate::protocol::yjs::SavedQuestion;
use crate::protocol::{Dialect, EditKind};
use crate::store::{Placed, Refused, RoomId};

/// Adds a member. Answered through the relay: with the joining state, or by ending the membership.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join {
    /// Keeps the room from ending before it has handled this.
    pub lease: LeaseGuard,
    /// The member to be, and its relay.
    pub seat: Seat,
    /// What it speaks.
    pub dialect: Dialect,
    /// What a JSON client wants.
    pub json: Option<Box<JsonJoin>>,
    /// Whose socket it is.
    pub user: UserId,
    /// The name shown to others.
    pub name: Arc<str>,
    /// What its token allows here; at least read.
    pub rights: Rights,
}

/// An edit of the document.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Edit {
    /// Its sender.
    pub from: MemberId,
    /// The update, v1 encoding, as it came.
    pub update: Bytes,
    /// How it came.
    pub kind: EditKind,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// An edit that was longer than its sender's messages may be, and was not looked at.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RefuseLongEdit {
    /// Its sender.
    pub from: MemberId,
    /// How it came.
    pub kind: EditKind,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// A Step1: asks for what the sender lacks.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskState {
    /// Its sender.
    pub from: MemberId,
    /// The sender's state vector, encoded.
    pub state_vector: Bytes,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// Asks whether all that its sender has sent is saved.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskSaved {
    /// Its sender.
    pub from: MemberId,
    /// What it asked.
    pub question: SavedQuestion,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// Awareness entries: own states, and others' states sent back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct UpdateAwareness {
    /// Its sender.
    pub from: MemberId,
    /// The entries, encoded as they came.
    pub entries: Bytes,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// Asks for all awareness states.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskAwareness {
    /// Its sender.
    pub from: MemberId,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// A Step1 of a Hocuspocus client has come: it starts its count of what is not saved anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StartCount {
    /// Its sender.
    pub from: MemberId,
    /// What the sender had then, its state vector, encoded.
    pub state_vector: Bytes,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// A token has been renewed: what it says counts from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Renew {
    /// Whose.
    pub member: MemberId,
    /// What it allows here; at least read.
    pub rights: Rights,
    /// The name shown to others.
    pub name: Arc<str>,
}

/// A Hocuspocus app's own text.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BroadcastStateless {
    /// Its sender.
    pub from: MemberId,
    /// The text, UTF-8.
    pub payload: Bytes,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// Removes a member.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave {
    /// Who leaves.
    pub from: MemberId,
    /// Whether that was its intention, so that nobody waits for its return.
    pub is_for_good: bool,
}

/// Who is in the room, by user.
#[derive(Message)]
#[rtype(result = "Vec<UserPresence>")]
pub struct GetPresence;

/// Ends the room now if nobody is in and all is committed, because memory is short.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct EndIdle;

/// Answered once everything that the room had uncommitted when it came is committed, and no snapshot is being made.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Flush;

/// The process stops: other servers are told who is in, for they may come back there.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HandOver {
    /// How long it may take until their sockets are closed.
    pub within: Duration,
}

/// What a JSON member says.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Say {
    /// Its sender.
    pub from: MemberId,
    /// What.
    pub said: Said,
    /// The sender's name for the request.
    pub request_id: Option<Box<str>>,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// A JSON member's binary signal.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BroadcastBinary {
    /// Its sender.
    pub from: MemberId,
    /// The app's own bytes.
    pub payload: Bytes,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// A JSON member is ready for more of what it lacks; see [`crate::room::Outlet::caught_up`].
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReplayMore {
    /// Who.
    pub from: MemberId,
    /// Credit to give back, in bytes.
    pub charge: usize,
}

/// How a JSON member comes in.
#[derive(Debug, Default)]
pub struct JsonJoin {
    /// The last seq that it has seen.
    pub since: Option<Seq>,
    /// Whether it is shown the document's edits.
    pub wants_edits: bool,
    /// Its name for the request.
    pub request_id: Option<Box<str>>,
    /// Whether the room has asked the database since this came where the timeline ends, and has come so far.
    pub is_current: bool,
}

/// Messages and events from a server, with who waits for each.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Post {
    /// Keeps the room from ending before it has handled this.
    pub lease: LeaseGuard,
    /// Whose they are.
    pub author: UserId,
    /// What they may do in the room.
    pub access: Access,
    /// The name shown to others.
    pub name: Arc<str>,
    /// How long the request was.
    pub bytes: usize,
    /// In their order.
    pub publications: Vec<(Publication, oneshot::Sender<Result<Placed, PostError>>)>,
}

/// An edit from a server.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WriteDocument {
    /// Keeps the room from ending before it has handled this.
    pub lease: LeaseGuard,
    /// Whose it is.
    pub user: UserId,
    /// What they may do in the room.
    pub access: Access,
    /// The update, v1 encoding.
    pub update: Bytes,
    /// When it is shown.
    pub showing: Showing,
    /// Who waits for its commit.
    pub reply: oneshot::Sender<Result<Written, WriteError>>,
}

impl WriteDocument {
    /// Turns it away. Whoever asked may have stopped waiting.
    pub(super) fn refuse(self, error: WriteError) {
        let _ = self.reply.send(Err(error));
    }
}

/// When a server's edit is shown to the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Showing {
    /// At once, as a member's is. The room judges it.
    AtOnce,
    /// Once it is committed, as a message is. It was judged by whoever made it, by a document that the room's includes.
    Committed {
        /// Its author's name for it: a repetition is stored once, and shown once.
        key: Option<String>,
        /// The newest entry that there may be before it.
        head: Option<Seq>,
        /// The room's epoch in which it was made, if that counts: it is stale in another one.
        epoch: Option<i64>,
    },
    /// Never: it is refused by now, and only asked for where its first one stands, if it was stored before under this key.
    Repeated {
        /// Its author's name for it.
        key: String,
    },
}

/// Where a server's edit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The timeline has it at this seq, or had all of it up to this seq before.
    pub seq: Seq,
    /// Whether there was no document before it.
    pub is_first: bool,
}

/// Why a server's edit is not in the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The document does not take it.
    #[error(transparent)]
    Edit(#[from] Refusal),
    /// The store does not take it.
    #[error(transparent)]
    Entry(#[from] Refused),
    /// It is more than may be stored, or there is no such room.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The timeline goes on behind the entry that was to be the newest; or nothing is stored under the key that was asked for.
    #[error("the room has changed meanwhile")]
    Stale,
    /// The database does not answer.
    #[error("the database does not answer now, try again later")]
    TryLater,
    /// The room was deleted.
    #[error("the room was deleted")]
    RoomDeleted,
    /// Too much is said in the room.
    #[error("too much is said in this room, wait a little")]
    TooMany(Duration),
}

/// A server that waits for a commit.
#[derive(Debug)]
pub enum Reply {
    /// Of a message or an event.
    Post(oneshot::Sender<Result<Placed, PostError>>),
    /// Of an edit.
    Write {
        /// Who waits.
        to: oneshot::Sender<Result<Written, WriteError>>,
        /// Whether there was no document before it.
        is_first: bool,
    },
}

impl Reply {
    /// Tells that the room was deleted.
    pub(super) fn send_deleted(self) {
        // Whoever asked may have stopped waiting.
        match self {
            Self::Post(to) => drop(to.send(Err(PostError::RoomDeleted))),
            Self::Write { to, .. } => drop(to.send(Err(WriteError::RoomDeleted))),
        }
    }

    /// Tells that the entry may not be stored. Whoever asked may have stopped waiting.
    pub(super) fn send_denied(self, denied: Denied) {
        match self {
            Self::Post(to) => drop(to.send(Err(denied.into()))),
            Self::Write { to, .. } => drop(to.send(Err(denied.into()))),
        }
    }

    /// Tells that it is not known whether the entry is stored.
    pub(super) fn send_try_later(self) {
        match self {
            Self::Post(to) => drop(to.send(Err(PostError::TryLater))),
            Self::Write { to, .. } => drop(to.send(Err(WriteError::TryLater))),
        }
    }

    /// Tells what became of the entry. Whoever asked may have stopped waiting.
    pub(super) fn send(self, outcome: Result<Placed, Refused>) {
        match self {
            Self::Post(to) => drop(to.send(outcome.map_err(PostError::Refused))),
            Self::Write { to, is_first } => {
                let written = |Placed { seq, is_new, .. }: Placed| Written { seq, is_first: is_first && is_new };
                let error = |refused| match refused {
                    Refused::Stale => WriteError::Stale,
                    refused => WriteError::Entry(refused),
                };
                drop(to.send(outcome.map(written).map_err(error)));
            }
        }
    }
}

/// Says when there is an entry behind a seq. Nothing is said if the room ends before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AwaitEntry {
    /// The last seq that is known.
    pub after: Seq,
    /// Who waits.
    pub reply: oneshot::Sender<()>,
}

/// Why something posted is not in the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It never will be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is more than may be stored, or there is no such room.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database does not answer.
    #[error("the database does not answer now, try again later")]
    TryLater,
    /// The room was deleted.
    #[error("the room was deleted")]
    RoomDeleted,
    /// Too much is said in the room.
    #[error("too much is said in this room, wait a little")]
    TooMany(Duration),
}

impl Post {
    /// Turns all of it away for now.
    pub(super) fn refuse(self, error: PostError) {
        for (_, reply) in self.publications {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(Err(error));
        }
    }
}

/// Ends the memberships of a user, or of all; how many.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct Disconnect {
    /// Whose; `None`: everyone's.
    pub user: Option<UserId>,
    /// What they are told.
    pub reason: String,
}

/// What other servers tell a room.
#[derive(Message)]
#[rtype(result = "()")]
pub enum FromServer {
    /// Something about the room; counted as waiting until it is handled.
    Told {
        /// Who tells.
        from: Uuid,
        /// What.
        say: RoomMessage,
        /// What it holds.
        held: HeldBytes,
    },
    /// The room lives there as well, and that server is to be told who is here.
    Entered(Uuid),
    /// The room does not live there any more, or the server is gone.
    Left(Uuid),
    /// The database told that the room of this row was deleted.
    Deleted(RoomId),
    /// The database told that there is no room of this name.
    Missing,
    /// The database told the room's row, where the timeline ends, and the epoch.
    Head(RoomId, Seq, i64),
}

/// A room of this name was deleted. If it is this one, all memberships end; how many. Nothing is taken any more, and nothing acknowledged.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct EndDeleted {
    /// The row of the deleted room; `None`: it is not known whether one was deleted.
    pub row: Option<RoomId>,
}

/// Something was erased of the room of this row. A room that was read in an older epoch ends, to be read anew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct EndOutdated {
    /// Its row.
    pub row: RoomId,
    /// Its epoch.
    pub epoch: i64,
}

/// An event of the server's own for the JSON members. Not kept.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Announce {
    /// The event, as it would be stored.
    pub body: Bytes,
}

/// What members tell a room, and servers that edit, in one order; kept while the room loads.
pub(super) enum FromMember {
    Join(Join),
    Edit(Edit),
    RefuseLongEdit(RefuseLongEdit),
    AskState(AskState),
    AskSaved(AskSaved),
    UpdateAwareness(UpdateAwareness),
    AskAwareness(AskAwareness),
    StartCount(StartCount),
    BroadcastStateless(BroadcastStateless),
    Renew(Renew),
    Say(Say),
    ReplayMore(ReplayMore),
    BroadcastBinary(BroadcastBinary),
    WriteDocument(WriteDocument),
    Post(Post),
    Leave(Leave),
}
