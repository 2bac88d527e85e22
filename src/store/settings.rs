//! How a store is opened. Knows which URLs there are; reads no environment.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::error::StoreError;

/// What a database URL looks like, for error messages.
pub(super) const URL_HELP: &str =
    "it should look like sqlite://tutti.db or postgres://user:password@host:5432/database";

/// The longest name a server may have, in bytes.
const SERVER_NAME_BYTES_MAX: usize = 100;

/// Which database, and how long to wait for it.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite://<path>` or `postgres://…`; may hold a password, so it is never printed.
    pub url: String,
    /// Names this server among those that share the database, for people.
    pub server_name: String,
    /// Tells this start of this server from any other: under it its appends are remembered.
    pub incarnation: Uuid,
    /// Most connections at once: one appends (on Postgres one more, what other servers write to as well), the others read. At least one of
    /// each is used.
    pub connections_max: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for a lock that someone else holds.
    pub lock_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// Longest body of an entry.
    pub entry_bytes_max: usize,
    /// Whether appends keep count of what rooms and users have on disk.
    pub counts_usage: bool,
}

/// Which database a URL means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DatabaseKind {
    Postgres,
    Sqlite,
}

impl StoreSettings {
    /// The defaults, for the database at `url` and a server named `server_name`, which starts now.
    pub fn new(url: impl Into<String>, server_name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            server_name: server_name.into(),
            incarnation: Uuid::new_v4(),
            connections_max: 10,
            connect_timeout: Duration::from_secs(2),
            lock_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            entry_bytes_max: 64 << 20,
            counts_usage: false,
        }
    }

    /// Checks what can be checked without the database.
    pub(super) fn database_kind(&self) -> Result<DatabaseKind, StoreError> {
        let name = &self.server_name;
        if name.is_empty() || name.len() > SERVER_NAME_BYTES_MAX || name.contains('\0') {
            let message = format!("a server name has 1 to {SERVER_NAME_BYTES_MAX} bytes and no NUL");
            return Err(StoreError::Settings(message));
        }
        if self.url.starts_with("postgres://") || self.url.starts_with("postgresql://") {
            return Ok(DatabaseKind::Postgres);
        }
        let Some(path) = self.url.strip_prefix("sqlite:") else {
            return Err(StoreError::Settings(format!("the database URL is of an unknown kind: {URL_HELP}")));
        };
        if path.contains(":memory:") || path.contains("mode=memory") {
            let message = format!("a database in memory would lose everything when the server stops: {URL_HELP}");
            return Err(StoreError::Settings(message));
        }
        if path.trim_start_matches('/').split('?').next().unwrap_or_default().is_empty() {
            return Err(StoreError::Settings(format!("the database URL names no file: {URL_HELP}")));
        }
        Ok(DatabaseKind::Sqlite)
    }

    /// How long a whole operation may take: what the database's own time-outs do not cover (a network gone silent, say)
    /// ends here.
    pub(super) fn operation_timeout(&self) -> Duration {
        self.connect_timeout + self.lock_timeout + 2 * self.statement_timeout
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("url", &format_args!("<hidden>"))
            .field("server_name", &self.server_name)
            .field("incarnation", &self.incarnation)
            .field("connections_max", &self.connections_max)
            .field("connect_timeout", &self.connect_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("entry_bytes_max", &self.entry_bytes_max)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database_kind(url: &str) -> Result<DatabaseKind, StoreError> {
        StoreSettings::new(url, "s1").database_kind()
    }

    #[test]
    fn the_url_chooses_the_database() {
        assert_eq!(database_kind("sqlite://tutti.db"), Ok(DatabaseKind::Sqlite));
        assert_eq!(database_kind("sqlite:tutti.db"), Ok(DatabaseKind::Sqlite));
        assert_eq!(database_kind("sqlite:///var/lib/tutti.db?mode=rwc"), Ok(DatabaseKind::Sqlite));
        assert_eq!(database_kind("postgres://u:p@h/d"), Ok(DatabaseKind::Postgres));
        assert_eq!(database_kind("postgresql://h/d"), Ok(DatabaseKind::Postgres));
    }

    #[test]
    fn a_url_that_names_no_lasting_database_is_refused() {
        for url in ["", "mysql://h/d", "tutti.db", "sqlite://", "sqlite:", "sqlite::memory:", "sqlite://x?mode=memory"]
        {
            assert!(matches!(database_kind(url), Err(StoreError::Settings(_))), "{url}");
        }
    }

    #[test]
    fn a_server_name_has_bounds() {
        let check = |name: &str| StoreSettings::new("sqlite://t.db", name).database_kind().is_ok();
        assert!(check("s") && check(&"s".repeat(100)));
        assert!(!check("") && !check(&"s".repeat(101)) && !check("s\0"));
    }

    #[test]
    fn a_password_is_not_printed() {
        let settings = StoreSettings::new("postgres://ada:s3cret@h/d", "s1");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
