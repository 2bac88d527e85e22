//! Webhooks, on SQLite.

use std::collections::BTreeSet;

use sqlx::SqliteConnection as Connection;

use super::Sqlite;
use crate::store::copy::CREATED;
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::webhook::*;

impl Sqlite {
    /// A file has one server: what an earlier one held, nobody does.
    async fn end_leases(&self, connection: &mut Connection) -> sqlx::Result<()> {
        let sql = "update webhook_queue set lease = null, leased_until = 0";
        sqlx::query(sql).execute(connection).await.map(drop)
    }
}

webhook_methods!(Sqlite, "cast(unixepoch('subsec') * 1000 as integer)");
