//! Connections for statements that both databases share, on SQLite.

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite as Database, SqliteConnection as Connection};

use super::Sqlite;
use crate::store::error::StoreError;
use crate::store::writer::Begun;

/// A connection that reads.
pub(super) struct Reading(PoolConnection<Database>);

impl Reading {
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.0
    }

    pub fn keep(self) {}
}

/// A transaction on the writer's connection. Dropped without [`commit`](Self::commit), nothing of it is stored.
pub(super) struct Writing<'s>(Begun<'s, Connection>);

impl Writing<'_> {
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.0.0.connection
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    pub async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

impl Sqlite {
    pub(super) async fn reading(&self) -> Result<Reading, StoreError> {
        Ok(Reading(self.readers.acquire().await?))
    }

    pub(super) async fn writing(&self) -> Result<Writing<'_>, StoreError> {
        Ok(Writing(self.writer.begin().await?))
    }
}
