//! The limits and waits of rooms, as the configuration gives them.

use std::time::Duration;

/// What bounds each room and all of them together.
#[derive(Debug, Clone)]
pub struct RoomSettings {
    /// Largest document, as an encoded state, in bytes.
    pub document_bytes_max: usize,
    /// Most bytes of uncommitted edits in one room; past it new edits wait with their clients.
    pub unsaved_bytes_max: usize,
    /// Most bytes of uncommitted edits in all rooms together.
    pub uncommitted_bytes_max: usize,
    /// How long a room without members stays loaded.
    pub idle: Duration,
    /// Most entries in one transaction.
    pub batch_entries_max: usize,
    /// Most bytes in one transaction, but always one append.
    pub batch_bytes_max: usize,
}
