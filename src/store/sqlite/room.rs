//! Rooms and snapshots, on SQLite.

use bytes::Bytes;

use super::Sqlite;
use crate::ids::{RoomName, Seq};
use crate::store::entry::{Maker, RoomId, RoomRow};
use crate::store::error::StoreError;
use crate::store::rows::{self, AnyRoomColumns, RoomColumns};
use crate::store::snapshot::{self, snapshot_methods};
use crate::store::statements::Statements;
use crate::store::transaction::now_ms;

/// Saves an entry in a room that no client can name, and deletes both: what is only taken back never reaches the disk.
const SAVE_AND_DELETE: &str = "
    insert into room (name, last_at, created_at) values ('', 0, 0);
    insert into entry (room_id, seq, kind, author, at, body) select id, 1, 3, '', 0, x'' from room where name = '';
    delete from entry where room_id = (select id from room where name = '');
    delete from room where name = ''";

impl Sqlite {
    /// Reads, and saves an entry that nobody sees, by the way that entries take.
    pub async fn probe(&self) -> Result<(), StoreError> {
        sqlx::query("select 1 from room limit 1").fetch_optional(&self.readers).await?;
        let mut begun = self.writer.begin().await?;
        begun.0.connection.run(SAVE_AND_DELETE).await?;
        Ok(begun.commit().await?)
    }

    pub async fn ensure_room(&self, name: &RoomName, by: Option<&Maker>) -> Result<RoomId, StoreError> {
        // Looked up first: most rooms exist, and readers need not wait for the writer.
        if let Some((row, is_deleted)) = self.room(name).await? {
            return if is_deleted { Err(StoreError::RoomDeleted) } else { Ok(row.id) };
        }
        let mut begun = self.writer.begin().await?;
        // It may have been made meanwhile.
        let sql = "select id, deleted_at is not null from room where name = $1";
        let query = sqlx::query_as(sql).bind(name.as_str());
        if let Some((id, is_deleted)) = query.fetch_optional(&mut begun.0.connection).await? {
            begun.rollback().await?;
            return if is_deleted { Err(StoreError::RoomDeleted) } else { Ok(RoomId(id)) };
        }
        if !Self::may_make(&mut begun.0.connection, by).await? {
            begun.rollback().await?;
            return Err(StoreError::TooManyRooms);
        }
        let sql = "insert into room (id, name, last_at, created_at, made_by) \
                   select 1 + max((select freed from room_id), coalesce((select max(id) from room), 0)), $1, $2, $2, $3 returning id";
        let query = sqlx::query_scalar(sql).bind(name.as_str()).bind(now_ms()).bind(by.map(|by| by.user.as_str()));
        let id = query.fetch_one(&mut begun.0.connection).await?;
        begun.commit().await?;
        Ok(RoomId(id))
    }

    /// And whether it was deleted.
    pub async fn room(&self, name: &RoomName) -> Result<Option<(RoomRow, bool)>, StoreError> {
        let query = sqlx::query_as(rows::ROOM_SQL).bind(name.as_str());
        let row: Option<AnyRoomColumns> = query.fetch_optional(&self.readers).await?;
        row.map(rows::any_room).transpose()
    }

    pub async fn rooms(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<RoomRow>, StoreError> {
        let sql = "select id, name, head, created_at, last_at, meta, horizon, epoch from room \
                   where name >= $1 and name < $2 and name > $3 and deleted_at is null order by name limit $4";
        let query = sqlx::query_as(sql).bind(prefix).bind(rows::prefix_end(prefix)).bind(after).bind(i64::from(limit));
        let found: Vec<RoomColumns> = query.fetch_all(&self.readers).await?;
        found.into_iter().map(rows::room).collect()
    }

    /// Whether it was; `damaged` may be replaced whatever it begins with.
    pub async fn save_snapshot(
        &self,
        room: RoomId,
        (seq, epoch): (Seq, i64),
        state: &Bytes,
        damaged: Option<&[u8]>,
    ) -> Result<bool, StoreError> {
        let mut begun = self.writer.begin().await?;
        // Snapshots of one seq hold the same edits; the one that is there may be damaged, unless a newer release has compressed it.
        // Nothing is kept of a room that was deleted, of what retention has dropped, or of what was read before an erasure.
        let sql = "insert into snapshot (room_id, seq, state) select id, $2, $3 from room \
            where id = $1 and deleted_at is null and horizon <= $2 and epoch = $4 \
            on conflict (room_id, seq) do update set state = excluded.state, whole_bytes = null \
            where snapshot.whole_bytes is null or substr(snapshot.state, 1, 1) <= $5 or snapshot.state = $6";
        let query = sqlx::query(sql).bind(room.0).bind(rows::seq_column(seq)).bind(&state[..]).bind(epoch);
        let query = query.bind(snapshot::LAYOUT).bind(damaged);
        let saved = query.execute(&mut begun.0.connection).await?.rows_affected();
        begun.commit().await?;
        Ok(saved > 0)
    }

    pub async fn forget_older_snapshots(&self, room: RoomId) -> Result<(), StoreError> {
        let mut begun = self.writer.begin().await?;
        sqlx::query(rows::FORGET_OLDER_SQL).bind(room.0).execute(&mut begun.0.connection).await?;
        Ok(begun.commit().await?)
    }
}

snapshot_methods!(Sqlite);
