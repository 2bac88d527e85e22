//! How large documents may be, and which of them keep what was deleted.

use crate::document::Blocks;
use crate::ids::{RoomName, RoomPattern};

/// What holds for the documents of all rooms.
#[derive(Debug, Clone)]
pub struct DocumentRules {
    /// What a document may hold in memory, in bytes.
    pub bytes_max: usize,
    /// Whether deleted content is dropped.
    pub gc: bool,
    /// Rooms where it is kept all the same.
    pub gc_off_rooms: Vec<RoomPattern>,
}

impl DocumentRules {
    /// A document without anything in it, for a room of this name.
    pub fn empty(&self, room: &RoomName) -> Blocks {
        let keeps_deleted = !self.gc || self.gc_off_rooms.iter().any(|pattern| pattern.matches(room));
        Blocks::new(self.bytes_max, keeps_deleted)
    }
}
