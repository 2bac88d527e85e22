//! Segments of histories, on Postgres.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::Connection;

use super::Postgres;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::rows::{self, seq_column};
use crate::store::segment::{
    self, BEHIND_SQL, FORGET_SQL, HistorySegment, LAST_ROOM_SQL, SEGMENTS_SQL, save_sql, segment_methods,
};
use crate::store::timeline::StoredPack;

impl Postgres {
    pub async fn segments(&self, room: RoomId, after: Seq) -> Result<Vec<HistorySegment>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let found = sqlx::query_as(SEGMENTS_SQL).bind(room.0).bind(seq_column(after)).fetch(&mut lent.connection);
        let (segments, is_cut) = segment::page(found).await?;
        // What was left unread would come before the next one's answer.
        if !is_cut {
            lent.keep();
        }
        Ok(segments)
    }

    pub async fn save_segment(&self, room: RoomId, segment: &HistorySegment, epoch: i64) -> Result<bool, StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query(save_sql!(" for key share"))
            .bind(room.0)
            .bind(seq_column(segment.after))
            .bind(seq_column(segment.seq));
        let saved = query
            .bind(&segment.body[..])
            .bind(segment.times.as_deref())
            .bind(epoch)
            .execute(&mut lent.connection)
            .await?;
        lent.keep();
        Ok(saved.rows_affected() > 0)
    }

    pub async fn forget_segments(&self, room: RoomId, after: Seq) -> Result<(), StoreError> {
        let mut lent = self.readers.lend().await?;
        sqlx::query(FORGET_SQL).bind(room.0).bind(seq_column(after)).execute(&mut lent.connection).await?;
        lent.keep();
        Ok(())
    }

    pub async fn rooms_behind(
        &self,
        (after, upto): (RoomId, RoomId),
        entries: i64,
    ) -> Result<Vec<(RoomId, RoomName)>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query_as(BEHIND_SQL).bind(after.0).bind(upto.0).bind(entries);
        let rows: Vec<(i64, String)> = query.fetch_all(&mut lent.connection).await?;
        lent.keep();
        rows.into_iter().map(segment::behind).collect()
    }

    pub async fn last_room(&self) -> Result<RoomId, StoreError> {
        let mut lent = self.readers.lend().await?;
        let id = sqlx::query_scalar(LAST_ROOM_SQL).fetch_one(&mut lent.connection).await?;
        lent.keep();
        Ok(RoomId(id))
    }

    pub async fn all_clients(&self, room: RoomId) -> Result<Vec<(u64, UserId)>, StoreError> {
        let sql = "select client_id, user_id from client where room_id = $1";
        let mut lent = self.readers.lend().await?;
        let clients: Vec<(i64, String)> = sqlx::query_as(sql).bind(room.0).fetch_all(&mut lent.connection).await?;
        lent.keep();
        Ok(clients.into_iter().map(rows::client).collect())
    }
}

segment_methods!(Postgres, "begin isolation level repeatable read read only");
