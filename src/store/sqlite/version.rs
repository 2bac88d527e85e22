//! Versions, on SQLite.

use super::Sqlite;
use crate::ids::Seq;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::version::{
    self, CHANGE_SQL, COUNT_SQL, HAS_SQL, REMOVE_SQL, VERSIONS_SQL, VersionChange, VersionColumns, VersionRow, add_sql,
};

impl Sqlite {
    pub async fn versions(&self, room: RoomId) -> Result<Vec<VersionRow>, StoreError> {
        let rows: Vec<VersionColumns> = sqlx::query_as(VERSIONS_SQL).bind(room.0).fetch_all(&self.readers).await?;
        rows.into_iter().map(version::row).collect()
    }

    pub async fn add_version(&self, room: RoomId, row: &VersionRow) -> Result<VersionChange, StoreError> {
        let mut begun = self.writer.begin().await?;
        let has = sqlx::query_scalar(HAS_SQL).bind(room.0).bind(seq_column(row.seq)).bind(&row.label);
        let has: i64 = has.fetch_one(&mut begun.0.connection).await?;
        let count: i64 = sqlx::query_scalar(COUNT_SQL).bind(room.0).fetch_one(&mut begun.0.connection).await?;
        let change = version::judge(has > 0, count, true);
        let mut added = 0;
        if change == VersionChange::Done {
            let query = sqlx::query(add_sql!("")).bind(room.0).bind(seq_column(row.seq)).bind(&row.label);
            let query = query.bind(row.author.as_str()).bind(row.at_ms).bind(row.meta.as_deref());
            added = query.execute(&mut begun.0.connection).await?.rows_affected();
        }
        begun.commit().await?;
        Ok(if change == VersionChange::Done && added == 0 { VersionChange::Taken } else { change })
    }

    pub async fn change_version(
        &self,
        room: RoomId,
        (seq, label): (Seq, &str),
        row: &VersionRow,
    ) -> Result<VersionChange, StoreError> {
        let mut begun = self.writer.begin().await?;
        let has = sqlx::query_scalar(HAS_SQL).bind(room.0).bind(seq_column(seq)).bind(&row.label);
        let has: i64 = has.fetch_one(&mut begun.0.connection).await?;
        let mut change = version::judge(has > 0 && row.label != label, 0, false);
        if change == VersionChange::Done {
            let query = sqlx::query(CHANGE_SQL).bind(room.0).bind(seq_column(seq)).bind(label).bind(&row.label);
            let query = query.bind(row.author.as_str()).bind(row.at_ms).bind(row.meta.as_deref());
            if query.execute(&mut begun.0.connection).await?.rows_affected() == 0 {
                change = VersionChange::Missing;
            }
        }
        begun.commit().await?;
        Ok(change)
    }

    pub async fn remove_version(&self, room: RoomId, seq: Seq, label: &str) -> Result<VersionChange, StoreError> {
        let mut begun = self.writer.begin().await?;
        let query = sqlx::query(REMOVE_SQL).bind(room.0).bind(seq_column(seq)).bind(label);
        let removed = query.execute(&mut begun.0.connection).await?.rows_affected();
        begun.commit().await?;
        Ok(if removed == 0 { VersionChange::Missing } else { VersionChange::Done })
    }
}
