//! Why the address of a database is refused.

/// The text is no address of a database that Tutti can use. The text may hold a password and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotADatabaseUrl {
    /// It is no such URL.
    #[error(
        "the address of the database must be sqlite://<path of a file> (no '%', not in memory) or postgres://user:password@host/database (special characters percent-encoded)"
    )]
    Form,
    /// Several servers, said otherwise than here.
    #[error("several Postgres servers, at most 8, are written as postgres://user:password@a:5432,b:5432/database")]
    Servers,
    /// A kind of session that could not write, or none.
    #[error("target_session_attrs must be any, read-write or primary: the server writes to its database")]
    Target,
    /// A certificate that would not be compared with anything.
    #[error(
        "with sslrootcert the address of the database needs sslmode=verify-full (or verify-ca): otherwise the certificate is not looked at"
    )]
    UnusedCertificate,
}
