//! One server at a time on an SQLite file: a lock of the system on a file beside it, which ends with the process, however it ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::store::error::StoreError;

/// Locks the file beside the database at `path`, until what is returned is dropped. It stays there: whoever removed it could take it
/// from under another's lock.
pub(super) fn claim(path: &Path) -> Result<File, StoreError> {
    let lock = lock_path(path);
    let shown = lock.display();
    // Only locked, never written.
    let file = File::options().create(true).append(true).open(&lock);
    let file = file.map_err(|error| {
        StoreError::Open(format!(
            "{shown} cannot be opened ({error}): give this program write access to it and its folder"
        ))
    })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Open(format!(
                "{} is in use by another Tutti server, which holds {shown}: stop that one, or give this one a database of its own",
                path.display()
            )));
        }
        Err(TryLockError::Error(error)) => {
            warn!(%error, file = %shown, "this file system has no locks: nothing keeps a second server from starting");
        }
    }
    Ok(file)
}

/// By whatever path and links the database is reached, there is one such file.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(".lock");
    name.into()
}
