//! What can go wrong with a database, sorted by what the caller can do about it. Knows both databases' error codes, so
//! that nothing else has to.

use std::time::Duration;

use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::ids::Seq;
use crate::layout::Newer;

/// Why the store could not do what it was asked. The messages are for logs and operators, never for clients; none of
/// them holds a password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// The settings cannot work. The message says what to change.
    #[error("{0}")]
    Settings(String),
    /// The database cannot be opened. The message says what to do.
    #[error("{0}")]
    Open(String),
    /// The database's tables do not fit this program.
    #[error("{0}")]
    Migration(String),
    /// The database does not answer, now: try again later. Of an append nobody knows whether it was stored: send it
    /// again with the same id.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The append took longer than one statement may, and is not stored. It may be too much for the database, or the database is
    /// slow: send it again apart from others ([`append_aside`](super::Store::append_aside)), with the same id or another.
    #[error("the database took too long to store it")]
    Slow,
    /// The append names a room that does not exist.
    #[error("no such room in the database")]
    NoSuchRoom,
    /// Other servers have written to the room since what the append was made [`after`](super::Append::after), and it is not stored:
    /// read up to there, and send what is still new under another id.
    #[error("the room's timeline has moved to {}", .0.0)]
    Moved(Seq),
    /// An erasure has begun or ended in the room since what this builds on was read, and nothing is stored: read the room anew.
    #[error("the room's entries were erased or are being erased since they were read")]
    Renewed,
    /// What was asked for is older than what is kept: the first entry that there is.
    #[error("entries before {} were dropped", .0.0)]
    Dropped(Seq),
    /// The room was deleted: nothing is read of it, and nothing stored in it.
    #[error("the room was deleted")]
    RoomDeleted,
    /// Whoever makes the room has made as many as they may, and it is not made.
    #[error("the room's maker has made as many rooms as they may")]
    TooManyRooms,
    /// Two appends of one batch name the same room; the second was not tried. A room has one append in flight.
    #[error("two appends of one batch name the same room")]
    RoomRepeated,
    /// A pack of edits cannot be unpacked. A document that needs it is not loaded: without them it would look whole, and be saved so. These
    /// edits are in a backup, if anywhere.
    #[error("the pack with the edits {first} to {last} of room {room} is damaged: restore the database from a backup")]
    DamagedPack {
        /// The room's row.
        room: i64,
        /// The seq of the first edit in it.
        first: Seq,
        /// That of the last one.
        last: Seq,
    },
    /// A newer release has stored what is needed, and it is nowhere else: a server of that release can do it.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// The database holds or answers what it never should: damage, or a bug of ours.
    #[error("unexpected answer from the database: {0}")]
    Unexpected(String),
}

/// How far a database's error reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// The data is at fault: only the entry that carries it fails, now and for ever.
    Data,
    /// One room may be at fault (its row is locked, say), and may work later.
    Room,
    /// The database is at fault: everything fails until it works again.
    Database,
}

/// Sorts `error` by how far it reaches.
pub(super) fn reach(error: &sqlx::Error) -> Reach {
    match error {
        sqlx::Error::Encode(_) => Reach::Data,
        sqlx::Error::Database(error) => {
            if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                postgres_reach(error.code())
            } else {
                sqlite_reach(sqlite_code(error.as_ref()))
            }
        }
        _ => Reach::Database,
    }
}

/// By SQLSTATE (PostgreSQL manual, appendix A).
fn postgres_reach(code: &str) -> Reach {
    match code {
        // Program limits (54) without "statement too complex" and its like, which are no entry's fault.
        "54000" => Reach::Data,
        // A lock not free in time: another room's may be.
        "55P03" => Reach::Room,
        _ => match code.get(..2) {
            // Data exceptions, broken constraints, an operator's trigger that raises.
            Some("22" | "23" | "P0") => Reach::Data,
            // Connection, transaction state (a database that became read-only, say), deadlock, resources, limits, state,
            // intervention, system.
            Some("08" | "25" | "40" | "53" | "54" | "55" | "57" | "58") => Reach::Database,
            _ => Reach::Room,
        },
    }
}

/// By primary result code (<https://sqlite.org/rescode.html>).
fn sqlite_reach(code: Option<i32>) -> Reach {
    match code {
        // TOOBIG, CONSTRAINT, MISMATCH.
        Some(18..=20) => Reach::Data,
        // ERROR: the statement itself.
        Some(1) => Reach::Room,
        // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN and what else is about the file.
        _ => Reach::Database,
    }
}

/// Whether a statement was ended because it took too long.
pub(super) fn is_slow(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "57014")
}

/// The primary result code, if `error` is SQLite's.
pub(super) fn sqlite_code(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Option<i32> {
    error.try_downcast_ref::<SqliteError>()?;
    let extended: i32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}

impl StoreError {
    /// The store was shut down.
    pub(super) fn closed() -> Self {
        Self::Unavailable("the store is closed".to_owned())
    }

    /// An operation took longer than `limit`.
    pub(super) fn timed_out(limit: Duration) -> Self {
        Self::Unavailable(format!("no answer within {limit:?}"))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_) => Self::Unexpected(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reaches_as_far_as_its_cause() {
        let postgres = [
            ("22021", Reach::Data),     // a NUL in a text
            ("23505", Reach::Data),     // unique
            ("54000", Reach::Data),     // an index row too long
            ("54001", Reach::Database), // stack depth
            ("55P03", Reach::Room),     // lock time-out
            ("42P01", Reach::Room),     // no such table
            ("25006", Reach::Database), // read-only
            ("40P01", Reach::Database), // deadlock
            ("53100", Reach::Database), // disk full
            ("57014", Reach::Database), // statement time-out
            ("57P01", Reach::Database), // shutdown
            ("", Reach::Room),
        ];
        for (code, expected) in postgres {
            assert_eq!(postgres_reach(code), expected, "{code}");
        }
        let sqlite = [
            (Some(19), Reach::Data),
            (Some(18), Reach::Data),
            (Some(1), Reach::Room),
            (Some(5), Reach::Database),
            (Some(13), Reach::Database),
            (None, Reach::Database),
        ];
        for (code, expected) in sqlite {
            assert_eq!(sqlite_reach(code), expected, "{code:?}");
        }
        assert_eq!(reach(&sqlx::Error::PoolTimedOut), Reach::Database);
    }
}
