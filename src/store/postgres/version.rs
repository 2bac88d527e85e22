//! Versions, on Postgres.

use super::Postgres;
use crate::ids::Seq;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::version::{
    self, CHANGE_SQL, COUNT_SQL, HAS_SQL, REMOVE_SQL, VERSIONS_SQL, VersionChange, VersionColumns, VersionRow, add_sql,
};

impl Postgres {
    pub async fn versions(&self, room: RoomId) -> Result<Vec<VersionRow>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let rows: Vec<VersionColumns> =
            sqlx::query_as(VERSIONS_SQL).bind(room.0).fetch_all(&mut lent.connection).await?;
        lent.keep();
        rows.into_iter().map(version::row).collect()
    }

    pub async fn add_version(&self, room: RoomId, row: &VersionRow) -> Result<VersionChange, StoreError> {
        let mut lent = self.readers.lend().await?;
        let has = sqlx::query_scalar(HAS_SQL).bind(room.0).bind(seq_column(row.seq)).bind(&row.label);
        let has: i64 = has.fetch_one(&mut lent.connection).await?;
        let count: i64 = sqlx::query_scalar(COUNT_SQL).bind(room.0).fetch_one(&mut lent.connection).await?;
        let change = version::judge(has > 0, count, true);
        let mut added = 0;
        if change == VersionChange::Done {
            let query = sqlx::query(add_sql!(" for key share")).bind(room.0).bind(seq_column(row.seq)).bind(&row.label);
            let query = query.bind(row.author.as_str()).bind(row.at_ms).bind(row.meta.as_deref());
            added = query.execute(&mut lent.connection).await?.rows_affected();
        }
        lent.keep();
        Ok(if change == VersionChange::Done && added == 0 { VersionChange::Taken } else { change })
    }

    pub async fn change_version(
        &self,
        room: RoomId,
        (seq, label): (Seq, &str),
        row: &VersionRow,
    ) -> Result<VersionChange, StoreError> {
        let mut lent = self.readers.lend().await?;
        let has = sqlx::query_scalar(HAS_SQL).bind(room.0).bind(seq_column(seq)).bind(&row.label);
        let has: i64 = has.fetch_one(&mut lent.connection).await?;
        let mut change = version::judge(has > 0 && row.label != label, 0, false);
        if change == VersionChange::Done {
            let query = sqlx::query(CHANGE_SQL).bind(room.0).bind(seq_column(seq)).bind(label).bind(&row.label);
            let query = query.bind(row.author.as_str()).bind(row.at_ms).bind(row.meta.as_deref());
            if query.execute(&mut lent.connection).await?.rows_affected() == 0 {
                change = VersionChange::Missing;
            }
        }
        lent.keep();
        Ok(change)
    }

    pub async fn remove_version(&self, room: RoomId, seq: Seq, label: &str) -> Result<VersionChange, StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query(REMOVE_SQL).bind(room.0).bind(seq_column(seq)).bind(label);
        let removed = query.execute(&mut lent.connection).await?.rows_affected();
        lent.keep();
        Ok(if removed == 0 { VersionChange::Missing } else { VersionChange::Done })
    }
}
