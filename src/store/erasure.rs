//! Erasing: entries are rewritten where they lie, by somebody who knows what is in them, and all that was made of them is rewritten or
//! goes. An erasure is begun in one transaction, goes on in parts of a bounded size, whichever server does them, and ends in another one.
//! Meanwhile the room's epoch is odd, and nothing that is made of its entries is kept. Both databases run the same statements;
//! `erasure_methods!` makes the methods of each.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::entry::{Entry, EntryKind, RoomId, is_being_erased};
use super::error::StoreError;
use super::rows;
use super::timeline::{Damage, StoredPack};
use super::{packing, snapshot};
use crate::ids::{RoomName, Seq, UserId};
use crate::layout::Unreadable;
use crate::pack::PackedEdit;

/// An erasure that has begun and not ended. A room has one at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErasureRow {
    /// The room's row.
    pub room: RoomId,
    /// Its name.
    pub name: RoomName,
    /// What is erased, for others to understand; once all is rewritten what is to be told of it, and empty once that is told.
    pub plan: Bytes,
    /// Entries up to this seq are rewritten; with the end those that have come since, too.
    pub upto: Seq,
    /// Those up to this one are. Packed ones come first, and are not told.
    pub done: Seq,
    /// The room's epoch.
    pub epoch: i64,
    /// Whether all is rewritten, and only [`Store::scrub`](super::Store::scrub) is to be done.
    pub is_rewritten: bool,
    /// Why it cannot go on, and when that was found, in Unix milliseconds.
    pub failure: Option<(String, i64)>,
}

/// What became of beginning an erasure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BegunErasure {
    /// It has begun.
    Begun(ErasureRow),
    /// Another one of the room has not ended.
    Busy,
    /// The room is in another epoch than the one in which the plan was made.
    Renewed,
    /// There are entries behind the last one for which the plan was made.
    Changed,
    /// There is no such room, or it was deleted.
    Gone,
}

/// What is made of what is stored; `None`: it stays as it is. What cannot be read is an error, which says why without what is in it.
pub trait Rewrite: Send + Sync {
    /// Of an entry, with its body.
    ///
    /// # Errors
    /// It cannot be read: nothing of its part is written.
    fn entry(&self, entry: &Entry) -> Result<Option<Rewritten>, String>;

    /// Of a document's state.
    ///
    /// # Errors
    /// It cannot be read: it is deleted, unless it is the one at the horizon.
    fn state(&self, state: &[u8]) -> Result<Option<Bytes>, String>;

    /// Of what stays of edits that were dropped; empty if none were.
    ///
    /// # Errors
    /// It cannot be read.
    fn base(&self, body: &[u8]) -> Result<Option<Bytes>, Unreadable<String>>;

    /// Who gets another name in the room, and which: one that nobody has.
    fn rename(&self) -> Option<(&UserId, &UserId)>;

    /// What is to be told once all is rewritten, for others to understand; empty: nothing.
    fn notice(&self) -> Bytes;
}

/// An entry as it is to be; all else of it stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewritten {
    /// Its content.
    pub body: Bytes,
    /// Who made it.
    pub author: UserId,
    /// Who sent it, where that is somebody else.
    pub via: Option<UserId>,
}

/// By how much an erasure that is cancelled raises its room's epoch: not to the one in which all would be rewritten, nor to the next.
pub const CANCELLED_EPOCHS: i64 = 3;

/// What a part of an erasure has done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ErasureProgress {
    /// Entries that are others now.
    pub entries: u64,
    /// Whether no part is left.
    pub is_done: bool,
}

macro_rules! rows_sql {
    ($database:ident) => {
        concat!(
            "select seq, kind, author, via, at, key, ",
            $crate::store::rows::entry_bytes!($database),
            ", ",
            $crate::store::rows::entry_body!($database),
            " from entry where room_id = $1 and seq > $2 and seq <= $3 order by seq"
        )
    };
}
pub(super) use rows_sql;
/// The next pack.
pub(super) const NEXT_PACK_SQL: &str = "select pack.first_seq, pack.seq, pack.body from erasure \
    join pack on pack.room_id = erasure.room_id and pack.seq > erasure.packed where erasure.room_id = $1 order by pack.seq limit 1";
/// Segments of a history, which are large, and clients, which are not, that go or are renamed at once.
pub(super) const PART_SEGMENTS: i64 = 16;
pub(super) const PART_CLIENTS: i64 = 500;
/// Deliveries, or events, that are looked at at once.
pub(super) const PART_TOLD: i64 = 500;

/// room_id, name, plan, upto, done, epoch, failure, failed_at.
pub(super) type ErasureColumns = (i64, String, Vec<u8>, i64, i64, i64, Option<String>, Option<i64>);

pub(super) fn erasure(
    (id, name, plan, upto, done, epoch, failure, failed_at): ErasureColumns,
) -> Result<ErasureRow, StoreError> {
    let name =
        RoomName::parse(&name).map_err(|error| StoreError::Unexpected(format!("the name of room {id}: {error}")))?;
    let (upto, done) = (rows::seq(upto), rows::seq(done));
    let is_rewritten = !is_being_erased(epoch);
    let failure = failure.zip(failed_at);
    Ok(ErasureRow { room: RoomId(id), name, plan: plan.into(), upto, done, epoch, is_rewritten, failure })
}

/// An erasure whose room is locked.
pub(super) struct Locked {
    /// The room's newest entry, and up to where its entries are counted.
    pub head: i64,
    pub counted: i64,
    /// As in [`ErasureRow`].
    pub upto: i64,
    pub done: i64,
    /// Packs up to this seq are rewritten.
    pub packed: i64,
}

/// What is to be written of entries that were looked at.
#[derive(Default)]
pub(super) struct Changes {
    /// Those that are others now.
    pub rows: Vec<(Seq, Rewritten)>,
    /// Who sent them, and how many bytes longer they are.
    longer: Vec<(Seq, UserId, i64)>,
}

impl Changes {
    /// Has an entry rewritten; how it is now.
    fn look_at(&mut self, entry: &Entry, rewrite: &dyn Rewrite) -> Result<Option<Rewritten>, StoreError> {
        let wrong = |reason| StoreError::Unexpected(format!("the entry {} cannot be erased from: {reason}", entry.seq));
        let Some(new) = rewrite.entry(entry).map_err(wrong)? else { return Ok(None) };
        let sender = entry.via.as_ref().unwrap_or(&entry.author).clone();
        let length = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.longer.push((entry.seq, sender, length(new.body.len() as u64) - length(entry.body_bytes)));
        self.rows.push((entry.seq, new.clone()));
        Ok(Some(new))
    }

    /// Who has how many bytes more, or fewer, of what is counted: the entries up to a seq.
    pub fn used(&self, counted: i64) -> BTreeMap<&str, i64> {
        let counted = rows::seq(counted);
        let mut used = BTreeMap::new();
        for (_, user, bytes) in self.longer.iter().filter(|(seq, ..)| *seq <= counted) {
            *used.entry(user.as_str()).or_default() += bytes;
        }
        used
    }
}

/// Has entries rewritten.
pub(super) fn rewrite_rows(entries: &[Entry], rewrite: &dyn Rewrite) -> Result<Changes, StoreError> {
    let mut changes = Changes::default();
    for entry in entries {
        changes.look_at(entry, rewrite)?;
    }
    Ok(changes)
}

/// A pack that was looked at.
pub(super) struct ErasedPack {
    /// As it was.
    pub was: StoredPack,
    /// As it is to be; `None`: as it is.
    pub new: Option<NewPack>,
}

/// A pack with entries that are others.
pub(super) struct NewPack {
    pub edits: Vec<PackedEdit>,
    pub body: Vec<u8>,
    pub changes: Changes,
}

/// Has a pack's edits rewritten, and packs them again.
pub(super) fn rewrite_pack(was: StoredPack, rewrite: &dyn Rewrite) -> Result<ErasedPack, StoreError> {
    let mut changes = Changes::default();
    let mut edits = was.edits(Damage::Told)?;
    for edit in &mut edits {
        let PackedEdit { seq, author, via, at_ms, body } = edit.clone();
        let body_bytes = body.len() as u64;
        let entry = Entry { seq, kind: EntryKind::Edit, author, via, at_ms, key: None, body_bytes, body: Some(body) };
        if let Some(Rewritten { body, author, via }) = changes.look_at(&entry, rewrite)? {
            *edit = PackedEdit { seq, author, via, at_ms, body };
        }
    }
    if changes.rows.is_empty() {
        return Ok(ErasedPack { was, new: None });
    }
    let body = packing::encode(&edits)?;
    Ok(ErasedPack { was, new: Some(NewPack { edits, body, changes }) })
}

/// seq, state, whole_bytes.
pub(super) type SnapshotColumns = (i64, Vec<u8>, Option<i64>);

/// What is to be done about a snapshot.
pub(super) enum ErasedSnapshot {
    Stays,
    Is(Bytes),
    /// It cannot be read, and stands for nothing.
    Goes,
}

/// Has a snapshot rewritten; the one at the horizon stands for what was dropped.
pub(super) fn rewrite_snapshot(
    (seq, state, whole_bytes): SnapshotColumns,
    horizon: Seq,
    rewrite: &dyn Rewrite,
) -> Result<(i64, ErasedSnapshot), StoreError> {
    let state = match snapshot::state(state, whole_bytes) {
        Ok(state) => state,
        // It may have what is erased.
        Err(_) if rows::seq(seq) != horizon => return Ok((seq, ErasedSnapshot::Goes)),
        Err(newer) => return Err(newer.into()),
    };
    let erased = match rewrite.state(&state) {
        Ok(None) => ErasedSnapshot::Stays,
        Ok(Some(state)) => ErasedSnapshot::Is(state),
        Err(_) if rows::seq(seq) != horizon => ErasedSnapshot::Goes,
        Err(reason) => {
            return Err(StoreError::Unexpected(format!("the snapshot at {seq} cannot be erased from: {reason}")));
        }
    };
    Ok((seq, erased))
}

/// What tells of a user, with another name; `None` if it tells of somebody else.
pub(super) fn renamed(body: &str, (from, to): (&UserId, &UserId)) -> Option<String> {
    let mut told: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).ok()?;
    if told.get("user")?.as_str()? != from.as_str() {
        return None;
    }
    for field in ["user", "name"] {
        told.insert(field.to_owned(), to.as_str().into());
    }
    serde_json::to_string(&told).ok()
}

/// What waits to be told: how the next of a room are read, and changed.
pub(super) const TOLD: [(&str, &str); 2] = [
    (
        "select id, body from webhook_event where room = $1 and id > $2 and body is not null order by id limit $3",
        "update webhook_event set body = $2 where id = $1",
    ),
    (
        "select number, body from webhook_delivery where room = $1 and number > $2 and body is not null order by number limit $3",
        "update webhook_delivery set body = $2 where number = $1 and body is not null",
    ),
];

/// The methods of a backend, in the words of `$database`; `$lock` keeps the room's row until the transaction ends.
macro_rules! erasure_methods {
    ($backend:ty, $database:ident, $lock:literal) => {
        impl $backend {
            /// Begins an erasure in a room, if it is in an epoch, and if its newest entry is this one, where that counts.
            pub async fn begin_erasure(
                &self,
                room: RoomId,
                plan: &[u8],
                (epoch, newest): (i64, Option<Seq>),
            ) -> Result<BegunErasure, StoreError> {
                let mut writing = self.writing().await?;
                let sql = concat!("select head, epoch from room where id = $1 and deleted_at is null", $lock);
                let query = sqlx::query_as(sql).bind(room.0);
                let found: Option<(i64, i64)> = query.fetch_optional(&mut *writing.connection()).await?;
                let query = sqlx::query("select 1 from erasure where room_id = $1").bind(room.0);
                let is_busy = query.fetch_optional(&mut *writing.connection()).await?.is_some();
                let head = match found {
                    None => Err(BegunErasure::Gone),
                    Some(_) if is_busy => Err(BegunErasure::Busy),
                    Some((_, now)) if now != epoch => Err(BegunErasure::Renewed),
                    Some((head, _)) if newest.is_some_and(|newest| seq_column(newest) != head) => {
                        Err(BegunErasure::Changed)
                    }
                    Some((head, _)) => Ok(head),
                };
                let head = match head {
                    Ok(head) => head,
                    Err(begun) => {
                        writing.roll_back().await?;
                        return Ok(begun);
                    }
                };
                let sql = "insert into erasure (room_id, plan, upto) values ($1, $2, $3)";
                let query = sqlx::query(sql).bind(room.0).bind(plan).bind(head);
                query.execute(&mut *writing.connection()).await?;
                Self::raise_epoch(writing.connection(), room).await?;
                // Copies that are being made get nothing more.
                // By the index of deleted rooms.
                let sql = "update room set purge = 1, purge_at = 0 \
                           where copy_of = $1 and deleted_at is not null and purge_at >= 0 and purge = 0";
                sqlx::query(sql).bind(room.0).execute(&mut *writing.connection()).await?;
                let row = Self::erasure_of(writing.connection(), room).await?;
                writing.commit().await?;
                Ok(row.map_or(BegunErasure::Gone, BegunErasure::Begun))
            }

            async fn raise_epoch(connection: &mut Connection, room: RoomId) -> sqlx::Result<()> {
                let sql = "update room set epoch = epoch + 1 where id = $1";
                sqlx::query(sql).bind(room.0).execute(connection).await.map(drop)
            }

            async fn erasure_of(connection: &mut Connection, room: RoomId) -> Result<Option<ErasureRow>, StoreError> {
                let sql = concat!(pending_sql!(), " and erasure.room_id = $1");
                let row: Option<ErasureColumns> = sqlx::query_as(sql).bind(room.0).fetch_optional(connection).await?;
                row.map(erasure::erasure).transpose()
            }

            pub async fn erasure(&self, room: RoomId) -> Result<Option<ErasureRow>, StoreError> {
                let mut reading = self.reading().await?;
                let row = Self::erasure_of(reading.connection(), room).await?;
                reading.keep();
                Ok(row)
            }

            pub async fn pending_erasures(&self, after: RoomId, limit: u32) -> Result<Vec<ErasureRow>, StoreError> {
                let mut reading = self.reading().await?;
                let sql = concat!(pending_sql!(), " and erasure.room_id > $1 order by erasure.room_id limit $2");
                let query = sqlx::query_as(sql).bind(after.0).bind(i64::from(limit));
                let found: Vec<ErasureColumns> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                found.into_iter().map(erasure::erasure).collect()
            }

            pub async fn count_erasures(&self) -> Result<(i64, i64), StoreError> {
                let mut reading = self.reading().await?;
                let query = sqlx::query_as("select count(*), count(failure) from erasure");
                let counted = query.fetch_one(&mut *reading.connection()).await?;
                reading.keep();
                Ok(counted)
            }

            pub async fn note_failure(
                &self,
                room: RoomId,
                failure: &str,
                now_ms: i64,
            ) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                let sql = "update erasure set failure = $2, failed_at = $3 where room_id = $1";
                let query = sqlx::query(sql).bind(room.0).bind(failure).bind(now_ms);
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await
            }

            /// Ends an erasure where it is, unless all is rewritten; whether there was one to end.
            pub async fn cancel_erasure(&self, room: RoomId, epoch: i64) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                match Self::lock_erasure(writing.connection(), room, epoch).await? {
                    Ok(_) if is_being_erased(epoch) => {}
                    Ok(_) | Err(StoreError::Renewed) => {
                        writing.roll_back().await?;
                        return Ok(false);
                    }
                    Err(error) => {
                        writing.roll_back().await?;
                        return Err(error);
                    }
                }
                let query = sqlx::query("delete from erasure where room_id = $1").bind(room.0);
                query.execute(&mut *writing.connection()).await?;
                let query = sqlx::query("update room set epoch = epoch + $2 where id = $1").bind(room.0);
                query.bind(erasure::CANCELLED_EPOCHS).execute(&mut *writing.connection()).await?;
                writing.commit().await?;
                Ok(true)
            }

            pub async fn is_named(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
                let sql = "select exists (select 1 from entry where room_id = $1 and (author = $2 or via = $2)) \
                           or exists (select 1 from pack_user where room_id = $1 and (author = $2 or sender = $2)) \
                           or exists (select 1 from client where room_id = $1 and user_id = $2) \
                           or exists (select 1 from version where room_id = $1 and author = $2) \
                           or exists (select 1 from room_usage where room_id = $1 and user_id = $2) \
                           or exists (select 1 from room where id = $1 and made_by = $2)";
                let mut reading = self.reading().await?;
                let query = sqlx::query_scalar(sql).bind(room.0).bind(user.as_str());
                let is_named = query.fetch_one(&mut *reading.connection()).await?;
                reading.keep();
                Ok(is_named)
            }

            /// A transaction in which a room and its erasure are locked, in an epoch.
            async fn writing_locked(&self, room: RoomId, epoch: i64) -> Result<(Writing<'_>, Locked), StoreError> {
                let mut writing = self.writing().await?;
                match Self::lock_erasure(writing.connection(), room, epoch).await? {
                    Ok(locked) => Ok((writing, locked)),
                    Err(error) => {
                        writing.roll_back().await?;
                        Err(error)
                    }
                }
            }

            async fn lock_erasure(
                connection: &mut Connection,
                room: RoomId,
                epoch: i64,
            ) -> Result<Result<Locked, StoreError>, StoreError> {
                let sql = concat!("select head, counted, epoch, purge > 0 from room where id = $1", $lock);
                let query = sqlx::query_as(sql).bind(room.0);
                let found: Option<(i64, i64, i64, bool)> = query.fetch_optional(&mut *connection).await?;
                let (head, counted) = match found {
                    Some((_, _, _, true)) => return Ok(Err(StoreError::RoomDeleted)),
                    Some((head, counted, now, false)) if now == epoch => (head, counted),
                    _ => return Ok(Err(StoreError::Renewed)),
                };
                let sql = "select upto, done, packed from erasure where room_id = $1";
                let query = sqlx::query_as(sql).bind(room.0);
                let found: Option<(i64, i64, i64)> = query.fetch_optional(&mut *connection).await?;
                let locked = |(upto, done, packed)| Locked { head, counted, upto, done, packed };
                Ok(found.map(locked).ok_or(StoreError::Renewed))
            }

            /// The next pack to look at.
            pub async fn pack_to_erase(&self, room: RoomId) -> Result<Option<StoredPack>, StoreError> {
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(erasure::NEXT_PACK_SQL).bind(room.0);
                let found: Option<PackColumns> = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                Ok(found.map(|columns| StoredPack::new(room, columns)))
            }

            /// Puts a pack that was rewritten in the place of the one that was looked at, if that is as it was.
            pub async fn save_erased_pack(
                &self,
                room: RoomId,
                epoch: i64,
                ErasedPack { was, new }: &ErasedPack,
            ) -> Result<ErasureProgress, StoreError> {
                let (mut writing, locked) = self.writing_locked(room, epoch).await?;
                let last = was.span.1;
                if let Some(NewPack { edits, body, changes }) = new {
                    let taken = Self::take_pack(writing.connection(), room, last).await?;
                    if locked.packed >= seq_column(last) || taken.is_none_or(|(_, _, taken)| taken != was.body) {
                        // Retention has dropped some of it, or another server was first.
                        writing.roll_back().await?;
                        return Ok(ErasureProgress::default());
                    }
                    Self::insert_pack(writing.connection(), room, edits, body).await?;
                    for (user, bytes) in changes.used(locked.counted) {
                        Self::put_on(writing.connection(), room, user, bytes).await?;
                    }
                }
                let sql = "update erasure set packed = $2, failure = null, failed_at = null \
                           where room_id = $1 and packed < $2";
                let query = sqlx::query(sql).bind(room.0).bind(seq_column(last));
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await?;
                let entries = new.as_ref().map_or(0, |new| new.changes.rows.len() as u64);
                Ok(ErasureProgress { entries, is_done: false })
            }

            /// Rewrites the next rows.
            pub async fn erase_rows(
                &self,
                room: RoomId,
                epoch: i64,
                rewrite: &dyn Rewrite,
            ) -> Result<ErasureProgress, StoreError> {
                let (mut writing, locked) = self.writing_locked(room, epoch).await?;
                let (last, entries) =
                    Self::erase_rows_upto(writing.connection(), room, &locked, locked.upto, rewrite).await?;
                writing.commit().await?;
                Ok(ErasureProgress { entries, is_done: last.is_none_or(|last| last == locked.upto) })
            }

            /// Rewrites the next rows up to a seq, in the caller's transaction: the last one that was looked at, and how many are others.
            async fn erase_rows_upto(
                connection: &mut Connection,
                room: RoomId,
                locked: &Locked,
                upto: i64,
                rewrite: &dyn Rewrite,
            ) -> Result<(Option<i64>, u64), StoreError> {
                let query = sqlx::query_scalar(rows::part_sql!($database, "")).bind(room.0).bind(locked.done).bind(upto);
                let last: Option<i64> = query.bind(rows::PART_ROWS).fetch_one(&mut *connection).await?;
                let mut count = 0;
                if let Some(last) = last {
                    let query = sqlx::query_as(erasure::rows_sql!($database)).bind(room.0).bind(locked.done).bind(last);
                    let found: Vec<EntryColumns> = query.fetch_all(&mut *connection).await?;
                    let entries = found.into_iter().map(rows::entry).collect::<Result<Vec<_>, _>>()?;
                    // Short for all but a long one; others' work goes on meanwhile.
                    let changes = tokio::task::block_in_place(|| erasure::rewrite_rows(&entries, rewrite))?;
                    for (seq, rewritten) in &changes.rows {
                        let kept = Self::keep_body(connection, room, *seq, &rewritten.body).await?;
                        let Rewritten { author, via, .. } = rewritten;
                        let sql = "update entry set body = $3, author = $4, via = $5 where room_id = $1 and seq = $2";
                        let query = sqlx::query(sql).bind(room.0).bind(seq_column(*seq)).bind(kept);
                        let query = query.bind(author.as_str()).bind(via.as_ref().map(UserId::as_str));
                        query.execute(&mut *connection).await?;
                    }
                    for (user, bytes) in changes.used(locked.counted) {
                        Self::put_on(connection, room, user, bytes).await?;
                    }
                    count = changes.rows.len() as u64;
                }
                let sql = "update erasure set done = $2, failure = null, failed_at = null where room_id = $1";
                let query = sqlx::query(sql).bind(room.0).bind(last.unwrap_or(upto));
                query.execute(&mut *connection).await?;
                Ok((last, count))
            }

            /// Copies of a room that were being made when the erasure began.
            pub async fn copies_to_erase(&self, room: RoomId) -> Result<Vec<RoomId>, StoreError> {
                let mut reading = self.reading().await?;
                let sql = "select id from room where copy_of = $1 and deleted_at is not null and purge_at = 0 and purge = 1";
                let found: Vec<i64> = sqlx::query_scalar(sql).bind(room.0).fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                Ok(found.into_iter().map(RoomId).collect())
            }

            /// Deletes some of a room's history; whether there may be more.
            pub async fn erase_segments(&self, room: RoomId) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = "delete from history where room_id = $1 and after in \
                           (select after from history where room_id = $1 order by after limit $2)";
                let query = sqlx::query(sql).bind(room.0).bind(erasure::PART_SEGMENTS);
                let deleted = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(deleted > 0)
            }

            /// The first snapshot behind a seq.
            pub async fn snapshot_to_erase(
                &self,
                room: RoomId,
                after: i64,
            ) -> Result<Option<SnapshotColumns>, StoreError> {
                let mut reading = self.reading().await?;
                let sql = "select seq, state, whole_bytes from snapshot where room_id = $1 and seq > $2 order by seq limit 1";
                let query = sqlx::query_as(sql).bind(room.0).bind(after);
                let found = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                Ok(found)
            }

            /// Puts a snapshot in the place of one that was looked at, or deletes it. Meanwhile nobody adds any.
            pub async fn save_erased_snapshot(
                &self,
                room: RoomId,
                epoch: i64,
                seq: i64,
                state: Option<&[u8]>,
            ) -> Result<(), StoreError> {
                let (mut writing, _) = self.writing_locked(room, epoch).await?;
                let query = match state {
                    Some(state) => {
                        let sql = "update snapshot set state = $3, whole_bytes = null where room_id = $1 and seq = $2";
                        sqlx::query(sql).bind(room.0).bind(seq).bind(state)
                    }
                    None => sqlx::query("delete from snapshot where room_id = $1 and seq = $2").bind(room.0).bind(seq),
                };
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await
            }

            /// Puts a base in the place of one that was looked at, or where there was none.
            pub async fn save_erased_base(
                &self,
                room: RoomId,
                epoch: i64,
                seq: Seq,
                body: &[u8],
            ) -> Result<(), StoreError> {
                let (mut writing, _) = self.writing_locked(room, epoch).await?;
                let sql = "insert into base (room_id, seq, body) values ($1, $2, $3) \
                           on conflict (room_id) do update set body = excluded.body where base.seq = excluded.seq";
                let query = sqlx::query(sql).bind(room.0).bind(seq_column(seq)).bind(body);
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await
            }

            /// Gives some of a user's Yjs clients to another name; whether there may be more.
            pub async fn rename_clients(
                &self,
                room: RoomId,
                (from, to): (&UserId, &UserId),
            ) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = "update client set user_id = $3 where room_id = $1 and client_id in \
                           (select client_id from client where room_id = $1 and user_id = $2 limit $4)";
                let query = sqlx::query(sql).bind(room.0).bind(from.as_str()).bind(to.as_str());
                let query = query.bind(erasure::PART_CLIENTS);
                let renamed = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(renamed > 0)
            }

            /// Gives a user another name in some of what waits to be told of a room, behind a row; where the next ones begin, if there may
            /// be more.
            pub async fn rename_told(
                &self,
                room: &RoomName,
                rename: (&UserId, &UserId),
                (table, after): (usize, i64),
            ) -> Result<Option<i64>, StoreError> {
                let (read, update) = erasure::TOLD[table];
                let mut writing = self.writing().await?;
                let query = sqlx::query_as(read).bind(room.as_str()).bind(after).bind(erasure::PART_TOLD);
                let found: Vec<(i64, String)> = query.fetch_all(&mut *writing.connection()).await?;
                for (id, body) in &found {
                    if let Some(body) = erasure::renamed(body, rename) {
                        let query = sqlx::query(update).bind(id).bind(body);
                        query.execute(&mut *writing.connection()).await?;
                    }
                }
                writing.commit().await?;
                Ok(found.last().map(|(id, _)| *id))
            }

            /// Rewrites what has come since, and ends the epoch; `false` if that is too much for now.
            pub async fn end_epoch(
                &self,
                room: RoomId,
                epoch: i64,
                rewrite: &dyn Rewrite,
            ) -> Result<bool, StoreError> {
                let (mut writing, locked) = self.writing_locked(room, epoch).await?;
                let (last, _) =
                    Self::erase_rows_upto(writing.connection(), room, &locked, locked.head, rewrite).await?;
                let sql = "update erasure set upto = $2 where room_id = $1";
                let query = sqlx::query(sql).bind(room.0).bind(locked.head);
                query.execute(&mut *writing.connection()).await?;
                let query = sqlx::query(erasure::NEXT_PACK_SQL).bind(room.0);
                let has_packs = query.fetch_optional(&mut *writing.connection()).await?.is_some();
                if has_packs || last.is_some_and(|last| last < locked.head) {
                    writing.commit().await?;
                    return Ok(false);
                }
                if let Some((from, to)) = rewrite.rename() {
                    for sql in [
                        "update client set user_id = $3 where room_id = $1 and user_id = $2",
                        "update version set author = $3 where room_id = $1 and author = $2",
                        "update room set made_by = $3 where id = $1 and made_by = $2",
                        "insert into room_usage (room_id, user_id, bytes) \
                         select room_id, $3, bytes from room_usage where room_id = $1 and user_id = $2 \
                         on conflict (room_id, user_id) do update set bytes = room_usage.bytes + excluded.bytes",
                    ] {
                        let query = sqlx::query(sql).bind(room.0).bind(from.as_str()).bind(to.as_str());
                        query.execute(&mut *writing.connection()).await?;
                    }
                    let sql = "delete from room_usage where room_id = $1 and user_id = $2";
                    let query = sqlx::query(sql).bind(room.0).bind(from.as_str());
                    query.execute(&mut *writing.connection()).await?;
                }
                // It may name who was renamed, and nobody needs that any more.
                let sql = "update erasure set plan = $2, failure = null, failed_at = null where room_id = $1";
                let query = sqlx::query(sql).bind(room.0);
                query.bind(&*rewrite.notice()).execute(&mut *writing.connection()).await?;
                Self::raise_epoch(writing.connection(), room).await?;
                writing.commit().await?;
                Ok(true)
            }

            pub async fn end_notice(&self, room: RoomId) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                let sql = "update erasure set plan = $2 where room_id = $1 \
                           and exists (select 1 from room where id = $1 and epoch % 2 = 0)";
                let query = sqlx::query(sql).bind(room.0).bind(&[][..] as &[u8]);
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await
            }

            /// Rooms whose erasures are finished, and told of, but for what the database keeps of deleted rows.
            pub async fn rewritten_rooms(&self) -> Result<Vec<RoomId>, StoreError> {
                let mut reading = self.reading().await?;
                let sql = "select erasure.room_id, room.epoch from erasure left join room on room.id = erasure.room_id \
                           where length(erasure.plan) = 0";
                let found: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                let rewritten = found.into_iter().filter(|(_, epoch)| !is_being_erased(*epoch));
                Ok(rewritten.map(|(room, _)| RoomId(room)).collect())
            }

            /// Ends erasures.
            pub async fn end_erasures(&self, rooms: &[RoomId]) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                for room in rooms {
                    let query = sqlx::query("delete from erasure where room_id = $1").bind(room.0);
                    query.execute(&mut *writing.connection()).await?;
                }
                writing.commit().await
            }
        }
    };
}
pub(super) use erasure_methods;

/// Each has a room: the outer join has SQLite begin with erasures, which are few.
macro_rules! pending_sql {
    () => {
        "select erasure.room_id, room.name, erasure.plan, erasure.upto, erasure.done, room.epoch, \
         erasure.failure, erasure.failed_at \
         from erasure left join room on room.id = erasure.room_id where room.purge = 0"
    };
}
pub(super) use pending_sql;
