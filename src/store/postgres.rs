//! The store on Postgres: opening, migrations. Any number of servers may share one database.

mod access;
mod append;
mod copy;
mod deletion;
mod erasure;
mod explain;
mod notify;
mod packing;
mod pooler;
mod read;
mod readers;
mod resource;
mod retention;
mod revocation;
mod room;
mod segment;
mod server;
mod sessions;
mod usage;
mod version;
mod webhook;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::migrate::{Migration, Migrator};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;
use uuid::Uuid;

use super::append::append;
use super::entry::{Append, Outcome};
use super::error::StoreError;
use super::migrate::{self, migrations};
use super::number::Head;
use super::settings::StoreSettings;
use super::transaction::Rules;
use super::writer::Writer;
pub use notify::{Listener, NOTIFICATION_BYTES_MAX, Notifications, Notifier};
use pooler::demand_sessions;
use readers::Readers;
use sessions::Sessions;

pub(super) static MIGRATIONS: LazyLock<Migrator> = migrations!("postgres": 1 "0001_timeline", 2 "0002_entries_but_edits", 3 "0003_steps", 4 "0004_revocation", 5 "0005_via",
    6 "0006_servers", 7 "0007_history", 10 "0010_version_meta", 17 "0017_webhooks", 18 "0018_room_deletion", 19 "0019_room_meta",
    20 "0020_packs", 21 "0021_retention", 22 "0022_usage", 23 "0023_comments", 24 "0024_erasure", 25 "0025_history_times", 26 "0026_room_makers", 29 "0029_erasure_failure");

/// A migration waits this long for tables that are in use; how long it then takes is not limited.
const MIGRATION_WAITS: &str =
    "set lock_timeout = '30s'; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0";

/// How long a transaction may take that keeps no other room waiting; each of its statements is as short as any.
const ASIDE_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct Postgres {
    sessions: Arc<Sessions>,
    writer: Writer<PgConnection>,
    /// For rooms that other servers write to as well, and may keep locked: those of this server alone do not wait for them.
    shared: Writer<PgConnection>,
    /// For an append that may take long. Its connection is closed after each.
    aside: Writer<PgConnection>,
    /// For everything but appends, so that readers never keep an append waiting for a connection.
    readers: Readers,
    rules: Rules,
    incarnation: Uuid,
    server_name: String,
}

impl Postgres {
    /// Connects, so that what is wrong is known at once and exactly.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let sessions = Arc::new(Sessions::new(settings)?);
        demand_sessions(&sessions).await.map_err(|error| match error {
            StoreError::Unavailable(problem) => StoreError::Open(problem),
            error => error,
        })?;
        // One writes, one where others write, too.
        let readers = Readers::new(sessions.clone(), settings.connections_max.saturating_sub(2).max(1));
        let shared = Writer::new(sessions.clone(), settings.connect_timeout, settings.operation_timeout());
        let writer = Writer::new(sessions.clone(), settings.connect_timeout, settings.operation_timeout());
        let aside =
            Writer::new(sessions.clone(), settings.connect_timeout, ASIDE_TIMEOUT.max(settings.operation_timeout()));
        let rules = Rules {
            server: settings.incarnation.to_string(),
            entry_bytes_max: settings.entry_bytes_max,
            counts_usage: settings.counts_usage,
        };
        let (incarnation, server_name) = (settings.incarnation, settings.server_name.clone());
        Ok(Self { sessions, writer, shared, aside, readers, rules, incarnation, server_name })
    }

    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        Ok(self.pending().await?.len())
    }

    async fn pending(&self) -> Result<Vec<&'static Migration>, StoreError> {
        let exists = "select to_regclass('_sqlx_migrations') is not null";
        let mut lent = self.readers.lend().await?;
        let exists = sqlx::query_scalar(exists).fetch_one(&mut lent.connection).await?;
        let pending = migrate::pending(&MIGRATIONS, &mut lent.connection, exists).await?;
        lent.keep();
        Ok(pending)
    }

    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let pending = self.pending().await?;
        if !pending.is_empty() {
            let mut connection = self.sessions.connect().await?;
            sqlx::raw_sql(MIGRATION_WAITS).execute(&mut connection).await?;
            // Takes an advisory lock, so of several servers that start together one migrates and the others find it done.
            let migrated = MIGRATIONS.run_direct(None, &mut connection, false).await;
            migrated.map_err(|error| migrate::failed(error, &pending, self.sessions.role()))?;
            // It is done; how the connection ends does not matter.
            let _ = timeout(self.sessions.timeout, connection.close()).await;
        }
        Ok(pending.len())
    }

    pub async fn append(&self, appends: &[Append]) -> Vec<Outcome> {
        append(&self.writer, &self.rules, appends).await
    }

    pub async fn append_aside(&self, appends: &[Append]) -> Vec<Outcome> {
        let outcomes = append(&self.aside, &self.rules, appends).await;
        self.aside.rest().await;
        outcomes
    }

    pub async fn append_shared(&self, appends: &[Append]) -> Vec<Outcome> {
        append(&self.shared, &self.rules, appends).await
    }

    pub fn hear(&self, heads: &[Head]) {
        self.writer.hear(heads);
        self.shared.hear(heads);
    }

    pub async fn claim(&self) -> Result<(), StoreError> {
        Ok(())
    }

    pub async fn close(&self) {
        self.writer.close().await;
        self.shared.close().await;
        self.aside.close().await;
        self.readers.close().await;
    }
}
