//! Segments of histories, on SQLite.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::Connection;

use super::Sqlite;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::rows::{self, seq_column};
use crate::store::segment::{
    self, BEHIND_SQL, FORGET_SQL, HistorySegment, LAST_ROOM_SQL, SEGMENTS_SQL, save_sql, segment_methods,
};
use crate::store::timeline::StoredPack;

impl Sqlite {
    pub async fn segments(&self, room: RoomId, after: Seq) -> Result<Vec<HistorySegment>, StoreError> {
        let found = sqlx::query_as(SEGMENTS_SQL).bind(room.0).bind(seq_column(after)).fetch(&self.readers);
        Ok(segment::page(found).await?.0)
    }

    pub async fn save_segment(&self, room: RoomId, segment: &HistorySegment, epoch: i64) -> Result<bool, StoreError> {
        let mut begun = self.writer.begin().await?;
        let query =
            sqlx::query(save_sql!("")).bind(room.0).bind(seq_column(segment.after)).bind(seq_column(segment.seq));
        let saved = query
            .bind(&segment.body[..])
            .bind(segment.times.as_deref())
            .bind(epoch)
            .execute(&mut begun.0.connection)
            .await?;
        begun.commit().await?;
        Ok(saved.rows_affected() > 0)
    }

    pub async fn forget_segments(&self, room: RoomId, after: Seq) -> Result<(), StoreError> {
        let mut begun = self.writer.begin().await?;
        let query = sqlx::query(FORGET_SQL).bind(room.0).bind(seq_column(after));
        query.execute(&mut begun.0.connection).await?;
        Ok(begun.commit().await?)
    }

    pub async fn rooms_behind(
        &self,
        (after, upto): (RoomId, RoomId),
        entries: i64,
    ) -> Result<Vec<(RoomId, RoomName)>, StoreError> {
        let query = sqlx::query_as(BEHIND_SQL).bind(after.0).bind(upto.0).bind(entries);
        let rows: Vec<(i64, String)> = query.fetch_all(&self.readers).await?;
        rows.into_iter().map(segment::behind).collect()
    }

    pub async fn last_room(&self) -> Result<RoomId, StoreError> {
        Ok(RoomId(sqlx::query_scalar(LAST_ROOM_SQL).fetch_one(&self.readers).await?))
    }

    pub async fn all_clients(&self, room: RoomId) -> Result<Vec<(u64, UserId)>, StoreError> {
        let sql = "select client_id, user_id from client where room_id = $1";
        let clients: Vec<(i64, String)> = sqlx::query_as(sql).bind(room.0).fetch_all(&self.readers).await?;
        Ok(clients.into_iter().map(rows::client).collect())
    }
}

segment_methods!(Sqlite, "begin");
