//! Connections for statements that both databases share, on Postgres.

use sqlx::PgConnection as Connection;

use super::Postgres;
use super::readers::Lent;
use crate::store::error::StoreError;
use crate::store::statements::Statements;

/// A transaction beside those of appends. Dropped without [`commit`](Self::commit), nothing of it is stored.
pub(super) struct Writing<'p>(Lent<'p>);

impl Writing<'_> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.0.connection
    }

    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.0.connection.run("commit").await?;
        self.0.keep();
        Ok(())
    }

    pub async fn roll_back(mut self) -> Result<(), StoreError> {
        self.0.connection.run("rollback").await?;
        self.0.keep();
        Ok(())
    }
}

impl Lent<'_> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Postgres {
    pub(super) async fn reading(&self) -> Result<Lent<'_>, StoreError> {
        self.readers.lend().await
    }

    pub(super) async fn writing(&self) -> Result<Writing<'_>, StoreError> {
        let mut lent = self.readers.lend().await?;
        lent.connection.run("begin").await?;
        Ok(Writing(lent))
    }
}
