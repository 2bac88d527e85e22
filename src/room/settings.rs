//! The limits and waits of rooms, as the configuration gives them.

use std::sync::Arc;
use std::time::Duration;

use super::quotas::Quotas;
use crate::rate::Rate;

/// What bounds each room and all of them together.
#[derive(Debug, Clone)]
pub struct RoomSettings {
    /// What one document may hold in memory, in bytes.
    pub document_bytes_max: usize,
    /// What all live documents may hold together, in bytes.
    pub documents_bytes_max: usize,
    /// Most bytes of uncommitted edits in one room; past it new edits wait with their clients.
    pub unsaved_bytes_max: usize,
    /// Most bytes of uncommitted edits in all rooms together.
    pub uncommitted_bytes_max: usize,
    /// How long a room without members stays loaded.
    pub idle: Duration,
    /// How long JSON clients take a user for present whose last socket dropped.
    pub presence_grace: Duration,
    /// What the awareness states of one room may hold, in bytes.
    pub awareness_bytes_max: usize,
    /// Of more users than this JSON clients are told the number only.
    pub presence_users_max: usize,
    /// Most entries that a JSON client is sent when it comes back.
    pub replay_entries_max: u64,
    /// How often JSON clients may say something in one room, all together.
    pub say_rate: Rate,
    /// How much editors may send to one room, all together.
    pub inflow_rate: Rate,
    /// Whether Hocuspocus apps' own texts are entries of the timeline.
    pub keeps_stateless: bool,
    /// What rooms and users may have on disk, and who may make rooms.
    pub quotas: Arc<Quotas>,
    /// Most entries in one transaction.
    pub batch_entries_max: usize,
    /// Most bytes in one transaction, but always one append.
    pub batch_bytes_max: usize,
}
