//! Where everything durable lies.

use std::time::Duration;

use super::DatabaseUrl;
use super::options::StoreOptions;
use super::reading::Reading;
use super::retention::Retention;

/// Longest time that a deleted room is kept: ten years, in seconds.
const DELETED_KEPT_S_MAX: u64 = 3_650 * 86_400;
/// Edits older than that are compressed, where one server has the database to itself.
const COMPACT_AFTER: Duration = Duration::from_secs(3_600);
/// Longest time that edits stay as they came, where they are compressed at all: ten years, in seconds.
const COMPACT_AFTER_S_MAX: u64 = 3_650 * 86_400;
/// Longest wait for the database: a day, in seconds.
const WAIT_S_MAX: u64 = 86_400;

/// Where everything durable lies.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database.
    pub url: DatabaseUrl,
    /// Most connections to it.
    pub connections_max: u32,
    /// How long a start waits for a database that is not there yet.
    pub wait: Duration,
    /// How long a deleted room can be taken back.
    pub deleted_rooms_kept: Duration,
    /// Edits older than that are compressed; `None`: never.
    pub compact_after: Option<Duration>,
    /// How long rooms keep what was written in them.
    pub retention: Retention,
    /// This server's name among those on the same database.
    pub server_name: String,
}

impl StoreConfig {
    pub(super) fn read(reading: &mut Reading, options: &StoreOptions) -> Self {
        let connections = &options.database_connections_max;
        let url = DatabaseUrl::read(reading, &options.database_url);
        // An older server beside this one would take packed edits for missing: who has several turns it on once all can read packs.
        let automatic = url.sqlite_file().map(|_| COMPACT_AFTER);
        let compact_after =
            reading.duration_or_never("compact-after", &options.compact_after, COMPACT_AFTER_S_MAX, automatic);
        Self {
            url,
            compact_after,
            connections_max: reading.number("database-connections-max", connections, 1..=1000) as u32,
            wait: reading.duration("database-wait", &options.database_wait, 0..=WAIT_S_MAX),
            deleted_rooms_kept: reading.duration(
                "deleted-rooms-kept",
                &options.deleted_rooms_kept,
                1..=DELETED_KEPT_S_MAX,
            ),
            retention: Retention::read(reading, options),
            server_name: reading.parsed("server-name", &options.server_name, String::new(), |name| {
                let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
                match (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
                    true => Ok(name.to_owned()),
                    false => Err("1 to 64 characters of A-Z a-z 0-9 . _ -"),
                }
            }),
        }
    }
}
