//! What all sockets of a server share.

use std::sync::Arc;

use super::event_streams::EventStreams;
use super::gate::UserGate;
use super::openings::RoomOpenings;
use super::rates::SharedRates;
use super::settings::SocketSettings;
use crate::auth::Verifier;
use crate::budget::ByteBudget;
use crate::bus::Cluster;
use crate::room::{Directory, Relays, UserSockets};

/// What all sockets of a server share.
pub struct SocketContext {
    /// The other servers.
    pub cluster: Arc<Cluster>,
    /// Finds rooms.
    pub directory: Arc<Directory>,
    /// The relays of the room threads.
    pub relays: Arc<Relays>,
    /// Limits and waits.
    pub settings: SocketSettings,
    /// Counts connections by user.
    pub users: Arc<UserGate>,
    /// The JSON sockets of each user.
    pub user_sockets: Arc<UserSockets>,
    /// The event streams, for what their clients say.
    pub event_streams: Arc<EventStreams>,
    /// How many rooms each user may open.
    pub openings: Arc<RoomOpenings>,
    /// What clients may say how often.
    pub rates: Arc<SharedRates>,
    /// Checks tokens that come in band.
    pub verifier: Arc<Verifier>,
    /// What all unfinished messages together may hold.
    pub unfinished: Arc<ByteBudget>,
    /// The same of clients without a token, who have no part in that; and what waits for tokens and rooms.
    pub strangers: Arc<ByteBudget>,
    /// What all outboxes together may hold.
    pub outboxes: Arc<ByteBudget>,
}
