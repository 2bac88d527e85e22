//! Rooms that become copies of others. One is filled part by part below a name of the server's own, as a room that was deleted: nobody
//! sees it, and it goes by itself unless it is finished soon. With the last part it gets its name, and is there as a whole. Both
//! databases run the same statements; `copy_methods!` makes the methods of each.

use bytes::Bytes;

use super::entry::{Entry, Maker, NewEntry, RoomId};
use super::error::StoreError;
use crate::ids::{RoomName, Seq, UserId};

/// Where rooms are filled; an id of their own follows.
pub(super) const FILLING: &str = "tutti/copy/";
/// How long one that gets no further part is kept, in milliseconds.
pub(super) const KEPT_MS: i64 = 60_000;
/// A room was made, otherwise than by its first entry: the type of the event.
pub const CREATED: &str = "room.created";

/// A part of what a room gets.
#[derive(Clone, Debug)]
pub enum CopyPart {
    /// Entries with their bodies, at the places that they have.
    Entries(Vec<Entry>),
    /// Whose Yjs clients are.
    Clients(Vec<(u64, UserId)>),
    /// What its history begins with, where nothing was dropped, for others to understand.
    Base(Bytes),
}

/// What a room becomes once all parts are in it.
#[derive(Clone, Debug)]
pub struct FinishedCopy {
    /// Its name.
    pub name: RoomName,
    /// Its newest entry.
    pub head: Seq,
    /// When it was changed last, in Unix milliseconds: not before that entry.
    pub at_ms: i64,
    /// The room that it is a copy of.
    pub of: RoomId,
    /// Whether named versions come along, and the newest snapshot, up to its newest entry.
    pub with_past: bool,
    /// Who makes it, and the name that is shown.
    pub by: (UserId, String),
    /// What it counts of who makes it, in bytes on disk.
    pub bytes: u64,
    /// For whom it counts as a room; `None`: for nobody.
    pub maker: Option<Maker>,
}

/// What became of finishing a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyEnd {
    /// It is there.
    Done,
    /// Another room has the name, or had it and was deleted.
    Taken,
    /// The room that it is a copy of was deleted meanwhile.
    Deleted,
    /// It took too long from one part to the next, or something is being erased from the room that it is a copy of.
    Late,
    /// Its maker has made as many rooms as they may.
    TooMany,
}

/// Entries as they are inserted.
pub(super) fn new_entries(entries: &[Entry]) -> Result<Vec<NewEntry>, StoreError> {
    let new = |entry: &Entry| {
        let body = entry.body.clone();
        let body = body.ok_or_else(|| StoreError::Unexpected(format!("the entry {} has no body", entry.seq)))?;
        let Entry { kind, author, via, key, .. } = entry;
        Ok(NewEntry { kind: *kind, author: author.clone(), via: via.clone(), key: key.clone(), condition: None, body })
    };
    entries.iter().map(new).collect()
}

/// The methods of a backend; `$begin` makes a room's row of a name, its time, when it goes and what it copies, and `$lock` keeps a row from being deleted
/// until the transaction ends, in the words of the database.
macro_rules! copy_methods {
    ($backend:ty, $begin:literal, $lock:literal) => {
        impl $backend {
            /// Of a room in an epoch; `None` if it is in another, or is deleted.
            pub async fn begin_copy(
                &self,
                (of, epoch): (RoomId, i64),
                now_ms: i64,
            ) -> Result<Option<RoomId>, StoreError> {
                let mut writing = self.writing().await?;
                let sql = concat!("select 1 from room where id = $1 and epoch = $2 and deleted_at is null", $lock);
                let query = sqlx::query(sql).bind(of.0).bind(epoch);
                if query.fetch_optional(&mut *writing.connection()).await?.is_none() {
                    writing.roll_back().await?;
                    return Ok(None);
                }
                let name = format!("{}{}", copy::FILLING, Uuid::new_v4().simple());
                let query = sqlx::query_scalar($begin).bind(name).bind(now_ms).bind(now_ms + copy::KEPT_MS);
                let id: i64 = query.bind(of.0).fetch_one(&mut *writing.connection()).await?;
                writing.commit().await?;
                Ok(Some(RoomId(id)))
            }

            /// Whether it is still there.
            pub async fn fill_copy(&self, copy: RoomId, part: &CopyPart, now_ms: i64) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = "update room set purge_at = $2 where id = $1 and deleted_at is not null and purge = 0";
                let query = sqlx::query(sql).bind(copy.0).bind(now_ms + copy::KEPT_MS);
                if query.execute(&mut *writing.connection()).await?.rows_affected() == 0 {
                    writing.roll_back().await?;
                    return Ok(false);
                }
                match part {
                    CopyPart::Entries(entries) => {
                        let new = copy::new_entries(entries)?;
                        let row = |(entry, old): (_, &Entry)| Row { room: copy, seq: old.seq, at_ms: old.at_ms, entry };
                        let rows: Vec<Row<'_>> = new.iter().zip(entries).map(row).collect();
                        writing.connection().write("", &rows, &[]).await?;
                    }
                    CopyPart::Clients(clients) => {
                        let clients: Vec<_> = clients.iter().map(|client| (copy, client)).collect();
                        writing.connection().bind_clients(&clients).await?;
                    }
                    CopyPart::Base(body) => {
                        let sql = "insert into base (room_id, seq, body) values ($1, $2, $3)";
                        let query = sqlx::query(sql).bind(copy.0).bind(seq_column(retention::BASE_OF_ALL));
                        query.bind(&body[..]).execute(&mut *writing.connection()).await?;
                    }
                }
                writing.commit().await?;
                Ok(true)
            }

            pub async fn finish_copy(
                &self,
                copy: RoomId,
                FinishedCopy { name, head, at_ms, of, with_past, by: (by, shown), bytes, maker }: &FinishedCopy,
                now_ms: i64,
            ) -> Result<CopyEnd, StoreError> {
                let mut writing = self.writing().await?;
                // First, for it may wait: who writes in the room that it is a copy of does not.
                if !Self::may_make(writing.connection(), maker.as_ref()).await? {
                    let sql = "select 1 from room where name = $1";
                    let query = sqlx::query(sql).bind(name.as_str());
                    let is_taken = query.fetch_optional(&mut *writing.connection()).await?.is_some();
                    writing.roll_back().await?;
                    return Ok(if is_taken { CopyEnd::Taken } else { CopyEnd::TooMany });
                }
                let sql = concat!("select 1 from room where id = $1 and deleted_at is null", $lock);
                let query = sqlx::query(sql).bind(of.0);
                if query.fetch_optional(&mut *writing.connection()).await?.is_none() {
                    writing.roll_back().await?;
                    return Ok(CopyEnd::Deleted);
                }
                let sql = "update room set name = $2, head = $3, last_at = $4, created_at = $5, deleted_at = null, \
                           deleted_by = null, purge_at = null, frees_name = false, counted = $3, copy_of = null, made_by = $6 \
                           where id = $1 and deleted_at is not null and purge = 0";
                let query = sqlx::query(sql).bind(copy.0).bind(name.as_str()).bind(seq_column(*head)).bind(at_ms);
                let query = query.bind(now_ms).bind(maker.as_ref().map(|maker| maker.user.as_str()));
                match query.execute(&mut *writing.connection()).await {
                    Ok(done) if done.rows_affected() > 0 => {}
                    Ok(_) => {
                        writing.roll_back().await?;
                        return Ok(CopyEnd::Late);
                    }
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                        writing.roll_back().await?;
                        return Ok(CopyEnd::Taken);
                    }
                    Err(error) => return Err(error.into()),
                }
                // Whoever wrote it has it where they wrote it.
                let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
                let query = sqlx::query(usage::ADD_SQL).bind(copy.0).bind(by.as_str()).bind(bytes);
                query.execute(&mut *writing.connection()).await?;
                if *with_past {
                    let sql = "insert into version (room_id, seq, label, author, at, meta) \
                               select $1, seq, label, author, at, meta from version where room_id = $2 and seq <= $3";
                    let query = sqlx::query(sql).bind(copy.0).bind(of.0).bind(seq_column(*head));
                    query.execute(&mut *writing.connection()).await?;
                    let sql = "insert into snapshot (room_id, seq, state, whole_bytes) select $1, seq, state, whole_bytes from snapshot \
                               where room_id = $2 and seq <= $3 order by seq desc limit 1";
                    let query = sqlx::query(sql).bind(copy.0).bind(of.0).bind(seq_column(*head));
                    query.execute(&mut *writing.connection()).await?;
                }
                // Nobody said anything: that there is a room is told, and what its document is.
                let sql = "insert into webhook_due (room_id, since, edits_since, edits_from_at, edits_due_at, head) \
                           select $1, $2, 0, $3, $3, $2 where exists (select 1 from webhook)";
                let query = sqlx::query(sql).bind(copy.0).bind(seq_column(*head)).bind(now_ms);
                query.execute(&mut *writing.connection()).await?;
                let body = serde_json::json!({ "user": by, "name": shown, "seq": head }).to_string();
                let query = sqlx::query(ROOM_EVENT_SQL).bind(name.as_str()).bind(copy::CREATED).bind(now_ms).bind(body);
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await?;
                Ok(CopyEnd::Done)
            }

            pub async fn drop_copy(&self, copy: RoomId) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                let sql = "update room set purge_at = 0 where id = $1 and deleted_at is not null and purge = 0";
                sqlx::query(sql).bind(copy.0).execute(&mut *writing.connection()).await?;
                writing.commit().await
            }
        }
    };
}
pub(super) use copy_methods;
