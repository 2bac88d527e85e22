//! A fresh Postgres database for servers that share one.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::{Builder, Runtime};

/// A database that nobody else knows; gone when dropped.
pub struct Postgres {
    pub url: String,
    admin_url: String,
    name: String,
}

impl Postgres {
    pub fn fresh(name: &str) -> Self {
        let admin_url = std::env::var("TUTTI_TEST_POSTGRES_URL")
            .expect("TUTTI_TEST_POSTGRES_URL must name a Postgres role that may create databases: scripts/with-postgres.sh starts one");
        let name = format!("tutti_it_{name}_{}", std::process::id());
        execute(&admin_url, &format!("create database {name}"));
        let (server, _) = admin_url.rsplit_once('/').expect("a URL with a database");
        Self { url: format!("{server}/{name}"), admin_url, name }
    }

    /// Runs statements behind the server's back.
    pub fn execute(&self, sql: &str) {
        execute(&self.url, sql);
    }

    /// The one number that a query asks for.
    pub fn number(&self, sql: &str) -> i64 {
        let mut held = self.hold("begin");
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut held.connection);
        held.runtime.block_on(query).unwrap()
    }

    /// Begins a transaction as another server does, which holds its locks until it ends.
    pub fn hold(&self, sql: &str) -> Transaction {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut connection = runtime.block_on(PgConnection::connect(&self.url)).unwrap();
        runtime.block_on(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection)).unwrap();
        Transaction { connection, runtime }
    }
}

/// A transaction that is open; rolled back when dropped.
pub struct Transaction {
    connection: PgConnection,
    runtime: Runtime,
}

impl Transaction {
    /// Ends it by `commit` or `rollback`.
    pub fn end(mut self, how: &'static str) {
        self.runtime.block_on(sqlx::raw_sql(how).execute(&mut self.connection)).unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        execute(&self.admin_url, &format!("drop database {} with (force)", self.name));
    }
}

fn execute(url: &str, sql: &str) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}
