//! The store on an embedded SQLite file: opening, migrations. One server at a time, beside which others may read and import.

mod access;
mod append;
mod claim;
mod copy;
mod deletion;
mod erasure;
mod log;
mod packing;
mod read;
mod resource;
mod retention;
mod revocation;
mod room;
mod segment;
mod server;
mod usage;
mod version;
mod webhook;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, SqlitePool};

use super::append::append;
use super::entry::{Append, Outcome};
use super::error::{StoreError, sqlite_code};
use super::migrate::{self, migrations};
use super::settings::StoreSettings;
use super::transaction::Rules;
use super::writer::Writer;
use append::SqliteSource;
use claim::claim;

pub(super) static MIGRATIONS: LazyLock<Migrator> = migrations!("sqlite": 1 "0001_timeline", 2 "0002_entries_but_edits", 3 "0003_steps", 4 "0004_revocation", 5 "0005_via", 7 "0007_history", 10 "0010_version_meta", 17 "0017_webhooks", 18 "0018_room_deletion", 19 "0019_room_meta",
    20 "0020_packs", 21 "0021_retention", 22 "0022_usage", 23 "0023_comments", 24 "0024_erasure", 25 "0025_history_times", 26 "0026_room_makers", 29 "0029_erasure_failure",
    1001 "1001_large_bodies", 1002 "1002_narrow_tables");

pub(super) struct Sqlite {
    /// Everything that writes: SQLite has one writer at a time, and waiting in order beats polling for its lock.
    writer: Arc<Writer<SqliteConnection>>,
    readers: SqlitePool,
    rules: Rules,
    path: PathBuf,
    claim: Mutex<Option<File>>,
}

impl Sqlite {
    /// Opens the file, makes it if it is missing, and begins to write once, so that what is wrong is known at once.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(&settings.url).map_err(|error| {
            StoreError::Settings(format!("the database URL is not valid ({error}): {}", super::settings::URL_HELP))
        })?;
        let path = options.get_filename().to_owned();
        let options = options.busy_timeout(settings.lock_timeout).foreign_keys(true);
        let writing = options
            .clone()
            .create_if_missing(true)
            // Of a new file only: tables that are nearly empty take less, and it can give back what packs save.
            .page_size(2048)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on disk before it is acknowledged; NORMAL would lose the last ones with the power.
            .synchronous(SqliteSynchronous::Full)
            .thread_name(|_| "store-writer".to_owned());
        probe(&writing).await.map_err(|error| open_error(&path, &error))?;
        // A timeline is read from one end to the other: what was read is not asked for again, so each keeps little of it (in KiB).
        let reading = options.pragma("query_only", "on").pragma("cache_size", "-256");
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.connections_max.saturating_sub(1).max(1))
            .acquire_timeout(settings.connect_timeout)
            .connect_lazy_with(reading.thread_name(|id| format!("store-reader-{id}")));
        let writing = log::pragmas().into_iter().fold(writing, |writing, (name, value)| writing.pragma(name, value));
        let source = SqliteSource { options: writing, timeout: settings.connect_timeout };
        let writer = Arc::new(Writer::new(source, settings.connect_timeout, settings.operation_timeout()));
        tokio::spawn(log::keep_short(path.clone(), readers.clone(), writer.clone()));
        let rules = Rules {
            server: settings.incarnation.to_string(),
            entry_bytes_max: settings.entry_bytes_max,
            counts_usage: settings.counts_usage,
        };
        Ok(Self { writer, readers, rules, path, claim: Mutex::default() })
    }

    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        let exists = "select exists (select 1 from sqlite_schema where name = '_sqlx_migrations')";
        let mut connection = self.readers.acquire().await?;
        let exists = sqlx::query_scalar(exists).fetch_one(&mut *connection).await?;
        Ok(migrate::pending(&MIGRATIONS, &mut *connection, exists).await?.len())
    }

    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let pending = self.pending_migrations().await?;
        if pending > 0 {
            // A server that runs has no pending migrations of its own: it must be an older one.
            let _claim = if self.held().is_none() { Some(claim(&self.path)?) } else { None };
            let pool =
                SqlitePoolOptions::new().max_connections(1).connect_with(self.writer.source.options.clone()).await?;
            MIGRATIONS.run(&pool).await.map_err(migrate::error)?;
            if pending == MIGRATIONS.iter().count() {
                // Of a new file: pages that one migration used and another left, which nobody would give back for long.
                sqlx::raw_sql("vacuum").execute(&pool).await?;
            }
            pool.close().await;
        }
        Ok(pending)
    }

    pub async fn append(&self, appends: &[Append]) -> Vec<Outcome> {
        append(&self.writer, &self.rules, appends).await
    }

    pub async fn claim(&self) -> Result<(), StoreError> {
        *self.held() = Some(claim(&self.path)?);
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Option<File>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The readers first, so that the last connection is the writer's, which may tidy the write-ahead log away.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        *self.held() = None;
    }
}

/// Writes, and takes it back. Beginning to write is not enough: on a file it may only read, SQLite begins to read.
async fn probe(options: &SqliteConnectOptions) -> sqlx::Result<()> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    let write = "begin immediate; create table _tutti_probe (id integer); rollback";
    sqlx::raw_sql(write).execute(&mut connection).await?;
    connection.close().await
}

/// Says what to do about a file that cannot be opened.
fn open_error(path: &Path, error: &sqlx::Error) -> StoreError {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let (file, folder_name) = (path.display(), folder.display());
    let code = error.as_database_error().and_then(sqlite_code);
    StoreError::Open(match code {
        _ if path.is_dir() => format!("{file} is a folder: name a file in it in the database URL"),
        _ if !folder.is_dir() => format!("there is no folder {folder_name} for the database: create it"),
        // NOTADB, CORRUPT.
        Some(26) => format!("{file} is not an SQLite database: name another file in the database URL"),
        Some(11) => format!("the database {file} is damaged: restore it from a backup"),
        // PERM, READONLY, CANTOPEN, AUTH.
        Some(3 | 8 | 14 | 23) => {
            format!("{file} cannot be written: give this program write access to it and to the folder {folder_name}")
        }
        // BUSY, LOCKED.
        Some(5 | 6) => format!("{file} is in use by another program: stop that one, or name another file"),
        // FULL.
        Some(13) => format!("no space is left for {file}"),
        _ => format!("{file} cannot be opened: {error}"),
    })
}
