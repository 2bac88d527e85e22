//! Finds out whether a connection is a session. Behind a pooler that hands sessions out by the transaction it is not: settings,
//! locks and prepared statements would end up with others.

use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::time::timeout;

use super::sessions::{SESSION_POOLING, Sessions};
use crate::store::error::StoreError;

/// Other clients of the pooler may come between, so once is not enough.
const ROUNDS: u32 = 3;

/// Refuses a pooler that does not keep a session for each connection.
///
/// It is asked for what no such pooler can do: to stay with one backend while another connection works. A pooler takes the backend
/// back at the end of a transaction. It gives the next who asks either the one used last, which is then the other connection's,
/// or one after the other, which two questions in a row show. If it has but one, the question is not answered.
pub(super) async fn demand_sessions(sessions: &Sessions) -> Result<(), StoreError> {
    let limit = sessions.timeout;
    let mut session = sessions.connect().await?;
    let mut other = sessions.connect().await.map_err(|error| {
        StoreError::Unavailable(format!("{error} (as a second connection: is there room for all of them?)"))
    })?;
    let is_kept = timeout(limit, stays(&mut session, &mut other)).await;
    let why = match is_kept {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => "the backend of a connection changes between its transactions".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {limit:?} while another connection has a transaction open"),
    };
    Err(StoreError::Unavailable(format!(
        "connections to Postgres are not sessions of their own ({why}): {SESSION_POOLING}"
    )))
}

async fn stays(session: &mut PgConnection, other: &mut PgConnection) -> sqlx::Result<bool> {
    for _ in 0..ROUNDS {
        let first = backend(session, "").await?;
        let second = backend(session, "").await?;
        backend(other, "begin;").await?;
        let third = backend(session, "").await?;
        sqlx::raw_sql("rollback").execute(&mut *other).await?;
        if first != second || second != third {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The process that serves the connection, after `before` has run.
async fn backend(connection: &mut PgConnection, before: &str) -> sqlx::Result<String> {
    let sql = format!("{before} select pg_backend_pid()::text");
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0)
}
