//! Another program's SQLite file with a table of documents, read only: what Hocuspocus' SQLite extension writes. Changes nothing in
//! it, and does not look into a document.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::error::StoreError;
use super::runtime::StoreRuntime;

/// How long to wait for the program that writes to the file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The table `documents` with the columns `name` and `data`.
pub struct DocumentTable {
    pool: SqlitePool,
    runtime: StoreRuntime,
}

/// A row of the table, without its data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentRow {
    /// Where it is, for [`DocumentTable::data`] and for the page after it.
    pub id: i64,
    /// The document's name.
    pub name: String,
    /// The data's length.
    pub bytes: u64,
}

impl DocumentTable {
    /// Opens the file, which must exist and have the table.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let runtime = StoreRuntime::start("store-foreign")?;
        let shown = path.display().to_string();
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(LOCK_TIMEOUT);
        let pool = runtime.run(async move {
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
            let sql = "select count(*) from pragma_table_info('documents') where name in ('name', 'data')";
            let columns: i64 = sqlx::query_scalar(sql).fetch_one(&pool).await?;
            Ok::<_, sqlx::Error>((pool, columns))
        });
        let (pool, columns) =
            pool.await?.map_err(|error| StoreError::Open(format!("{shown} cannot be read: {error}")))?;
        if columns != 2 {
            return Err(StoreError::Open(format!("{shown} has no table \"documents\" with \"name\" and \"data\"")));
        }
        Ok(Self { pool, runtime })
    }

    /// How many documents there are.
    pub async fn count(&self) -> Result<u64, StoreError> {
        let pool = self.pool.clone();
        let work = async move { sqlx::query_scalar("select count(*) from documents").fetch_one(&pool).await };
        let count: i64 = self.runtime.run(work).await??;
        Ok(count.unsigned_abs())
    }

    /// At most `limit` rows after the one with the id `after`, in the order of their ids.
    pub async fn rows(&self, after: Option<i64>, limit: u32) -> Result<Vec<DocumentRow>, StoreError> {
        let pool = self.pool.clone();
        let work = async move {
            let sql = "select rowid, cast(name as text), length(cast(data as blob)) from documents \
                       where $1 is null or rowid > $1 order by rowid limit $2";
            let rows: Vec<(i64, String, i64)> = sqlx::query_as(sql).bind(after).bind(limit).fetch_all(&pool).await?;
            Ok::<_, sqlx::Error>(rows)
        };
        let rows = self.runtime.run(work).await??;
        Ok(rows.into_iter().map(|(id, name, bytes)| DocumentRow { id, name, bytes: bytes.unsigned_abs() }).collect())
    }

    /// The data of the row `id`; `None` if it has gone meanwhile.
    pub async fn data(&self, id: i64) -> Result<Option<Bytes>, StoreError> {
        let pool = self.pool.clone();
        let work = async move {
            let sql = "select cast(data as blob) from documents where rowid = $1";
            sqlx::query_scalar::<_, Vec<u8>>(sql).bind(id).fetch_optional(&pool).await
        };
        Ok(self.runtime.run(work).await??.map(Bytes::from))
    }
}
