//! What rooms and users have on disk: the bodies of entries, and [`ENTRY_OVERHEAD_BYTES`] each, whatever form they lie in. Appends keep
//! count in their transactions, as far as all that came before is counted; the rest is counted a part at a time. And how many rooms users
//! have made. Both databases run the same statements; `usage_methods!` makes the methods of each.

use std::collections::BTreeMap;

use super::entry::{Bodies, ENTRY_OVERHEAD_BYTES, Entry, HistoryQuery, Kinds, NewEntry, Page, Placed, Refused};
use super::rows;
use crate::ids::{Seq, UserId};
use crate::pack::PackedEdit;

/// Entries that are counted at once.
const PART_ENTRIES: u32 = 5_000;

/// What a user has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// On disk, about, as far as that is counted; not in rooms that were deleted.
    pub bytes: u64,
    /// Rooms that they made, but for those that cannot be taken back any more.
    pub rooms: u64,
}

/// What an entry counts.
fn bytes(body_bytes: u64) -> i64 {
    i64::try_from(body_bytes + ENTRY_OVERHEAD_BYTES).unwrap_or(i64::MAX)
}

/// Adds up what each user sent.
fn add<'u>(used: &mut BTreeMap<&'u str, i64>, author: &'u UserId, via: Option<&'u UserId>, body_bytes: u64) {
    let own = used.entry(via.unwrap_or(author).as_str()).or_default();
    *own = own.saturating_add(bytes(body_bytes));
}

/// What users have more once an append is stored.
pub(super) fn of_append<'a>(
    entries: &'a [NewEntry],
    outcome: &[Result<Placed, Refused>],
) -> impl Iterator<Item = (&'a str, i64)> {
    let mut used = BTreeMap::new();
    let new = entries.iter().zip(outcome).filter(|(_, placed)| placed.is_ok_and(|placed| placed.is_new));
    new.for_each(|(entry, _)| add(&mut used, &entry.author, entry.via.as_ref(), entry.body.len() as u64));
    used.into_iter()
}

/// What users have in these entries.
pub(super) fn of_entries(entries: &[Entry]) -> BTreeMap<&str, i64> {
    let mut used = BTreeMap::new();
    entries.iter().for_each(|entry| add(&mut used, &entry.author, entry.via.as_ref(), entry.body_bytes));
    used
}

/// What users have in these edits.
pub(super) fn of_edits<'a>(edits: impl Iterator<Item = &'a PackedEdit>) -> Vec<(String, i64)> {
    let mut used = BTreeMap::new();
    edits.for_each(|edit| add(&mut used, &edit.author, edit.via.as_ref(), edit.body.len() as u64));
    used.into_iter().map(|(user, bytes)| (user.to_owned(), bytes)).collect()
}

/// The next entries to count.
pub(super) fn part(counted: i64, head: i64) -> HistoryQuery {
    HistoryQuery {
        after: Some(rows::seq(counted)),
        before: Some(Seq(rows::seq(head).0 + 1)),
        kinds: Kinds::All,
        author: None,
        limit: PART_ENTRIES,
        page: Page::Oldest,
        bodies: Bodies::NotOfEdits,
    }
}

pub(super) fn unsigned(bytes: i64) -> u64 {
    bytes.max(0).unsigned_abs()
}

pub(super) fn rooms_column(rooms: u64) -> i64 {
    i64::try_from(rooms).unwrap_or(i64::MAX)
}

/// Rooms that a user has made, up to so many.
pub(super) const ROOMS_SQL: &str =
    "select count(*) from (select 1 from room where made_by = $1 and purge = 0 limit $2) as made";

pub(super) const ADD_SQL: &str = "insert into room_usage (room_id, user_id, bytes) values ($1, $2, $3) \
    on conflict (room_id, user_id) do update set bytes = room_usage.bytes + excluded.bytes";

/// Whose bytes go: a user's, and then those of who has most.
pub(super) const HOLDER_SQL: &str = "select user_id, bytes from room_usage where room_id = $1 and bytes > 0 \
    order by user_id = $2 desc, bytes desc limit 1";

/// The methods of a backend.
macro_rules! usage_methods {
    ($backend:ty) => {
        impl $backend {
            /// Counts the next entries of a room; whether there may be more.
            pub async fn count_part(&self, room: RoomId) -> Result<bool, StoreError> {
                let mut reading = self.reading().await?;
                // What is being erased is counted once that is done: what was read may be shorter by then.
                let sql = "select counted, head, epoch from room \
                           where id = $1 and deleted_at is null and counted < head and epoch % 2 = 0";
                let query = sqlx::query_as(sql).bind(room.0);
                let row: Option<(i64, i64, i64)> = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                let Some((counted, head, epoch)) = row else { return Ok(false) };
                let entries = self.history(room, &usage::part(counted, head), Damage::LeftOut).await?;
                // Behind the last one there is nothing any more.
                let upto = entries.last().map_or(head, |last| seq_column(last.seq));
                let mut writing = self.writing().await?;
                let sql = "update room set counted = $3 where id = $1 and counted = $2 and epoch = $4 and deleted_at is null";
                let query = sqlx::query(sql).bind(room.0).bind(counted).bind(upto).bind(epoch);
                if query.execute(&mut *writing.connection()).await?.rows_affected() == 0 {
                    // Somebody else counts, too.
                    writing.roll_back().await?;
                    return Ok(true);
                }
                for (user, bytes) in usage::of_entries(&entries) {
                    let query = sqlx::query(usage::ADD_SQL).bind(room.0).bind(user).bind(bytes);
                    query.execute(&mut *writing.connection()).await?;
                }
                writing.commit().await?;
                Ok(true)
            }

            /// Takes what a user sent off the count, in the caller's transaction. In a copy, it counts for who made that.
            pub async fn take_off(
                connection: &mut Connection,
                room: RoomId,
                user: &str,
                mut bytes: i64,
            ) -> Result<(), StoreError> {
                while bytes > 0 {
                    let query = sqlx::query_as(usage::HOLDER_SQL).bind(room.0).bind(user);
                    let found: Option<(String, i64)> = query.fetch_optional(&mut *connection).await?;
                    let Some((holder, held)) = found else { break };
                    let taken = held.min(bytes);
                    let sql = "update room_usage set bytes = bytes - $3 where room_id = $1 and user_id = $2";
                    let query = sqlx::query(sql).bind(room.0).bind(holder).bind(taken);
                    query.execute(&mut *connection).await?;
                    bytes -= taken;
                }
                Ok(())
            }

            /// Puts what a user's entries have become longer on the count, or takes off what they have become shorter, in the caller's
            /// transaction. In a copy, it counts for who made that.
            pub async fn put_on(
                connection: &mut Connection,
                room: RoomId,
                user: &str,
                bytes: i64,
            ) -> Result<(), StoreError> {
                if bytes <= 0 {
                    return Self::take_off(connection, room, user, -bytes).await;
                }
                let query = sqlx::query_as(usage::HOLDER_SQL).bind(room.0).bind(user);
                let found: Option<(String, i64)> = query.fetch_optional(&mut *connection).await?;
                let holder = found.map_or_else(|| user.to_owned(), |(holder, _)| holder);
                let query = sqlx::query(usage::ADD_SQL).bind(room.0).bind(holder).bind(bytes);
                query.execute(&mut *connection).await?;
                Ok(())
            }

            pub async fn rooms_to_count(
                &self,
                (after, upto): (RoomId, RoomId),
                limit: u32,
            ) -> Result<Vec<RoomId>, StoreError> {
                let sql = "select id from room where id > $1 and id <= $2 and counted < head and deleted_at is null and epoch % 2 = 0 \
                           order by id limit $3";
                let mut reading = self.reading().await?;
                let query = sqlx::query_scalar(sql).bind(after.0).bind(upto.0).bind(i64::from(limit));
                let rows: Vec<i64> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                Ok(rows.into_iter().map(RoomId).collect())
            }

            pub async fn stored_bytes(&self, room: RoomId) -> Result<u64, StoreError> {
                let sql = "select cast(coalesce(sum(bytes), 0) as bigint) from room_usage where room_id = $1";
                let mut reading = self.reading().await?;
                let bytes: i64 = sqlx::query_scalar(sql).bind(room.0).fetch_one(&mut *reading.connection()).await?;
                reading.keep();
                Ok(usage::unsigned(bytes))
            }

            /// Whether the maker may make one more room, in the caller's transaction, until the end of which it makes no other.
            pub async fn may_make(connection: &mut Connection, by: Option<&Maker>) -> Result<bool, StoreError> {
                let Some(Maker { user, rooms_max: Some(rooms_max) }) = by else { return Ok(true) };
                Self::lock_maker(connection, user).await?;
                let rooms_max = usage::rooms_column(*rooms_max);
                let query = sqlx::query_scalar(usage::ROOMS_SQL).bind(user.as_str()).bind(rooms_max);
                let rooms: i64 = query.fetch_one(connection).await?;
                Ok(rooms < rooms_max)
            }

            pub async fn usage_of(&self, users: &[UserId], rooms_max: u64) -> Result<Vec<Usage>, StoreError> {
                let sql = "select cast(coalesce(sum(room_usage.bytes), 0) as bigint) from room_usage \
                           join room on room.id = room_usage.room_id \
                           where room_usage.user_id = $1 and room.deleted_at is null";
                let mut reading = self.reading().await?;
                let mut used = Vec::with_capacity(users.len());
                for user in users {
                    let query = sqlx::query_scalar(sql).bind(user.as_str());
                    let bytes: i64 = query.fetch_one(&mut *reading.connection()).await?;
                    let query = sqlx::query_scalar(usage::ROOMS_SQL).bind(user.as_str());
                    let query = query.bind(usage::rooms_column(rooms_max));
                    let rooms: i64 = query.fetch_one(&mut *reading.connection()).await?;
                    used.push(Usage { bytes: usage::unsigned(bytes), rooms: usage::unsigned(rooms) });
                }
                reading.keep();
                Ok(used)
            }
        }
    };
}
pub(super) use usage_methods;
