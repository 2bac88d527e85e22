//! Where everything durable lies: which kind of database, and how to name it without its password.

use std::fmt;
use std::path::{Path, PathBuf};

use super::PostgresUrl;
use super::database_url_error::NotADatabaseUrl;
use super::reading::Reading;

/// The address of a database. `Debug` and `Display` leave out user, password and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: String,
    kind: DatabaseKind,
}

/// Which database it is.
#[derive(Clone, PartialEq, Eq)]
enum DatabaseKind {
    Sqlite { file: PathBuf },
    Postgres { shown: String },
}

impl DatabaseUrl {
    /// Reads the address.
    pub fn parse(text: &str) -> Result<Self, NotADatabaseUrl> {
        let kind = match text.split_once(':') {
            Some(("sqlite", rest)) => sqlite(rest)?,
            Some(("postgres" | "postgresql", _)) => DatabaseKind::Postgres { shown: PostgresUrl::parse(text)?.shown() },
            _ => return Err(NotADatabaseUrl::Form),
        };
        Ok(Self { url: text.to_owned(), kind })
    }

    /// Reads the option; a wrong value is not repeated, because it may hold a password.
    pub(super) fn read(reading: &mut Reading, text: &str) -> Self {
        let url = Self::parse(text).unwrap_or_else(|error| {
            reading.problem("database-url", error.to_string());
            Self { url: String::new(), kind: DatabaseKind::Sqlite { file: PathBuf::new() } }
        });
        reading.setting("database-url", &url);
        url
    }

    /// The whole address, password included: for the store only, never for a log.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// The file, if it is SQLite's.
    pub fn sqlite_file(&self) -> Option<&Path> {
        match &self.kind {
            DatabaseKind::Sqlite { file } => Some(file),
            DatabaseKind::Postgres { .. } => None,
        }
    }

    /// Where a key made by the server lies: beside the SQLite file, or in the working folder with Postgres.
    pub fn key_file(&self) -> PathBuf {
        match &self.kind {
            DatabaseKind::Sqlite { file } => {
                let mut path = file.clone().into_os_string();
                path.push(".key");
                path.into()
            }
            DatabaseKind::Postgres { .. } => Path::new("tutti.key").to_owned(),
        }
    }
}

/// `//path?parameters` or `path`. A `%` is refused because the database's own reader would decode it, and the key
/// would then lie beside another file.
fn sqlite(rest: &str) -> Result<DatabaseKind, NotADatabaseUrl> {
    let (file, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let file = file.strip_prefix("//").unwrap_or(file);
    let is_in_memory = file.starts_with(':') || parameters.contains("mode=memory");
    if file.is_empty() || file.starts_with("//") || file.ends_with('/') || is_in_memory || file.contains(['%', '\0']) {
        return Err(NotADatabaseUrl::Form);
    }
    Ok(DatabaseKind::Sqlite { file: file.into() })
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DatabaseKind::Sqlite { file } => write!(f, "sqlite://{}", file.display()),
            DatabaseKind::Postgres { shown } => f.write_str(shown),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_lies_beside_the_sqlite_file_and_in_the_working_folder_with_postgres() {
        let cases = [
            ("sqlite://tutti.db", "tutti.db.key"),
            ("sqlite:tutti.db?mode=rwc", "tutti.db.key"),
            ("sqlite:///var/lib/tutti/my file.db", "/var/lib/tutti/my file.db.key"),
            ("postgres://u:p@db/tutti", "tutti.key"),
        ];
        for (url, key) in cases {
            assert_eq!(DatabaseUrl::parse(url).map(|url| url.key_file()), Ok(key.into()), "{url}");
        }
    }

    #[test]
    fn user_password_and_parameters_are_never_shown() {
        let cases = [
            ("postgres://ann:hunter2@db:5433/tutti?sslmode=require&password=hunter2", "postgres://db:5433/tutti"),
            ("postgres://hunter2:hunter2@%2Frun%2Fpg/tutti", "postgres://%2Frun%2Fpg/tutti"),
            ("postgresql://db/tutti?user=a@b&password=hunter2", "postgres://db/tutti"),
            ("postgres://ann:hunter2%40%2F@[::1]/t", "postgres://[::1]/t"),
            ("postgres://ann:hunter2@a:1,[::1]:2,c/t?target_session_attrs=any", "postgres://a:1,[::1]:2,c/t"),
        ];
        for (url, shown) in cases {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(format!("{parsed:?}"), format!("DatabaseUrl({shown})"));
            assert_eq!(parsed.expose(), url);
        }
    }

    #[test]
    fn what_is_no_usable_database_is_refused() {
        let refused = [
            "",
            "tutti.db",
            "mysql://a/b",
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://a?mode=memory",
            "sqlite://data/",
            "sqlite:////a.db",
            "sqlite://a%20b.db",
            "postgres:tutti",
            "postgres://u:p/w@host/db",
            "postgres://u:1/w@host/db",
            "postgres://h:port/db",
            "postgres://h/db#x",
        ];
        for text in refused {
            assert_eq!(DatabaseUrl::parse(text), Err(NotADatabaseUrl::Form), "{text:?}");
        }
    }
}
