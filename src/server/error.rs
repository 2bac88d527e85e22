//! Why the server could not start.

use std::io;

use crate::auth::{KeyError, MintError};
use crate::config::Bind;
use crate::store::StoreError;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key for tokens.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Guests' tokens cannot be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The address.
    #[error(
        "cannot listen on {address}: {source}; is another server running there? --bind (TUTTI_BIND) takes another address"
    )]
    Bind {
        /// The address asked for.
        address: Bind,
        /// What the system said.
        source: io::Error,
    },
    /// Too few files may be open.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// Something else of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the process may have open is too little to start.
#[derive(Debug, thiserror::Error)]
#[error(
    "the process may have {limit} files open, and needs {needed} to serve at all: raise the limit (`ulimit -n`, LimitNOFILE), \
     or set fewer TUTTI_WORKERS, TUTTI_ROOM_THREADS and TUTTI_DATABASE_CONNECTIONS_MAX"
)]
pub struct TooFewDescriptors {
    pub(super) limit: u64,
    pub(super) needed: u64,
}
