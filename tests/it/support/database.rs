//! The database behind a server, as another program on it would be.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

/// Runs a statement behind the server's back.
pub fn execute(url: &str, sql: &str) {
    run(url, sql, |_| ());
}

/// The number that a query answers.
pub fn number(url: &str, sql: &str) -> i64 {
    run(url, sql, |rows| rows[0].get(0))
}

fn run<T>(url: &str, sql: &str, read: impl FnOnce(Vec<SqliteRow>) -> T) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
        let read = read(rows);
        connection.close().await.unwrap();
        read
    })
}

/// Keeps everyone else from writing while it lives.
pub struct Lock {
    runtime: Runtime,
    connection: Option<SqliteConnection>,
}

impl Lock {
    /// Waits for its turn, then holds the database.
    pub fn hold(url: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            sqlx::raw_sql("begin immediate").execute(&mut connection).await.unwrap();
            connection
        });
        Self { runtime, connection: Some(connection) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            self.runtime.block_on(async {
                sqlx::raw_sql("rollback").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
        }
    }
}
