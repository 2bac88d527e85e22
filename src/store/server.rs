//! The servers that share a database, as a table has them. Who judges by it whether one lives compares the beats that it sees at two
//! moments of its own: no clock of another counts.

use uuid::Uuid;

/// Rows of `last_append` that are deleted at once.
pub const SWEPT_EACH: u32 = 10_000;

/// Another server's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerRow {
    /// This start of it.
    pub incarnation: Uuid,
    /// Its name, for people.
    pub label: String,
    /// Its program's version.
    pub version: String,
    /// Raised as long as it lives.
    pub beats: i64,
    /// Whether it was raised in the last few seconds, by the database's clock: then it may well live.
    pub is_recent: bool,
}
