//! What is not kept for ever: a room's edits and messages up to its *horizon* are dropped, once all that is to stay of them stands
//! elsewhere. The horizon is raised first, in one transaction with what stays; from then on nobody is told of what lies before it. The rows
//! go after that, part by part. Both databases run the same statements; `retention_methods!` makes the methods of each.

use bytes::Bytes;

use super::entry::RoomId;
use super::error::StoreError;
use super::rows;
use crate::ids::{RoomName, Seq};

/// A room with entries that may be too old to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgingRoom {
    /// Its row.
    pub id: RoomId,
    /// Its name.
    pub name: RoomName,
    /// When its oldest entry behind the horizon was committed, in Unix milliseconds, or earlier if it is packed; `None` if there
    /// is none.
    pub oldest_ms: Option<i64>,
    /// Whether rows before the horizon are still to go.
    pub has_dropped_rows: bool,
}

/// What stays of a room's edits up to a seq.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The document there.
    pub state: Bytes,
    /// Who wrote what of it, for others to understand.
    pub base: Bytes,
}

/// How a room's horizon is to be raised.
#[derive(Clone, Debug)]
pub struct Dropping {
    /// Where it is, and the room's epoch, as they were when this was made.
    pub from: (Seq, i64),
    /// Where it is to be.
    pub to: Seq,
    /// Seqs up to there that have names, ascending.
    pub versions: Vec<Seq>,
    /// What stays; `None` if there are no edits up to there.
    pub kept: Option<Kept>,
}

/// The seq of a base where nothing was dropped.
pub(super) const BASE_OF_ALL: Seq = Seq(1);

/// id, name, when the oldest entry was committed, whether rows are still to go.
pub(super) type AgingColumns = (i64, String, Option<i64>, bool);

pub(super) const AGING_SQL: &str = "select room.id, room.name, \
    case when exists (select 1 from pack where pack.room_id = room.id and pack.seq > room.horizon) then room.created_at else \
    (select entry.at from entry where entry.room_id = room.id and entry.seq > room.horizon order by entry.seq limit 1) end, \
    room.trimmed < room.horizon from room \
    where room.id > $1 and room.id <= $2 and room.deleted_at is null and room.trimmed < room.head and room.epoch % 2 = 0 order by room.id";

pub(super) fn aging((id, name, oldest_ms, has_dropped_rows): AgingColumns) -> Result<AgingRoom, StoreError> {
    let name =
        RoomName::parse(&name).map_err(|error| StoreError::Unexpected(format!("the name of room {id}: {error}")))?;
    Ok(AgingRoom { id: RoomId(id), name, oldest_ms, has_dropped_rows })
}

/// Packs that go at once: as many bytes, before they were packed.
pub(super) const PART_PACKS: usize = 32;
/// The first pack with edits to drop.
pub(super) const NEXT_PACK_SQL: &str =
    "select first_seq, seq, body from pack where room_id = $1 and first_seq <= $2 order by seq limit 1";
/// What a pack that goes has counted for its senders.
pub(super) const PACK_USED_SQL: &str = "select sender, cast(sum(bytes + $3 * entries) as bigint) from pack_user \
    where room_id = $1 and seq = $2 group by sender";

/// What rows that go have counted for their senders.
macro_rules! used_sql {
    ($database:ident) => {
        concat!(
            "select coalesce(via, author), cast(sum(",
            $crate::store::rows::entry_bytes!($database),
            " + $4) as bigint) from entry \
             where room_id = $1 and seq > $2 and seq <= $3 and kind in (1, 2) group by coalesce(via, author)"
        )
    };
}
pub(super) use used_sql;

pub(super) const LEASE_SQL: &str = "insert into lease (name, server, until) values ($1, $2, $4) on conflict (name) \
    do update set server = excluded.server, until = excluded.until where lease.until < $3 or lease.server = excluded.server";

pub(super) fn seqs(rows: Vec<i64>) -> Vec<Seq> {
    rows.into_iter().map(rows::seq).collect()
}

/// The methods of a backend, in the words of `$database`; `$lock` keeps the room's row until the transaction ends.
macro_rules! retention_methods {
    ($backend:ty, $database:ident, $lock:literal) => {
        impl $backend {
            /// Takes a lease, or renews it; whether this server has it.
            pub async fn lease(&self, name: &str, now_ms: i64, until_ms: i64) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let query = sqlx::query(LEASE_SQL).bind(name).bind(&self.rules.server).bind(now_ms).bind(until_ms);
                let taken = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(taken > 0)
            }

            /// Where the horizon of a room is.
            pub async fn horizon(&self, room: RoomId) -> Result<Seq, StoreError> {
                let mut reading = self.reading().await?;
                let query = sqlx::query_scalar("select horizon from room where id = $1").bind(room.0);
                let horizon: Option<i64> = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                Ok(horizon.map_or(Seq::ZERO, rows::seq))
            }

            pub async fn base(&self, room: RoomId) -> Result<Option<(Seq, Bytes)>, StoreError> {
                let mut reading = self.reading().await?;
                let query = sqlx::query_as("select seq, body from base where room_id = $1").bind(room.0);
                let row: Option<(i64, Vec<u8>)> = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                Ok(row.map(|(seq, body)| (rows::seq(seq), body.into())))
            }

            pub async fn snapshot_at(&self, room: RoomId, seq: Seq) -> Result<Option<Bytes>, StoreError> {
                let mut reading = self.reading().await?;
                let sql = "select state, whole_bytes from snapshot where room_id = $1 and seq = $2";
                let query = sqlx::query_as(sql).bind(room.0).bind(seq_column(seq));
                let row: Option<(Vec<u8>, Option<i64>)> = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                Ok(row.map(|(state, whole_bytes)| snapshot::state(state, whole_bytes)).transpose()?)
            }

            pub async fn aging_rooms(&self, (after, upto): (RoomId, RoomId)) -> Result<Vec<AgingRoom>, StoreError> {
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(AGING_SQL).bind(after.0).bind(upto.0);
                let found: Vec<AgingColumns> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                found.into_iter().map(retention::aging).collect()
            }

            /// Raises a room's horizon, if the room is still as it was; whether it was.
            pub async fn raise_horizon(&self, room: RoomId, dropping: &Dropping) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = concat!("select horizon, epoch from room where id = $1 and deleted_at is null", $lock);
                let query = sqlx::query_as(sql).bind(room.0);
                let found: Option<(i64, i64)> = query.fetch_optional(&mut *writing.connection()).await?;
                let sql = "select distinct seq from version where room_id = $1 and seq <= $2 order by seq";
                let query = sqlx::query_scalar(sql).bind(room.0).bind(seq_column(dropping.to));
                let versions: Vec<i64> = query.fetch_all(&mut *writing.connection()).await?;
                let is_same = found.is_some_and(|(horizon, epoch)| (rows::seq(horizon), epoch) == dropping.from);
                if !is_same || retention::seqs(versions) != dropping.versions {
                    writing.roll_back().await?;
                    return Ok(false);
                }
                if let Some(Kept { state, base }) = &dropping.kept {
                    let sql = "insert into snapshot (room_id, seq, state) values ($1, $2, $3) \
                               on conflict (room_id, seq) do update set state = excluded.state, whole_bytes = null";
                    let query = sqlx::query(sql).bind(room.0).bind(seq_column(dropping.to)).bind(&state[..]);
                    query.execute(&mut *writing.connection()).await?;
                    let sql = "insert into base (room_id, seq, body) values ($1, $2, $3) \
                               on conflict (room_id) do update set seq = excluded.seq, body = excluded.body";
                    let query = sqlx::query(sql).bind(room.0).bind(seq_column(dropping.to)).bind(&base[..]);
                    query.execute(&mut *writing.connection()).await?;
                }
                for sql in [
                    "delete from snapshot where room_id = $1 and seq < $2",
                    "delete from history where room_id = $1 and after < $2",
                    "update room set horizon = $2 where id = $1",
                ] {
                    let query = sqlx::query(sql).bind(room.0).bind(seq_column(dropping.to));
                    query.execute(&mut *writing.connection()).await?;
                }
                writing.commit().await?;
                Ok(true)
            }

            /// Deletes some of the rows before a room's horizon; whether there may be more.
            pub async fn drop_part(&self, room: RoomId) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = concat!(
                    "select trimmed, horizon, counted from room where id = $1 and trimmed < horizon and deleted_at is null",
                    $lock
                );
                let query = sqlx::query_as(sql).bind(room.0);
                let found: Option<(i64, i64, i64)> = query.fetch_optional(&mut *writing.connection()).await?;
                let Some((trimmed, horizon, counted)) = found else {
                    writing.roll_back().await?;
                    return Ok(false);
                };
                if Self::drop_packs(writing.connection(), room, (horizon, counted)).await? {
                    writing.commit().await?;
                    return Ok(true);
                }
                let query = sqlx::query_scalar(rows::part_sql!($database, " and kind in (1, 2)")).bind(room.0).bind(trimmed).bind(horizon);
                let query = query.bind(rows::PART_ROWS);
                let last: Option<i64> = query.fetch_one(&mut *writing.connection()).await?;
                if let Some(last) = last {
                    let query = sqlx::query_as(retention::used_sql!($database)).bind(room.0).bind(trimmed).bind(last.min(counted));
                    let used: Vec<(String, i64)> = query
                        .bind(ENTRY_OVERHEAD_BYTES.cast_signed())
                        .fetch_all(&mut *writing.connection())
                        .await?;
                    for (user, bytes) in used {
                        Self::take_off(writing.connection(), room, &user, bytes).await?;
                    }
                    let sql = "delete from entry where room_id = $1 and seq > $2 and seq <= $3 and kind in (1, 2)";
                    let query = sqlx::query(sql).bind(room.0).bind(trimmed).bind(last);
                    query.execute(&mut *writing.connection()).await?;
                }
                let sql = "update room set trimmed = $2 where id = $1";
                let query = sqlx::query(sql).bind(room.0).bind(last.unwrap_or(horizon));
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await?;
                Ok(last.is_some())
            }

            /// Deletes some of the packs before the horizon, unread; of the one that lies on both sides, what is behind stays. Whether
            /// there were any.
            async fn drop_packs(
                connection: &mut Connection,
                room: RoomId,
                (horizon, counted): (i64, i64),
            ) -> Result<bool, StoreError> {
                let (horizon, counted) = (rows::seq(horizon), rows::seq(counted));
                for dropped in 0..PART_PACKS {
                    let query = sqlx::query_as(NEXT_PACK_SQL).bind(room.0).bind(seq_column(horizon));
                    let Some(columns) = query.fetch_optional(&mut *connection).await? else { return Ok(dropped > 0) };
                    let pack = StoredPack::new(room, columns);
                    let (first, last) = pack.span;
                    let is_split = last > horizon || (first <= counted && last > counted);
                    let edits = if is_split { pack.edits(Damage::Told)? } else { Vec::new() };
                    let used = if last <= horizon.min(counted) {
                        let query = sqlx::query_as(PACK_USED_SQL).bind(room.0).bind(seq_column(last));
                        query.bind(ENTRY_OVERHEAD_BYTES.cast_signed()).fetch_all(&mut *connection).await?
                    } else {
                        usage::of_edits(edits.iter().filter(|edit| edit.seq <= horizon.min(counted)))
                    };
                    Self::take_pack(connection, room, last).await?;
                    for (user, bytes) in used {
                        Self::take_off(connection, room, &user, bytes).await?;
                    }
                    let kept: Vec<PackedEdit> = edits.into_iter().filter(|edit| edit.seq > horizon).collect();
                    if !kept.is_empty() {
                        Self::insert_pack(connection, room, &kept, &packing::encode(&kept)?).await?;
                    }
                }
                Ok(true)
            }
        }
    };
}
pub(super) use retention_methods;
