//! Webhooks, on SQLite.

use std::collections::BTreeSet;

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite as Database, SqliteConnection as Connection};

use super::Sqlite;
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::webhook::*;
use crate::store::writer::Begun;

struct Reading(PoolConnection<Database>);

impl Reading {
    fn connection(&mut self) -> &mut Connection {
        &mut self.0
    }

    fn keep(self) {}
}

struct Writing<'s>(Begun<'s, Connection>);

impl Writing<'_> {
    fn connection(&mut self) -> &mut Connection {
        &mut self.0.0.connection
    }

    async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

impl Sqlite {
    async fn reading(&self) -> Result<Reading, StoreError> {
        Ok(Reading(self.readers.acquire().await?))
    }

    async fn writing(&self) -> Result<Writing<'_>, StoreError> {
        Ok(Writing(self.writer.begin().await?))
    }

    /// A file has one server: what an earlier one held, nobody does.
    async fn end_leases(&self, connection: &mut Connection) -> sqlx::Result<()> {
        let sql = "update webhook_queue set lease = null, leased_until = 0";
        sqlx::query(sql).execute(connection).await.map(drop)
    }
}

webhook_methods!(Sqlite, "cast(unixepoch('subsec') * 1000 as integer)");
