//! What was decided about a connection, handed to the socket with the stream.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use uuid::Uuid;

use super::gate::{Permit, UserPermit};
use super::pace::Visit;
use crate::auth::{Identity, Rights};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::CloseCode;
use crate::room::{Directory, Lease, Place};
use crate::wire::Encoding;

/// What a connection is for.
pub enum Path {
    /// The y-websocket protocol in one room.
    Yjs {
        /// The room.
        room: RoomName,
        /// Keeps it until the socket has joined.
        lease: Lease,
        /// Where the socket runs.
        place: Place,
        /// Who connects.
        identity: Arc<Identity>,
        /// What the token allows there; at least read.
        rights: Rights,
        /// Tells how long it lasts.
        visit: Visit,
        /// Its place among the connections of its user.
        user_permit: UserPermit,
    },
    /// The Hocuspocus protocol; tokens come in band.
    Hocuspocus {
        /// Who connects, if that came with the request: for documents without a token of their own.
        identity: Option<Arc<Identity>>,
    },
    /// The JSON protocol.
    Json {
        /// Who connects, if a token came with the request; `None`, if a first message will bring it; or why it does not hold.
        identity: Result<Option<Arc<Identity>>, UpgradeRefusal>,
        /// The client's address, as it counts.
        network: IpAddr,
    },
    /// The JSON protocol as an event stream, for a client that cannot have a WebSocket: what it says comes by requests.
    Events {
        /// The stream's name, by which requests find it.
        client: Uuid,
        /// Who connects.
        identity: Arc<Identity>,
        /// Its place among the connections of its user.
        user_permit: UserPermit,
        /// The room that the stream is of, and ends with, if it is of one.
        room: Option<StreamRoom>,
        /// The client's address, as it counts.
        network: IpAddr,
    },
    /// The y-websocket protocol, for someone who may not: told so in band, held, then closed.
    Denied {
        /// The name of the room as the client wrote it, which may be none.
        room: String,
        /// What the close frame says.
        code: CloseCode,
        /// Why.
        refusal: UpgradeRefusal,
        /// How long the close waits. Old clients come back at once after a close, so it is the server that slows them down.
        hold: Duration,
    },
    /// Sends each message back; for testing proxies.
    Echo,
}

/// The room of an event stream.
pub struct StreamRoom {
    /// Its name.
    pub name: RoomName,
    /// The last seq that the client has seen.
    pub since: Option<Seq>,
    /// Whether the client is shown the document's edits.
    pub wants_edits: bool,
}

/// Why someone may not.
pub struct UpgradeRefusal {
    /// The reason in words, for the client and the log.
    pub reason: String,
    /// Who it is, if their token is genuine: for the log.
    pub user: Option<UserId>,
}

/// A decided upgrade.
pub struct Opening {
    /// What the connection is for.
    pub path: Path,
    /// How messages are written, as it was agreed.
    pub encoding: Encoding,
    /// The client's address, for the log.
    pub address: IpAddr,
    /// The connection's place among all.
    pub permit: Permit,
}

impl Opening {
    /// The thread for the socket.
    pub fn thread(&self, directory: &Directory) -> ArbiterHandle {
        match &self.path {
            Path::Yjs { place, .. } => place.thread().clone(),
            _ => directory.any_thread(),
        }
    }
}
