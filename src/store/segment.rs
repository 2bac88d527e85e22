//! Segments of histories: what is made of entries to read past states. Their bodies are for others to understand.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::entry::RoomId;
use super::error::StoreError;
use super::rows;
use crate::ids::{RoomName, Seq};

/// Most bytes of one page of segments, its first one aside.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// A stretch of a room's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistorySegment {
    /// It has what came after this seq.
    pub after: Seq,
    /// Up to this one.
    pub seq: Seq,
    /// Its content.
    pub body: Bytes,
}

/// after, seq, body.
pub(super) type SegmentColumns = (i64, i64, Vec<u8>);

pub(super) const SEGMENTS_SQL: &str =
    "select after, seq, body from history where room_id = $1 and after >= $2 order by after";
/// Nothing is kept of a room that was deleted, of what retention has dropped, or of what was read before an erasure; `$lock` keeps it from being, in the words of the database.
macro_rules! save_sql {
    ($lock:literal) => {
        concat!(
            "insert into history (room_id, after, seq, body) select id, $2, $3, $4 from room \
             where id = $1 and deleted_at is null and horizon <= $2 and epoch = $5",
            $lock,
            " on conflict (room_id, after) do nothing"
        )
    };
}
pub(super) use save_sql;
pub(super) const FORGET_SQL: &str = "delete from history where room_id = $1 and after >= $2";
/// Rooms of a span of ids whose histories lack at least so many entries, and a share of all: reading what is there costs as much as it
/// is long, so that a room of any length is read some 64 times at most. While an erasure is under way nothing is kept of what is read.
pub(super) const BEHIND_SQL: &str = "select room.id, room.name from room where room.id > $1 and room.id <= $2 \
    and room.head - room.head / 64 >= coalesce((select max(history.seq) from history where history.room_id = room.id), room.horizon) \
    and room.head >= $3 + coalesce((select max(history.seq) from history where history.room_id = room.id), room.horizon) \
    and room.deleted_at is null and room.epoch % 2 = 0 order by room.id";
pub(super) const LAST_ROOM_SQL: &str = "select coalesce(max(id), 0) from room";

/// Gathers a page of segments.
pub(super) async fn page(
    mut rows: impl Stream<Item = sqlx::Result<SegmentColumns>> + Unpin,
) -> Result<(Vec<HistorySegment>, bool), StoreError> {
    let (mut segments, mut bytes) = (Vec::new(), 0);
    while let Some((after, seq, body)) = rows.try_next().await? {
        bytes += body.len();
        if bytes > PAGE_BYTES_MAX && !segments.is_empty() {
            return Ok((segments, true));
        }
        segments.push(HistorySegment { after: rows::seq(after), seq: rows::seq(seq), body: body.into() });
    }
    Ok((segments, false))
}

/// A room whose history lacks entries.
pub(super) fn behind((id, name): (i64, String)) -> Result<(RoomId, RoomName), StoreError> {
    let name =
        RoomName::parse(&name).map_err(|error| StoreError::Unexpected(format!("the name of room {id}: {error}")))?;
    Ok((RoomId(id), name))
}
