//! One server of a name at a time on a Postgres database: an advisory lock that a session of its own holds. Two would overwrite what
//! the other may have to ask for after a lost answer. A server that is gone without a word loses it when its connection is noticed
//! to be dead.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::sessions::Sessions;
use crate::store::error::StoreError;

/// How often it is looked whether the lock's session lives.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// A machine that vanished is noticed within half a minute, where the database sees its connections itself.
const KEEPALIVES: &str = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3";

const LOCK: &str = "select pg_advisory_lock(hashtextextended('tutti server ' || $1, 0))";

const HOLDER: &str = "select pid, coalesce(host(client_addr), 'the same machine') || ' since ' || coalesce(backend_start::text, '?') \
    from pg_locks join pg_stat_activity using (pid) \
    where locktype = 'advisory' and granted \
      and pg_locks.database = (select oid from pg_database where datname = current_database()) \
      and (classid::bigint << 32) | objid::bigint = hashtextextended('tutti server ' || $1, 0)";

/// The name's lock, until it is dropped or the runtime ends.
pub(super) struct Claim(JoinHandle<()>);

impl Claim {
    /// Takes the lock of the server `name`, and takes it again whenever its session was lost.
    pub async fn take(sessions: Arc<Sessions>, name: String) -> Result<Self, StoreError> {
        let session = lock(&sessions, &name).await?;
        Ok(Self(tokio::spawn(hold(session, sessions, name))))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn hold(session: PgConnection, sessions: Arc<Sessions>, name: String) {
    let mut session = Some(session);
    loop {
        sleep(CHECK_EVERY).await;
        if let Some(held) = &mut session
            && matches!(timeout(sessions.timeout, held.ping()).await, Ok(Ok(())))
        {
            continue;
        }
        session = match lock(&sessions, &name).await {
            Ok(session) => {
                info!(server = name, "the server's name is held again in the database");
                Some(session)
            }
            // What is committed stays right; who starts a second server now is not stopped.
            Err(error) => {
                warn!(server = name, %error, "the server's name is not held in the database");
                None
            }
        };
    }
}

/// Waits for the lock as long as for any other: the session of a server that has just ended may end a moment later.
async fn lock(sessions: &Sessions, name: &str) -> Result<PgConnection, StoreError> {
    let mut session = sessions.connect().await?;
    sqlx::raw_sql(KEEPALIVES).execute(&mut session).await?;
    let locked = sqlx::query(LOCK).bind(name).execute(&mut session).await;
    match locked {
        Ok(_) => Ok(session),
        Err(error) if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("55P03") => {
            let holder: Option<(i32, String)> = sqlx::query_as(HOLDER).bind(name).fetch_optional(&mut session).await?;
            Err(taken(name, holder))
        }
        Err(error) => Err(error.into()),
    }
}

fn taken(name: &str, holder: Option<(i32, String)>) -> StoreError {
    let (who, end) = match holder {
        Some((pid, from)) => (
            format!(" (backend {pid}, from {from})"),
            format!(" If that server is gone, end its session: select pg_terminate_backend({pid})"),
        ),
        None => Default::default(),
    };
    StoreError::Open(format!(
        "another server named {name:?} works on this database{who}: stop it, or give this one a TUTTI_SERVER_NAME of its own.{end}"
    ))
}
