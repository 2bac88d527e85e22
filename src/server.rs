//! The server of a configuration, from start to stop.

use crate::config::{Config, StoreConfig};

/// Why the server could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// This build has the command line only.
    #[error("this build has no server yet")]
    Missing,
}

/// Runs until a signal stops it.
pub fn run(_config: Config) -> Result<(), ServerError> {
    Err(ServerError::Missing)
}

/// Brings the database's tables up to date, and returns how many migrations ran.
pub fn migrate(_store: StoreConfig) -> Result<usize, ServerError> {
    Err(ServerError::Missing)
}
