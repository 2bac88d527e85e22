//! Webhooks, on Postgres.

use std::collections::BTreeSet;

use sqlx::PgConnection as Connection;

use super::Postgres;
use super::readers::Lent;
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::statements::Statements;
use crate::store::webhook::*;

/// A transaction beside those of appends. Dropped without [`commit`](Self::commit), nothing of it is stored.
struct Writing<'p>(Lent<'p>);

impl Writing<'_> {
    fn connection(&mut self) -> &mut Connection {
        &mut self.0.connection
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.0.connection.run("commit").await?;
        self.0.keep();
        Ok(())
    }

    async fn roll_back(mut self) -> Result<(), StoreError> {
        self.0.connection.run("rollback").await?;
        self.0.keep();
        Ok(())
    }
}

impl Lent<'_> {
    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Postgres {
    async fn reading(&self) -> Result<Lent<'_>, StoreError> {
        self.readers.lend().await
    }

    async fn writing(&self) -> Result<Writing<'_>, StoreError> {
        let mut lent = self.readers.lend().await?;
        lent.connection.run("begin").await?;
        Ok(Writing(lent))
    }

    /// Other servers may hold some.
    async fn end_leases(&self, _: &mut Connection) -> sqlx::Result<()> {
        Ok(())
    }
}

webhook_methods!(Postgres, "(extract(epoch from clock_timestamp()) * 1000)::bigint");
