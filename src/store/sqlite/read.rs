//! Reading timelines, on SQLite.

use bytes::Bytes;

use super::Sqlite;
use crate::ids::{RoomName, Seq};
use crate::store::entry::{Entry, EntryKind, HistoryQuery, Kinds, Loaded, Page, RoomId};
use crate::store::error::StoreError;
use crate::store::rows::{self, HistoryColumns};

impl Sqlite {
    pub async fn load(&self, name: &RoomName) -> Result<Option<Loaded>, StoreError> {
        // One view for all four statements: the head and the edits belong together.
        let mut tx = self.readers.begin().await?;
        let sql = "select id, head, deleted_at is not null from room where name = $1";
        let room: Option<(i64, i64, bool)> = sqlx::query_as(sql).bind(name.as_str()).fetch_optional(&mut *tx).await?;
        let Some((room, head, is_deleted)) = room else { return Ok(None) };
        if is_deleted {
            return Err(StoreError::RoomDeleted);
        }

        let sql = "select seq, state from snapshot where room_id = $1 order by seq desc limit 1";
        let snapshot: Option<(i64, Vec<u8>)> = sqlx::query_as(sql).bind(room).fetch_optional(&mut *tx).await?;

        let sql = "select seq, body from entry where room_id = $1 and seq > $2 and kind = $3 order by seq";
        let after = snapshot.as_ref().map_or(0, |(seq, _)| *seq);
        let query = sqlx::query_as(sql).bind(room).bind(after).bind(rows::kind_column(EntryKind::Edit));
        let edits: Vec<(i64, Vec<u8>)> = query.fetch_all(&mut *tx).await?;

        let sql = "select client_id, user_id from client where room_id = $1";
        let clients: Vec<(i64, String)> = sqlx::query_as(sql).bind(room).fetch_all(&mut *tx).await?;
        tx.commit().await?;

        Ok(Some(Loaded {
            id: RoomId(room),
            head: rows::seq(head),
            snapshot: snapshot.map(|(seq, state)| (rows::seq(seq), Bytes::from(state))),
            edits: edits.into_iter().map(|(seq, body)| (rows::seq(seq), Bytes::from(body))).collect(),
            clients: clients.into_iter().map(rows::client).collect(),
        }))
    }

    pub async fn history(&self, room: RoomId, query: &HistoryQuery) -> Result<Vec<Entry>, StoreError> {
        let sql = rows::history_sql!(query, "length(body)", "x'7b2274797065223a22636f6d6d656e742e'");
        let columns = HistoryColumns::from(query);
        let found = sqlx::query_as(sql)
            .bind(room.0)
            .bind(columns.after)
            .bind(columns.before)
            .bind(columns.kind)
            .bind(columns.author)
            .bind(columns.limit)
            .bind(columns.bodiless)
            .fetch(&self.readers);
        Ok(rows::page(query, found).await?.entries)
    }

    pub async fn count_but_edits(&self, room: RoomId, after: Seq, limit: u64) -> Result<u64, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar(rows::COUNT_SQL).bind(room.0).bind(rows::seq_column(after)).bind(limit);
        let count: i64 = query.fetch_one(&self.readers).await?;
        Ok(count.unsigned_abs())
    }
}
