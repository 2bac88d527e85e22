//! The database that an import, an export or a repair works on.

use std::time::Duration;

use super::error::TransferError;
use crate::archive::DocumentRules;
use crate::config::{DatabaseUrl, GcConfig};
use crate::store::{Store, StoreSettings};

/// Its name among servers.
const SERVER_NAME: &str = "import";
/// How long one statement may take. Large documents are most of this work, and nobody waits at a keyboard.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// How it is opened.
pub(super) fn settings(database: &DatabaseUrl, document_bytes_max: usize) -> StoreSettings {
    StoreSettings {
        connections_max: 2,
        statement_timeout: STATEMENT_TIMEOUT,
        entry_bytes_max: document_bytes_max,
        ..StoreSettings::new(database.expose(), SERVER_NAME)
    }
}

/// How documents are read.
pub(super) fn rules(bytes_max: usize, gc: &GcConfig) -> DocumentRules {
    DocumentRules { bytes_max, gc: gc.is_on, gc_off_rooms: gc.off_rooms.clone() }
}

/// The database as it is, never made nor migrated.
pub(super) async fn open_as_it_is(database: &DatabaseUrl, document_bytes_max: usize) -> Result<Store, TransferError> {
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
