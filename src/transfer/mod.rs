//! Documents in from other servers' storage, rooms out into files, and one room looked at: `tutti import`, `tutti export` and
//! `tutti room repair`. Works on the store by itself, whether or not a server runs beside it; knows no actors and no sockets.
//!
//! [`source`] reads what others wrote, [`name`] finds a room's name for it, [`import`] merges it into the room by the checks of a live
//! edit. [`export`] writes rooms out, [`timeline`] one room's entries, [`index`] remembers which rooms are written. [`repair`]
//! tells what of a room is damaged. [`console`] is what a person sees of it.

mod console;
mod export;
mod import;
mod index;
mod name;
mod repair;
mod source;
mod timeline;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

pub use export::Exported;
pub use import::Imported;

use crate::archive::{ArchiveError, DocumentRules};
use crate::config::{DatabaseUrl, ExportConfig, GcConfig, ImportConfig, RepairConfig};
use crate::ids::RoomName;
use crate::store::{Store, StoreError, StoreSettings};
use console::Console;

/// Under this name appends are remembered: never a running server's, which may have to ask for its own last one.
const SERVER_NAME: &str = "import";
/// The author of imported edits.
const AUTHOR: &str = "import";
/// How long one statement may take. Large documents are most of this work, and nobody waits at a keyboard.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

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

/// Takes documents into rooms. What was refused, and the sum at the end, goes to `out`; progress to the standard error output. Blocks.
pub fn import(config: &ImportConfig, out: &mut dyn Write) -> Result<Imported, TransferError> {
    runtime()?.block_on(import::run(config, &mut Console::new(out, "documents")))
}

/// Writes rooms out into files. What failed, and the sum at the end, goes to `out`; progress to the standard error output. Blocks.
pub fn export(config: &ExportConfig, out: &mut dyn Write) -> Result<Exported, TransferError> {
    runtime()?.block_on(export::run(config, &mut Console::new(out, "rooms")))
}

/// Tells on `out` what is wrong with a room's document as it is stored, and makes a new snapshot if it was asked to; whether anything
/// is wrong in the end. Blocks.
pub fn repair(config: &RepairConfig, out: &mut dyn Write) -> Result<bool, TransferError> {
    runtime()?.block_on(repair::run(config, out))
}

/// Nothing here is done at once: the store has threads of its own, and documents are taken one after another.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn settings(database: &DatabaseUrl, document_bytes_max: usize) -> StoreSettings {
    StoreSettings {
        connections_max: 2,
        statement_timeout: STATEMENT_TIMEOUT,
        entry_bytes_max: document_bytes_max,
        ..StoreSettings::new(database.expose(), SERVER_NAME)
    }
}

fn rules(bytes_max: usize, gc: &GcConfig) -> DocumentRules {
    DocumentRules { bytes_max, gc: gc.is_on, gc_off_rooms: gc.off_rooms.clone() }
}

/// The database as it is, never made nor migrated.
async fn open_as_it_is(database: &DatabaseUrl, document_bytes_max: usize) -> Result<Store, TransferError> {
    // Opening an SQLite file that is missing would make it.
    if let Some(file) = database.sqlite_file().filter(|file| !file.exists()) {
        return Err(TransferError::NoFile(std::path::absolute(file)?));
    }
    let store = Store::open(settings(database, document_bytes_max)).await?;
    match store.pending_migrations().await? {
        0 => Ok(store),
        _ => Err(TransferError::NotMigrated(database.to_string())),
    }
}
