//! Rooms and snapshots, on Postgres.

use bytes::Bytes;
use sqlx::PgConnection;

use super::Postgres;
use crate::ids::{RoomName, Seq};
use crate::store::entry::{Maker, RoomId, RoomRow};
use crate::store::error::StoreError;
use crate::store::rows::{self, AnyRoomColumns, RoomColumns};
use crate::store::snapshot::{self, snapshot_methods};
use crate::store::statements::Statements;
use crate::store::transaction::now_ms;

/// Saves an entry in a room that no client can name, and takes both back. The commit that follows still waits for the disk.
const SAVE_AND_TAKE_BACK: &str = "
    savepoint probe;
    insert into room (name, last_at, created_at) values ('', 0, 0);
    insert into entry (room_id, seq, kind, author, at, body) select id, 1, 3, '', 0, '' from room where name = '';
    rollback to savepoint probe";

impl Postgres {
    /// Reads, and saves an entry that nobody sees, by the way that entries take.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut lent = self.readers.lend().await?;
        sqlx::query("select 1 from room limit 1").fetch_optional(&mut lent.connection).await?;
        lent.keep();
        let mut begun = self.writer.begin().await?;
        begun.0.connection.run(SAVE_AND_TAKE_BACK).await?;
        Ok(begun.commit().await?)
    }

    pub async fn ensure_room(&self, name: &RoomName, by: Option<&Maker>) -> Result<RoomId, StoreError> {
        let mut writing = self.writing().await?;
        // Looked up first: an insert that conflicts would spend an id each time.
        if let Some(room) = room_id(writing.connection(), name).await? {
            writing.roll_back().await?;
            return room;
        }
        let may_make = Self::may_make(writing.connection(), by).await?;
        if may_make {
            let sql = "insert into room (name, last_at, created_at, made_by) values ($1, $2, $2, $3) \
                       on conflict (name) do nothing";
            let query = sqlx::query(sql).bind(name.as_str()).bind(now_ms()).bind(by.map(|by| by.user.as_str()));
            query.execute(writing.connection()).await?;
        }
        let room = room_id(writing.connection(), name).await?;
        writing.commit().await?;
        match room {
            Some(room) => room,
            None if !may_make => Err(StoreError::TooManyRooms),
            None => Err(StoreError::Unexpected(format!("room {name} is neither there nor can it be made"))),
        }
    }

    /// And whether it was deleted.
    pub async fn room(&self, name: &RoomName) -> Result<Option<(RoomRow, bool)>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query_as(rows::ROOM_SQL).bind(name.as_str());
        let row: Option<AnyRoomColumns> = query.fetch_optional(&mut lent.connection).await?;
        lent.keep();
        row.map(rows::any_room).transpose()
    }

    pub async fn rooms(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<RoomRow>, StoreError> {
        let sql = "select id, name, head, created_at, last_at, meta, horizon, epoch from room \
                   where name >= $1 and name < $2 and name > $3 and deleted_at is null order by name limit $4";
        let query = sqlx::query_as(sql).bind(prefix).bind(rows::prefix_end(prefix)).bind(after).bind(i64::from(limit));
        let mut lent = self.readers.lend().await?;
        let found: Vec<RoomColumns> = query.fetch_all(&mut lent.connection).await?;
        lent.keep();
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
        // Snapshots of one seq hold the same edits; the one that is there may be damaged, unless a newer release has compressed it.
        // Nothing is kept of a room that was deleted, of what retention has dropped, or of what was read before an erasure.
        let sql = "insert into snapshot (room_id, seq, state) select id, $2, $3 from room \
            where id = $1 and deleted_at is null and horizon <= $2 and epoch = $4 for key share \
            on conflict (room_id, seq) do update set state = excluded.state, whole_bytes = null \
            where snapshot.whole_bytes is null or substr(snapshot.state, 1, 1) <= $5 or snapshot.state = $6";
        let query = sqlx::query(sql).bind(room.0).bind(rows::seq_column(seq)).bind(&state[..]).bind(epoch);
        let query = query.bind(snapshot::LAYOUT).bind(damaged);
        let mut lent = self.readers.lend().await?;
        let saved = query.execute(&mut lent.connection).await?.rows_affected();
        lent.keep();
        Ok(saved > 0)
    }

    pub async fn forget_older_snapshots(&self, room: RoomId) -> Result<(), StoreError> {
        let mut lent = self.readers.lend().await?;
        sqlx::query(rows::FORGET_OLDER_SQL).bind(room.0).execute(&mut lent.connection).await?;
        lent.keep();
        Ok(())
    }
}

snapshot_methods!(Postgres);

/// The room's row, or that it was deleted.
async fn room_id(connection: &mut PgConnection, name: &RoomName) -> sqlx::Result<Option<Result<RoomId, StoreError>>> {
    let sql = "select id, deleted_at is not null from room where name = $1";
    let row: Option<(i64, bool)> = sqlx::query_as(sql).bind(name.as_str()).fetch_optional(connection).await?;
    Ok(row.map(|(id, is_deleted)| if is_deleted { Err(StoreError::RoomDeleted) } else { Ok(RoomId(id)) }))
}
