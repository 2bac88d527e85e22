//! What handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::error::ApiError;
use super::figures::Newest;
use super::hosts::Hosts;
use super::origins::Origins;
use super::renderings::Renderings;
use super::turns::{RoomTurns, Turns};
use crate::archive::Archive;
use crate::auth::{self, Identity, Minter, Tickets, Verifier};
use crate::budget::ByteBudget;
use crate::bus::Cluster;
use crate::config::IpRange;
use crate::history::Histories;
use crate::ids::{RoomName, UserId};
use crate::room::{Directory, Lease, Quotas, UserSockets};
use crate::socket::{EventStreams, Gate, ReconnectPace, RoomOpenings, SharedRates, UserGate};
use crate::store::Store;
use crate::webhooks::Webhooks;

/// Documents rendered at once, and of one caller; each may be large.
const RENDERS_MAX: usize = 2;
const RENDERS_EACH_MAX: usize = 1;
/// Restores at once, each of another room and by another caller; each holds its edit until that is committed.
const RESTORES_MAX: usize = 4;
/// Looks at all rooms, or at all entries of one, at once, and of one caller: the other connections that read are for others.
const SCANS_MAX: usize = 2;
const SCANS_EACH_MAX: usize = 1;
/// Rooms copied at once, and of one caller; each holds a page of its timeline.
const COPIES_MAX: usize = 2;
const COPIES_EACH_MAX: usize = 1;
/// Pages of timelines and lists of rooms read at once, and of one caller.
const PAGES_MAX: usize = 8;
const PAGES_EACH_MAX: usize = 4;
/// What clients of event streams say that is passed on to other servers at once, and of one user.
const FORWARDED_MAX: usize = 1_024;
const FORWARDED_EACH_MAX: usize = 8;

/// The state of one server, for its handlers.
pub struct AppState {
    /// Reads what is durable.
    pub store: Store,
    /// The other servers.
    pub cluster: Arc<Cluster>,
    /// Finds live rooms.
    pub directory: Arc<Directory>,
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// What stands for tokens in URLs.
    pub tickets: Arc<Tickets>,
    /// Makes guests' tokens, with `--demo`.
    pub minter: Option<Minter>,
    /// Counts connections.
    pub gate: Arc<Gate>,
    /// The same by user.
    pub users: Arc<UserGate>,
    /// Slows down who comes back in a loop.
    pub pace: Arc<ReconnectPace>,
    /// Who renders documents.
    pub renders: Turns,
    /// Documents that are being sent.
    pub renderings: Renderings,
    /// Who reads pages of timelines and of the list of rooms.
    pub pages: Turns,
    /// Who has all rooms looked at, or all entries of one.
    pub scans: Turns,
    /// Who has other servers hear what the clients of their event streams say.
    pub forwarding: Turns,
    /// Places of requests that wait for something to happen, each as one byte.
    pub waiting_places: Arc<ByteBudget>,
    /// Whose turn it is to restore.
    pub restores: RoomTurns,
    /// Who copies rooms.
    pub copies: Turns,
    /// What rooms and users may have on disk.
    pub quotas: Arc<Quotas>,
    /// The JSON sockets of each user.
    pub user_sockets: Arc<UserSockets>,
    /// How many rooms each user may open.
    pub openings: Arc<RoomOpenings>,
    /// How much each user and address may say.
    pub rates: Arc<SharedRates>,
    /// Finds event streams, for what their clients say.
    pub event_streams: Arc<EventStreams>,
    /// The server's figures.
    pub stats: Newest,
    /// Longest body of a request that writes a document, in bytes.
    pub document_bytes_max: usize,
    /// What such bodies hold together.
    pub bodies: Arc<ByteBudget>,
    /// And what the values of those that are JSON take beside them.
    pub json_values: Arc<ByteBudget>,
    /// Longest body of a request that publishes, in bytes.
    pub json_message_bytes_max: usize,
    /// Reads documents.
    pub archive: Archive,
    /// Reads the past.
    pub histories: Histories,
    /// Wakes who goes on with erasures.
    pub erasures: Arc<Notify>,
    /// How long a deleted room can be taken back.
    pub deleted_kept: Duration,
    /// Who is told what happens in rooms.
    pub webhooks: Arc<Webhooks>,
    /// By which names the server may be reached.
    pub hosts: Hosts,
    /// Whose pages may connect.
    pub origins: Origins,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpRange>,
    /// Shortest message that is compressed for clients that take it, in bytes, if any is.
    pub compression_bytes_min: Option<usize>,
    /// Whether `?token=` counts.
    pub accepts_query_tokens: bool,
    /// Whether the demo is served.
    pub is_demo: bool,
    /// Whether the server is about to stop.
    pub is_draining: AtomicBool,
}

impl AppState {
    /// Whether the token of somebody who was let in a while ago still holds.
    pub fn confirm(&self, identity: &Identity) -> Result<(), ApiError> {
        let still = self.verifier.confirm(identity, auth::now_s());
        still.map_err(|error| ApiError::Unauthorized(error.to_string()))
    }

    /// The caller's way into a room, which is opened for it if need be: a user opens so many a minute.
    pub fn open(&self, identity: &Identity, room: &RoomName) -> Result<Lease, ApiError> {
        self.count_opening(identity, room)?;
        Ok(self.directory.lookup(room))
    }

    /// The caller opens a room, or makes one.
    pub fn count_opening(&self, identity: &Identity, room: &RoomName) -> Result<(), ApiError> {
        if identity.is_server() {
            return Ok(());
        }
        let opened = self.openings.take(&identity.user, room, &self.directory, Instant::now());
        // Whoever waits for an answer is slow enough.
        opened.map(drop).map_err(|too_many| ApiError::TooMany(too_many.wait))
    }

    /// Before something is stored of this user: a room may be gone since it was read that they have made as many as they may.
    pub async fn look_at_rooms_of(&self, user: &UserId) -> Result<(), ApiError> {
        if self.quotas.have_all_rooms(user) { self.read_usage(user).await } else { Ok(()) }
    }

    /// Reads what a user has.
    pub async fn read_usage(&self, user: &UserId) -> Result<(), ApiError> {
        let used = self.store.usage_of(vec![user.clone()], self.quotas.user_rooms_max.unwrap_or(0)).await?;
        self.quotas.set(std::iter::once(user.clone()).zip(used));
        Ok(())
    }

    /// Who renders documents.
    pub fn render_turns() -> Turns {
        Turns::new(RENDERS_MAX, RENDERS_EACH_MAX)
    }

    /// Who restores.
    pub fn restore_turns() -> RoomTurns {
        RoomTurns::new(RESTORES_MAX)
    }

    /// Who has much looked at.
    pub fn scan_turns() -> Turns {
        Turns::new(SCANS_MAX, SCANS_EACH_MAX)
    }

    /// Who copies rooms.
    pub fn copy_turns() -> Turns {
        Turns::new(COPIES_MAX, COPIES_EACH_MAX)
    }

    /// Who reads pages.
    pub fn page_turns() -> Turns {
        Turns::new(PAGES_MAX, PAGES_EACH_MAX)
    }

    /// Who has other servers hear something.
    pub fn forwarding_turns() -> Turns {
        Turns::new(FORWARDED_MAX, FORWARDED_EACH_MAX)
    }

    /// Whether new connections are turned away because the server stops.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}
