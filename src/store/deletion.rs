//! Deleted rooms: marked first, so that nothing more is stored in them, then emptied part by part, and last of all let go of, where
//! their names are to be free. Both databases run the same statements; `deletion_methods!` makes the methods of each.

use super::entry::RoomRow;
use super::error::StoreError;
use super::rows::{self, RoomColumns};
use crate::ids::UserId;

/// What a deleted room still has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remains {
    /// All of it: it can be taken back.
    All,
    /// Some of it, until all is gone.
    Some,
    /// Its name, which no other room gets.
    Name,
}

/// A deleted room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedRoom {
    /// As it was.
    pub row: RoomRow,
    /// When it was deleted, in Unix milliseconds.
    pub at_ms: i64,
    /// By whom.
    pub by: UserId,
    /// When what is in it goes for good, in Unix milliseconds.
    pub purge_at_ms: i64,
    /// What is left.
    pub remains: Remains,
    /// Whether its name will be free once nothing is left.
    pub frees_name: bool,
}

/// How a room is to be deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deletion {
    /// It can be taken back for so long, in milliseconds.
    Soft(i64),
    /// What is in it goes at once.
    Hard {
        /// Whether a new room may have its name after that.
        frees_name: bool,
    },
}

/// What became of taking a deletion back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undeletion {
    /// The room is there, as it was.
    Done,
    /// What was in it is gone.
    Late,
    /// There is no such room.
    Missing,
}

/// Entries, and other rows, that are deleted in one go: other rooms' appends wait meanwhile, on SQLite.
pub(super) const PART_ROWS: i64 = 500;
/// Segments of a history, and packs, are large.
pub(super) const PART_SEGMENTS: i64 = 16;
pub(super) const PART_PACKS: i64 = 16;

/// As of a room, then deleted_at, deleted_by, purge_at, purge, frees_name.
pub(super) type DeletedColumns = (i64, String, i64, i64, i64, Option<String>, i64, i64, i64, String, i64, i16, bool);

pub(super) fn deleted(columns: DeletedColumns) -> Result<DeletedRoom, StoreError> {
    let (id, name, head, created_at, last_at, meta, horizon, epoch, at_ms, by, purge_at_ms, purge, frees_name) =
        columns;
    let row: RoomColumns = (id, name, head, created_at, last_at, meta, horizon, epoch);
    let remains = match purge {
        0 => Remains::All,
        1 => Remains::Some,
        _ => Remains::Name,
    };
    Ok(DeletedRoom { row: rows::room(row)?, at_ms, by: UserId::new(by), purge_at_ms, remains, frees_name })
}

/// Deletes entries of a room: bodies of 8 MiB together, or one that alone is longer, for a statement has so much time.
macro_rules! entries_sql {
    ($database:ident) => {
        concat!(
            "delete from entry where room_id = $1 and seq in \
             (select seq from \
              (select seq, row_number() over (order by seq) as place, sum(bytes) over (order by seq) as total from \
               (select seq, ",
            $crate::store::rows::entry_bytes!($database),
            " as bytes from entry where room_id = $1 order by seq limit $2) as next) as part \
              where place = 1 or total <= 8388608)"
        )
    };
}
pub(super) use entries_sql;

/// Other parts of what is in a room.
const PARTS: [(&str, i64); 11] = [
    (
        "delete from snapshot where room_id = $1 and seq in (select seq from snapshot where room_id = $1 order by seq limit $2)",
        1,
    ),
    ("delete from base where room_id = $1 and $2 > 0", 1),
    ("delete from erasure where room_id = $1 and $2 > 0", 1),
    (
        "delete from history where room_id = $1 and after in (select after from history where room_id = $1 order by after limit $2)",
        PART_SEGMENTS,
    ),
    (
        "delete from pack where room_id = $1 and seq in (select seq from pack where room_id = $1 order by seq limit $2)",
        PART_PACKS,
    ),
    (
        "delete from pack_user where room_id = $1 and seq in (select seq from pack_user where room_id = $1 order by seq limit $2)",
        PART_ROWS,
    ),
    ("delete from packing where room_id in (select room_id from packing where room_id = $1 limit $2)", 1),
    (
        "delete from client where room_id = $1 and client_id in \
         (select client_id from client where room_id = $1 order by client_id limit $2)",
        PART_ROWS,
    ),
    (
        "delete from version where room_id = $1 and seq in (select seq from version where room_id = $1 order by seq limit $2)",
        PART_ROWS,
    ),
    (
        "delete from room_usage where room_id = $1 and user_id in \
         (select user_id from room_usage where room_id = $1 order by user_id limit $2)",
        PART_ROWS,
    ),
    (
        "delete from last_append where room_id = $1 and server in \
         (select server from last_append where room_id = $1 order by server limit $2)",
        PART_ROWS,
    ),
];

/// The parts of what is in a room, deleted one after another; `entries` deletes those of its timeline.
pub(super) fn parts(entries: &'static str) -> impl Iterator<Item = (&'static str, i64)> {
    std::iter::once((entries, PART_ROWS)).chain(PARTS)
}

/// The methods of a backend, in the words of `$database`; `$lock` keeps the room's row until the transaction ends.
macro_rules! deletion_methods {
    ($backend:ty, $database:ident, $lock:literal) => {
        impl $backend {
            /// Deletes a room, or makes its deletion harder; `None` if there is none. Whoever is to be told is told of the first time.
            pub async fn delete_room(
                &self,
                name: &RoomName,
                (by, shown): (&UserId, &str),
                how: &Deletion,
                now_ms: i64,
            ) -> Result<Option<DeletedRoom>, StoreError> {
                let mut writing = self.writing().await?;
                let kept_ms = if let Deletion::Soft(kept_ms) = how { *kept_ms } else { 0 };
                let sql = "update room set deleted_at = $2, deleted_by = $3, purge_at = $2 + $4 \
                           where name = $1 and deleted_at is null";
                let query = sqlx::query(sql).bind(name.as_str()).bind(now_ms).bind(by.as_str()).bind(kept_ms);
                if query.execute(&mut *writing.connection()).await?.rows_affected() > 0 {
                    let body = serde_json::json!({ "user": by, "name": shown }).to_string();
                    let query = sqlx::query(ROOM_EVENT_SQL).bind(name.as_str()).bind(DELETED).bind(now_ms).bind(body);
                    query.execute(&mut *writing.connection()).await?;
                }
                if let Deletion::Hard { frees_name } = how {
                    let sql = "update room set purge = 1, purge_at = $2 where name = $1 and purge = 0";
                    let query = sqlx::query(sql).bind(name.as_str()).bind(now_ms);
                    query.execute(&mut *writing.connection()).await?;
                    if *frees_name {
                        // Of one that is empty, what is left goes with the next part.
                        let sql = "update room set frees_name = true, purge = 1 where name = $1";
                        sqlx::query(sql).bind(name.as_str()).execute(&mut *writing.connection()).await?;
                    }
                }
                let sql = concat!(deleted_sql!(), " where name = $1 and deleted_at is not null");
                let row: Option<DeletedColumns> =
                    sqlx::query_as(sql).bind(name.as_str()).fetch_optional(&mut *writing.connection()).await?;
                writing.commit().await?;
                row.map(deletion::deleted).transpose()
            }

            /// Takes a deletion back.
            pub async fn undelete_room(&self, name: &RoomName) -> Result<Undeletion, StoreError> {
                let mut writing = self.writing().await?;
                let sql = "update room set deleted_at = null, deleted_by = null, purge_at = null \
                           where name = $1 and purge = 0";
                let query = sqlx::query(sql).bind(name.as_str());
                let undone = query.execute(&mut *writing.connection()).await?.rows_affected() > 0;
                let sql = "select count(*) from room where name = $1";
                let count: i64 =
                    sqlx::query_scalar(sql).bind(name.as_str()).fetch_one(&mut *writing.connection()).await?;
                writing.commit().await?;
                Ok(match (undone, count) {
                    (true, _) => Undeletion::Done,
                    (false, 0) => Undeletion::Missing,
                    (false, _) => Undeletion::Late,
                })
            }

            pub async fn deleted_room(&self, name: &RoomName) -> Result<Option<DeletedRoom>, StoreError> {
                let sql = concat!(deleted_sql!(), " where name = $1 and deleted_at is not null");
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sql).bind(name.as_str());
                let row: Option<DeletedColumns> = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                row.map(deletion::deleted).transpose()
            }

            pub async fn deleted_rooms(
                &self,
                prefix: &str,
                after: &str,
                limit: u32,
            ) -> Result<Vec<DeletedRoom>, StoreError> {
                let sql = concat!(
                    deleted_sql!(),
                    " where name >= $1 and name < $2 and name > $3 and deleted_at is not null order by name limit $4"
                );
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sql).bind(prefix).bind(rows::prefix_end(prefix)).bind(after);
                let query = query.bind(i64::from(limit));
                let rows: Vec<DeletedColumns> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                rows.into_iter().map(deletion::deleted).collect()
            }

            /// Rooms of which something is to go now, from one on.
            pub async fn rooms_to_purge(
                &self,
                now_ms: i64,
                after: RoomId,
                limit: u32,
            ) -> Result<Vec<RoomId>, StoreError> {
                // By the index of deleted rooms: SQLite would walk all rooms by their ids.
                let sql = "select id from room where deleted_at is not null and purge_at <= $1 and purge < 2 and +id > $2 \
                           order by +id limit $3";
                let mut reading = self.reading().await?;
                let query = sqlx::query_scalar(sql).bind(now_ms).bind(after.0).bind(i64::from(limit));
                let rows: Vec<i64> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                Ok(rows.into_iter().map(RoomId).collect())
            }

            /// Deletes a part of what is in a room whose time has come; whether there may be more.
            pub async fn purge_part(&self, room: RoomId, now_ms: i64) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                // From here on it cannot be taken back.
                let sql = "update room set purge = 1 where id = $1 and deleted_at is not null and purge_at <= $2 and purge < 2";
                let query = sqlx::query(sql).bind(room.0).bind(now_ms);
                if query.execute(&mut *writing.connection()).await?.rows_affected() == 0 {
                    writing.roll_back().await?;
                    return Ok(false);
                }
                for (sql, limit) in deletion::parts(deletion::entries_sql!($database)) {
                    let query = sqlx::query(sql).bind(room.0).bind(limit);
                    if query.execute(&mut *writing.connection()).await?.rows_affected() > 0 {
                        writing.commit().await?;
                        return Ok(true);
                    }
                }
                // Nothing is left; whoever was about to add something has done so once this has the row, or finds it deleted.
                let sql = concat!("select frees_name from room where id = $1", $lock);
                let frees_name: bool = sqlx::query_scalar(sql).bind(room.0).fetch_one(&mut *writing.connection()).await?;
                let mut is_more = false;
                for (sql, limit) in deletion::parts(deletion::entries_sql!($database)) {
                    let query = sqlx::query(sql).bind(room.0).bind(limit);
                    is_more |= query.execute(&mut *writing.connection()).await?.rows_affected() > 0;
                }
                match (is_more, frees_name) {
                    (true, _) => {}
                    (false, true) => Self::free_name(writing.connection(), room).await?,
                    (false, false) => {
                        let sql = "update room set purge = 2, meta = null where id = $1";
                        sqlx::query(sql).bind(room.0).execute(&mut *writing.connection()).await?;
                    }
                }
                writing.commit().await?;
                Ok(is_more)
            }
        }
    };
}
pub(super) use deletion_methods;

macro_rules! deleted_sql {
    () => {
        "select id, name, head, created_at, last_at, meta, horizon, epoch, deleted_at, deleted_by, purge_at, purge, frees_name from room"
    };
}
pub(super) use deleted_sql;
