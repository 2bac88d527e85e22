//! Revocations, on Postgres.

use super::Postgres;
use crate::store::error::StoreError;
use crate::store::revocation::{self, FORGET_SQL, REVOCATIONS_SQL, REVOKE_SQL, RevocationColumns, RevocationRow, ms};

impl Postgres {
    pub async fn revoke(&self, row: &RevocationRow) -> Result<(), StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query(REVOKE_SQL).bind(row.kind.column()).bind(&row.subject).bind(ms(row.at_s));
        query.bind(ms(row.until_s)).execute(&mut lent.connection).await?;
        lent.keep();
        Ok(())
    }

    pub async fn revocations(
        &self,
        since_s: u64,
        (kind, subject): &(i16, String),
        limit: u32,
    ) -> Result<Vec<RevocationRow>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query_as(REVOCATIONS_SQL).bind(ms(since_s)).bind(kind).bind(subject).bind(i64::from(limit));
        let rows: Vec<RevocationColumns> = query.fetch_all(&mut lent.connection).await?;
        lent.keep();
        revocation::rows(rows)
    }

    pub async fn forget_revocations(&self, now_s: u64) -> Result<(), StoreError> {
        let mut lent = self.readers.lend().await?;
        sqlx::query(FORGET_SQL).bind(ms(now_s)).execute(&mut lent.connection).await?;
        lent.keep();
        Ok(())
    }
}
