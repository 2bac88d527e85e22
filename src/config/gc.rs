//! Which documents drop what was deleted from them.

use super::options::GcOptions;
use super::reading::Reading;
use crate::ids::RoomPattern;

/// Most patterns of rooms.
const PATTERNS_MAX: usize = 1000;

/// Which documents drop what was deleted from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcConfig {
    /// Whether they do.
    pub is_on: bool,
    /// Rooms whose documents do not, all the same.
    pub off_rooms: Vec<RoomPattern>,
}

impl GcConfig {
    pub(super) fn read(reading: &mut Reading, options: &GcOptions) -> Self {
        let rooms = options.gc_off_rooms.as_deref().unwrap_or_default();
        Self {
            is_on: reading.boolean("gc", &options.gc),
            off_rooms: reading.list("gc-off-rooms", rooms, PATTERNS_MAX, RoomPattern::parse),
        }
    }
}
