//! Why the server could not start.

use std::io;
use std::path::PathBuf;

use tokio_rustls::rustls;

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
    /// The certificate and its key.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS cannot be set up with it.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
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

/// Why TLS cannot be served. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("the file {} of {variable} cannot be read ({source}); name one that is there and let this user read it", path.display())]
    Read {
        /// The setting that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate in PEM form.
    #[error("the file {} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----), the server's own first and those that vouch for it after it", .0.display())]
    NoCertificate(PathBuf),
    /// No key in PEM form.
    #[error("the file {} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----, not encrypted)", .0.display())]
    NoKey(PathBuf),
    /// Each is good, but they do not belong together.
    #[error("the key in {} does not belong to the first certificate in {}; name the two files that were made together", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Of a kind that cannot be used.
    #[error("the certificate in {} cannot be served with its key: {source}; use an ECDSA, Ed25519 or RSA key", certificate.display())]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}
