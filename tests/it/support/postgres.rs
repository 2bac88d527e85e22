//! A fresh Postgres database for servers that share one.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::Builder;

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
