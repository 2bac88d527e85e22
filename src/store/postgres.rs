//! The store on Postgres: opening, sessions, migrations. Any number of servers may share one database.

mod append;
mod read;
mod room;

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::time::timeout;

use super::append::append;
use super::entry::{Append, Outcome};
use super::error::StoreError;
use super::migrate;
use super::settings::StoreSettings;
use super::transaction::Rules;
use super::writer::Writer;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A migration waits this long for tables that are in use; how long it then takes is not limited.
const MIGRATION_LOCK_TIMEOUT: &str = "30s";

pub(super) struct Postgres {
    options: PgConnectOptions,
    writer: Writer<PgConnection>,
    /// For everything but appends, so that readers never keep an append waiting for a connection.
    pool: PgPool,
    rules: Rules,
}

impl Postgres {
    /// Connects once, so that what is wrong is known at once and exactly.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(&settings.url).map_err(|error| {
            StoreError::Settings(format!("the database URL is not valid ({error}): {}", super::settings::URL_HELP))
        })?;
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("tutti"),
        };
        let session = session(&options, settings);
        let limit = settings.connect_timeout;
        let connection = timeout(limit, session.connect()).await;
        let connection = match connection {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(open_error(&options, &error)),
            Err(_) => {
                return Err(StoreError::Open(format!("{} does not answer within {limit:?}", place(&options))));
            }
        };
        // The answer is known; how the connection ends does not matter.
        let _ = timeout(limit, connection.close()).await;
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max.saturating_sub(1).max(1))
            .acquire_timeout(settings.connect_timeout)
            .after_release(move |connection, _| Box::pin(still_answers(connection, limit)))
            .connect_lazy_with(session.clone());
        let writer = Writer::new(session, settings.connect_timeout, settings.operation_timeout());
        let rules = Rules { server: settings.server_name.clone(), entry_bytes_max: settings.entry_bytes_max };
        Ok(Self { options, writer, pool, rules })
    }

    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        let exists = "select to_regclass('_sqlx_migrations') is not null";
        let mut connection = self.pool.acquire().await?;
        let exists = sqlx::query_scalar(exists).fetch_one(&mut *connection).await?;
        migrate::pending(&MIGRATIONS, &mut *connection, exists).await
    }

    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let pending = self.pending_migrations().await?;
        if pending > 0 {
            let options = self.options.clone().options([("lock_timeout", MIGRATION_LOCK_TIMEOUT)]);
            let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
            // Takes an advisory lock, so of several servers that start together one migrates and the others find it done.
            MIGRATIONS.run(&pool).await.map_err(migrate::error)?;
            pool.close().await;
        }
        Ok(pending)
    }

    pub async fn append(&self, appends: &[Append]) -> Vec<Outcome> {
        append(&self.writer, &self.rules, appends).await
    }

    pub async fn close(&self) {
        self.writer.close().await;
        self.pool.close().await;
    }
}

/// Short waits and durable commits, for each session of ours.
fn session(options: &PgConnectOptions, settings: &StoreSettings) -> PgConnectOptions {
    let ms = |duration: Duration| format!("{}ms", duration.as_millis());
    options.clone().options([
        ("statement_timeout", ms(settings.statement_timeout)),
        ("lock_timeout", ms(settings.lock_timeout)),
        // A server that stops in the middle of an append must not keep its rooms locked for the others.
        ("idle_in_transaction_session_timeout", ms(settings.statement_timeout)),
        // An acknowledged entry is on disk, whatever the database's default.
        ("synchronous_commit", "on".to_owned()),
    ])
}

/// Whether a connection given back to the pool is usable: without an answer in time it would occupy its slot for as long
/// as TCP keeps trying.
async fn still_answers(connection: &mut PgConnection, limit: Duration) -> sqlx::Result<bool> {
    timeout(limit, connection.ping()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    Ok(true)
}

fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("Postgres at {}", socket.display()),
        None => format!("Postgres at {}:{}", options.get_host(), options.get_port()),
    }
}

/// Says what to do about a Postgres that cannot be opened.
fn open_error(options: &PgConnectOptions, error: &sqlx::Error) -> StoreError {
    let (place, user) = (place(options), options.get_username());
    let code = error.as_database_error().and_then(|error| error.code());
    StoreError::Open(match (code.as_deref(), error) {
        (Some("28P01" | "28000"), _) => {
            format!("{place} does not let user {user:?} in: check the user and the password in the database URL")
        }
        (Some("3D000"), _) => {
            let database = options.get_database().unwrap_or(user);
            format!("{place} has no database {database:?}: create it, or name another in the database URL")
        }
        (Some("42501"), _) => format!("{place} does not let user {user:?} into this database: grant connect on it"),
        (Some("53300"), _) => format!("{place} has no free connection: raise max_connections there, or use fewer here"),
        (_, sqlx::Error::Io(error)) => {
            format!("{place} cannot be reached ({error}): is it running, and is the database URL right?")
        }
        (_, sqlx::Error::Tls(error)) => format!("{place} cannot be reached by TLS ({error}): check sslmode"),
        _ => format!("{place} cannot be opened: {error}"),
    })
}
