//! What a room is given when it starts.

use std::sync::Arc;

use actix::Addr;
use tokio::sync::Semaphore;

use super::commit::Journal;
use super::document::StateBudget;
use super::settings::RoomSettings;
use crate::archive::Archive;
use crate::budget::ByteBudget;
use crate::bus::Cluster;
use crate::seed::Seed;
use crate::store::Store;
use crate::webhooks::RoomEvents;

/// How rooms speak with the application's own back end.
#[derive(Clone)]
pub struct BackEnd {
    /// Asks for first contents, where the application has some.
    pub seed: Option<Arc<Seed>>,
    /// Takes what is in no timeline, for webhooks.
    pub events: RoomEvents,
}

/// What a room needs to start.
#[derive(Clone)]
pub struct RoomContext {
    /// Loads the room.
    pub archive: Archive,
    /// Reads timelines.
    pub store: Store,
    /// The other servers.
    pub cluster: Arc<Cluster>,
    /// Commits its entries.
    pub journal: Addr<Journal>,
    /// The application's own back end.
    pub back_end: BackEnd,
    /// Its limits.
    pub settings: Arc<RoomSettings>,
    /// What all rooms together may hold uncommitted.
    pub uncommitted: Arc<ByteBudget>,
    /// What all live documents may hold.
    pub documents: Arc<ByteBudget>,
    /// What large frames may hold that are not shared.
    pub states: Arc<StateBudget>,
    /// Permits to read what members lack: the database has other things to do.
    pub reading_permits: Arc<Semaphore>,
    /// Permits to make a snapshot: each holds a whole document in memory.
    pub snapshot_permits: Arc<Semaphore>,
}
