//! What `tutti check` finds out about a database. Changes nothing in it.

use super::certificate::Certificate;
use super::key_set::{self, KeySetError};
use super::{CertificateError, ServerError, store_settings};
use crate::auth::Verifier;
use crate::config::{EdgeConfig, JwtConfig, JwtKey, StoreConfig};
use crate::store::{Store, StoreError};

/// What a server would find.
#[derive(Debug)]
pub enum DatabaseState {
    /// No file yet; the server makes it.
    NoFile,
    /// So many migrations are missing; the server makes them if it may.
    Behind(usize),
    /// Up to date, its sessions have the settings that a server needs, and an entry could be saved.
    Good,
    /// Up to date, but nothing can be saved now.
    NotSaving(StoreError),
}

/// Reads the key set of a verifier whose keys are at an address, as a server does at its start.
pub fn read_key_set(config: &JwtConfig, verifier: &Verifier) -> Result<(), KeySetError> {
    match (&config.key, verifier.key_set()) {
        (JwtKey::KeySet { url, .. }, Some(keys)) => {
            actix_rt::System::new().block_on(key_set::read(url, keys)).map(drop)
        }
        _ => Ok(()),
    }
}

/// Whether TLS could be served, where that is configured.
pub fn check_certificate(config: &EdgeConfig) -> Result<(), CertificateError> {
    config.tls.as_ref().map_or(Ok(()), |files| Certificate::open(files).map(drop))
}

/// Looks at the database, beside a server or without one.
pub fn check(config: &StoreConfig) -> Result<DatabaseState, ServerError> {
    if config.url.sqlite_file().is_some_and(|file| !file.exists()) {
        return Ok(DatabaseState::NoFile);
    }
    let (store, state) = actix_rt::System::new().block_on(async {
        // Nothing is appended, so the longest entry does not matter.
        let store = Store::open(store_settings(config, 0)).await?;
        let state = match store.pending_migrations().await? {
            0 => store.can_save().await.map_or_else(DatabaseState::NotSaving, |()| DatabaseState::Good),
            count => DatabaseState::Behind(count),
        };
        Ok::<_, ServerError>((store, state))
    })?;
    store.shutdown();
    Ok(state)
}
