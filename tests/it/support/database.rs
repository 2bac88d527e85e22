//! The database behind a server, as another program on it would be.

use sqlx::{Connection, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

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
