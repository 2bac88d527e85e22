//! Erasing, on SQLite; and what a file keeps of what was in it.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, SqliteConnection as Connection};
use tokio::time::sleep;

use super::Sqlite;
use super::access::Writing;
use super::append::INLINE_BODY_BYTES_MAX;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::entry::{RoomId, is_being_erased};
use crate::store::erasure::{
    self, BegunErasure, ErasedPack, ErasureColumns, ErasureProgress, ErasureRow, Locked, NewPack, Rewrite, Rewritten,
    SnapshotColumns, erasure_methods, pending_sql,
};
use crate::store::error::StoreError;
use crate::store::rows::{self, EntryColumns, seq_column};
use crate::store::statements::Statements;
use crate::store::timeline::{PackColumns, StoredPack};

erasure_methods!(Sqlite, sqlite, "");

/// How long it is waited for whoever still reads what the log has; and between two tries.
const READERS_TIMEOUT: Duration = Duration::from_secs(30);
const BETWEEN_TRIES: Duration = Duration::from_millis(250);
/// How long one try keeps those who write waiting.
const TRY_TIMEOUT: Duration = Duration::from_millis(50);

impl Sqlite {
    /// Keeps an entry's new body elsewhere if it is large, in place of the old one; what of it lies in its row.
    async fn keep_body<'b>(
        connection: &mut Connection,
        room: RoomId,
        seq: Seq,
        body: &'b [u8],
    ) -> sqlx::Result<&'b [u8]> {
        let sql = "delete from large_body where room_id = $1 and seq = $2";
        sqlx::query(sql).bind(room.0).bind(seq_column(seq)).execute(&mut *connection).await?;
        if body.len() <= INLINE_BODY_BYTES_MAX {
            return Ok(body);
        }
        let sql = "insert into large_body (room_id, seq, body) values ($1, $2, $3)";
        sqlx::query(sql).bind(room.0).bind(seq_column(seq)).bind(body).execute(&mut *connection).await?;
        Ok(&[])
    }

    /// Leaves nothing of what was deleted or rewritten in the file and its log. Clearing what is deleted (`secure_delete`) is not
    /// enough: a page that SQLite has put in order keeps copies of rows that moved, and what was deleted by an older release is
    /// there, too. So the file is written anew, with what is in it.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        // First, since nothing is won as long as somebody reads what the log has.
        self.cut_log().await?;
        let mut begun = self.writer.begin().await?;
        begun.0.connection.run("rollback").await?;
        begun.0.connection.run("vacuum").await?;
        begun.0.keep();
        self.cut_log().await
    }

    /// Writes what the log has into the file, and leaves nothing in it.
    async fn cut_log(&self) -> Result<(), StoreError> {
        // Most of it while others write.
        self.checkpoint().await?;
        let mut connection = self.to_cut_log().await?;
        let begun = Instant::now();
        while !is_log_cut(&mut connection).await? {
            if begun.elapsed() > READERS_TIMEOUT {
                return Err(StoreError::timed_out(READERS_TIMEOUT));
            }
            sleep(BETWEEN_TRIES).await;
        }
        Ok(connection.close().await?)
    }

    /// A connection that waits for others for a short time only.
    async fn to_cut_log(&self) -> sqlx::Result<Connection> {
        let mut connection = self.writer.source.options.connect().await?;
        // Only now: to open the file waits for whoever writes, for as long as any statement does.
        let sql = AssertSqlSafe(format!("pragma busy_timeout = {}", TRY_TIMEOUT.as_millis()));
        sqlx::query(sql).execute(&mut connection).await?;
        Ok(connection)
    }
}

/// Cuts the log, unless somebody reads what it has or writes; whether it is.
async fn is_log_cut(connection: &mut Connection) -> sqlx::Result<bool> {
    let query = sqlx::query_as("pragma wal_checkpoint(truncate)");
    let (busy, _, _): (i64, i64, i64) = query.fetch_one(connection).await?;
    Ok(busy == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Backend, Store, StoreSettings};

    #[test]
    fn the_log_is_not_cut_while_somebody_writes_and_that_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("tutti.db").display());
        actix_rt::System::new().block_on(async {
            let store = Store::open(StoreSettings::new(url.clone(), "s1")).await.unwrap();
            store.migrate().await.unwrap();
            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            let mut cutting = sqlite.to_cut_log().await.unwrap();
            let mut writer = Connection::connect(&url).await.unwrap();
            sqlx::raw_sql("begin immediate").execute(&mut writer).await.unwrap();
            assert!(!is_log_cut(&mut cutting).await.unwrap());
            sqlx::raw_sql("commit").execute(&mut writer).await.unwrap();
            assert!(is_log_cut(&mut cutting).await.unwrap());
        });
    }
}
