//! Why an import, an export or a repair ended before its end.

use std::io;
use std::path::PathBuf;

use crate::archive::ArchiveError;
use crate::ids::RoomName;
use crate::store::StoreError;

/// Why an import or export ended before its end. What was done until then stays done; running it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A source as a whole cannot be read.
    #[error("{}: {reason}", .path.display())]
    Source {
        /// The source.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder of an export.
    #[error("{}: {error}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// A pattern that could match no room.
    #[error("{pattern:?}: {error}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        error: crate::ids::PatternError,
    },
    /// A room that is not in the database.
    #[error("there is no room {0}")]
    NoRoom(RoomName),
    /// Nothing of the documents of a source could be read.
    #[error(
        "none of the first {0} documents is a Yjs document, so the rest was not tried: is this the right source, and the right --from?"
    )]
    NoYjs(u64),
    /// The file of the database.
    #[error("there is no file {}: name the database with --database-url or DATABASE_URL", .0.display())]
    NoFile(PathBuf),
    /// A database without tables, or with those of an older release.
    #[error("{0} lacks tables of this release: name another database with --database-url, or run tutti migrate")]
    NotMigrated(String),
    /// A document cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Reading or writing files.
    #[error(transparent)]
    Io(#[from] io::Error),
}
